'use strict';
/**
 * Rewrites the event stream below an SDK's stream, where its bytes can be reached: SDKs fail on events without data, see no error
 * outside of `data`, read on after `[DONE]`, and do not say whether it came (Hunyuan, GitHub Copilot and OpenRouter, for images,
 * end streams by it alone). The bytes are rewritten by the core's own decoder (crates/core/src/endpoint/plain.rs) on their way to
 * the SDK; nothing is read ahead.
 */

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { read } = require('./untrusted.js');

/** After `[DONE]` the connection is kept for another request if the body ends within so many milliseconds. */
const END_TIME = 1000;

/** Other types may be streams of another kind, such as lines of JSON. */
const EVENT_STREAM = /^\s*(?:text\/(?:event-stream|plain)|application\/json)?\s*(?:;|$)/i;

class EventsBelow {
  constructor() {
    this.rewriter = native.newEventRewriter();
    this.hasEnded = false;
  }

  /** Whether `[DONE]` has passed. */
  get passed() {
    return this.rewriter.isDone;
  }

  /**
   * The next result of a reader in place of its own.
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
    if (this.passed) {
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

/** Reads what follows `[DONE]`, so that the connection can serve again, or closes it. @param {() => Promise<any>} next @param {() => unknown} cancel */
function readToEnd(next, cancel) {
  const close = async () => cancel();
  const stop = clock.after(END_TIME, () => close().catch(() => {}));
  /** @returns {Promise<void>} */
  const onward = () => next().then((/** @type {any} */ result) => (result?.done ? stop() : onward()));
  onward().catch(stop);
}

/**
 * Rewrites a response's body in either way that SDKs read one. What does not let itself be reached is left as it is.
 * @param {any} response Its body is not read yet.
 * @returns {{ passed: boolean } | undefined}
 */
function rewriteEvents(response) {
  const { body } = response;
  const type = read(() => response.headers.get('content-type')) ?? '';
  if (typeof body !== 'object' || body === null || !EVENT_STREAM.test(type)) return undefined;
  const events = new EventsBelow();
  replace(body, 'getReader', (reader) => tap(reader, 'read', 'cancel', events));
  replace(body, Symbol.asyncIterator, (iterator) => tap(iterator, 'next', 'return', events));
  return events;
}

/** @param {any} object @param {string | symbol} name A method. @param {(returned: any) => any} change Of what it returns. */
function replace(object, name, change) {
  const method = object[name];
  if (typeof method === 'function') {
    define(object, name, (/** @type {unknown[]} */ ...args) => change(Reflect.apply(method, object, args)));
  }
}

/** @param {any} source @param {'read' | 'next'} step @param {'cancel' | 'return'} end @param {EventsBelow} events */
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
