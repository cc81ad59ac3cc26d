'use strict';
/**
 * Rewrites the server-sent events of a response before an SDK parses them, because SDKs fail on events without data, miss an error
 * outside of `data`, read on after `[DONE]`, and do not report whether it was there (some providers end a stream by `[DONE]` alone:
 * Hunyuan, GitHub Copilot, OpenRouter for images). The core's decoder (crates/core/src/endpoint/plain.rs) rewrites each piece as the
 * SDK reads it; nothing is read ahead.
 */

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { keepBody } = require('./thrown.js');
const { read } = require('./untrusted.js');

/** How long after `[DONE]` the end of the body is waited for, in milliseconds, so that the connection can be used again. */
const END_TIME = 1000;

/** The media types whose bodies are rewritten: others may be streams of another format, such as lines of JSON. */
const EVENT_STREAM = /^\s*(?:text\/(?:event-stream|plain)|application\/json)?\s*(?:;|$)/i;

/** The media types that some web frameworks send by default, also for event streams: the first bytes of the body decide. */
const DOUBTFUL = /^\s*(?:application\/json|[^;]*\+json|text\/html)\s*(?:;|$)/i;
/** The first characters of an event stream: those of a comment and of `data`, `event`, `id`, `retry`. */
const FIELDS = Buffer.from(':deir');
/** Blanks, and the bytes of a byte order mark. */
const BLANK = Buffer.from(' \t\r\n\ufeff');
/** The most bytes that are read of a body that is no event stream. */
const MAX_BODY = 1024 * 1024;

/** The code of the error of a body that is no event stream. */
const NO_EVENT_STREAM = 'ERR_NO_EVENT_STREAM';

class EventRewriter {
  /** @param {string | undefined} doubtful The content type that decides nothing, so that the first bytes must be those of an event stream. */
  constructor(doubtful) {
    this.rewriter = native.newEventRewriter();
    this.hasEnded = false;
    this.doubtful = doubtful;
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
      if (this.doubtful !== undefined) throw noEventStream(this.doubtful, '');
      return this.#rewritten(this.rewriter.finish(), result);
    }
    const { value } = result;
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    if (!ArrayBuffer.isView(bytes)) return result;
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const first = this.doubtful === undefined ? undefined : view.find((byte) => !BLANK.includes(byte));
    if (this.doubtful !== undefined && first !== undefined) {
      if (!FIELDS.includes(first)) return refuse(this.doubtful, view, next);
      this.doubtful = undefined;
    }
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

/**
 * Reads a body that is no event stream, and throws its error.
 * @param {string} type @param {Uint8Array} start @param {() => Promise<any>} next @returns {Promise<never>}
 */
async function refuse(type, start, next) {
  const pieces = [start];
  for (let size = start.length, result; size < MAX_BODY && !(result = await next())?.done;) {
    const piece = Buffer.from(result.value);
    pieces.push(piece);
    size += piece.length;
  }
  throw noEventStream(type, Buffer.concat(pieces).toString());
}

/**
 * The error of a response that is no event stream. Its member `error` is the error that the body holds or is, as in errors of the SDK.
 * @param {string} type @param {string} text
 */
function noEventStream(type, text) {
  const mediaType = type.split(';', 1)[0]?.trim().toLowerCase();
  const error = new TypeError(`the response is no event stream, but ${mediaType}`);
  keepBody(error, text);
  const body = read(() => JSON.parse(text.trim()));
  const bodyError = body?.error ?? (typeof body?.message === 'string' ? body : undefined);
  return Object.assign(error, { code: NO_EVENT_STREAM, error: bodyError });
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
 * @param {boolean} isChecked Whether reading fails where the body is JSON or HTML.
 * @returns {{ hasDone: boolean } | undefined}
 */
function rewriteEvents(response, isChecked) {
  const { body } = response;
  const type = read(() => response.headers.get('content-type')) ?? '';
  const doubtful = isChecked && DOUBTFUL.test(type) ? type : undefined;
  if (typeof body !== 'object' || body === null) return undefined;
  if (doubtful === undefined && !EVENT_STREAM.test(type)) return undefined;
  const events = new EventRewriter(doubtful);
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

module.exports = { NO_EVENT_STREAM, rewriteEvents };
