'use strict';
/**
 * Rewrites the server-sent events of a response before an SDK parses them, because SDKs fail on events without data, miss an error
 * outside of `data`, read on after `[DONE]`, and do not report whether it was there (some providers end a stream by `[DONE]` alone:
 * Hunyuan, GitHub Copilot, OpenRouter for images). The core's decoder (crates/core/src/endpoint/plain.rs) rewrites each piece as the
 * SDK reads it; nothing is read ahead.
 */

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { read } = require('./untrusted.js');

/** How long after `[DONE]` the end of the body is waited for, in milliseconds, so that the connection can be used again. */
const END_TIME = 1000;

/** The media types whose bodies are rewritten: others may be streams of another format, such as lines of JSON. */
const EVENT_STREAM = /^\s*(?:text\/(?:event-stream|plain)|application\/json)?\s*(?:;|$)/i;

class EventRewriter {
  constructor() {
    this.rewriter = native.newEventRewriter();
    this.hasEnded = false;
  }

  /** Whether `[DONE]` was read. */
  get hasDone() {
    return this.rewriter.isDone;
  }

  /**
   * The next result of a reader, with its bytes rewritten.
   * @param {() => Promise<any>} next @param {() => unknown} cancel
   */
  async step(next, cancel) {
    if (this.hasEnded) return { done: true, value: undefined };
    const result = await next();
    if (result?.done) {
      this.hasEnded = true;
      return this.#rewritten(this.rewriter.finish(), result);
    }
    const { value } = result;
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    if (!ArrayBuffer.isView(bytes)) return result;
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const rewritten = this.rewriter.feed(view);
    if (this.hasDone) {
      this.hasEnded = true;
      readToEnd(next, cancel);
    }
    return { done: false, value: rewritten };
  }

  /** @param {Uint8Array} bytes @param {unknown} end */
  #rewritten(bytes, end) {
    return bytes.length > 0 ? { done: false, value: bytes } : end;
  }
}

/** Reads the rest of the body after `[DONE]`, so that the connection can be used again; cancels it after a while. @param {() => Promise<any>} next @param {() => unknown} cancel */
function readToEnd(next, cancel) {
  const close = async () => cancel();
  const stop = clock.after(END_TIME, () => close().catch(() => {}));
  /** @returns {Promise<void>} */
  const readOn = () => next().then((/** @type {any} */ result) => (result?.done ? stop() : readOn()));
  readOn().catch(stop);
}

/**
 * Makes a response's body return rewritten events, by both ways in which SDKs read a body: a reader and async iteration. A body of
 * another type is left as it is.
 * @param {any} response Its body must not have been read yet.
 * @returns {{ hasDone: boolean } | undefined}
 */
function rewriteEvents(response) {
  const { body } = response;
  const type = read(() => response.headers.get('content-type')) ?? '';
  if (typeof body !== 'object' || body === null || !EVENT_STREAM.test(type)) return undefined;
  const events = new EventRewriter();
  replace(body, 'getReader', (reader) => tap(reader, 'read', 'cancel', events));
  replace(body, Symbol.asyncIterator, (iterator) => tap(iterator, 'next', 'return', events));
  return events;
}

/** @param {any} object @param {string | symbol} name A method. @param {(returned: any) => any} change Changes what the method returns. */
function replace(object, name, change) {
  const method = object[name];
  if (typeof method === 'function') {
    define(object, name, (/** @type {unknown[]} */ ...args) => change(Reflect.apply(method, object, args)));
  }
}

/** @param {any} source @param {'read' | 'next'} step @param {'cancel' | 'return'} end @param {EventRewriter} events */
function tap(source, step, end, events) {
  const next = source[step];
  if (typeof next === 'function') {
    const cancel = () => Promise.resolve(source[end]?.());
    define(source, step, () => events.step(() => Promise.resolve(Reflect.apply(next, source, [])), cancel));
  }
  return source;
}

/** @param {any} object @param {string | symbol} name @param {unknown} value */
function define(object, name, value) {
  Reflect.defineProperty(object, name, { configurable: true, writable: true, value });
}

module.exports = { rewriteEvents };
