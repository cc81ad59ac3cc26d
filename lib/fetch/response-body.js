'use strict';
/** The body of a streamed `Response`: the text of server-sent events, with back-pressure. */

const clock = require('../native/clock.js');
const native = require('../native/native.js');

/** Consumed bytes are credited to the core's window in steps of this size, to save calls into the addon. */
const CREDIT_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/**
 * The call's reference to the source of a body: strong only while a reader waits, so that a response which the caller drops unread can be
 * garbage-collected and its connection closed.
 */
class SourceRef {
  constructor() {
    /** @type {EventSource | undefined} */
    this.waiting = undefined;
    /** @type {WeakRef<EventSource> | undefined} */
    this.weak = undefined;
  }

  /** @returns {EventSource | undefined} */
  get source() {
    return this.waiting ?? this.weak?.deref();
  }
}

/** The underlying source of a body's `ReadableStream`. */
class EventSource {
  /** @param {number} call @param {SourceRef} ref @param {() => void} onLeave Called when the caller stops reading before the end. */
  constructor(call, ref, onLeave) {
    this.type = /** @type {const} */ ('bytes');
    this.call = call;
    this.ref = ref;
    ref.weak = new WeakRef(this);
    this.onLeave = onLeave;
    /** Texts that have arrived and not been read. @type {{ text: string, bytes: number }[]} */
    this.texts = [];
    /** Bytes that were read and are not yet credited to the core's window. */
    this.consumed = 0;
    /** @type {(() => void) | undefined} */
    this.pulled = undefined;
    this.hasEnded = false;
    /** @type {{ error: unknown } | undefined} */
    this.failure = undefined;
    /** @type {ReadableByteStreamController} */
    this.controller = /** @type {any} */ (undefined);
  }

  /** @param {any} controller */
  start(controller) {
    this.controller = controller;
  }

  /** Adds events. @param {string} text @param {number} bytes */
  push(text, bytes) {
    if (this.hasEnded) return;
    this.texts.push({ text, bytes });
    this.#settlePull();
  }

  /** Ends the body after what has arrived. @param {string} last The last text. @param {{ error: unknown }} [failure] */
  end(last, failure) {
    if (this.hasEnded) return;
    if (last !== '') this.texts.push({ text: last, bytes: 0 });
    this.hasEnded = true;
    this.failure = failure;
    this.#settlePull();
  }

  /** Ends the body at once, and drops what has arrived. @param {unknown} error */
  fail(error) {
    this.texts = [];
    this.hasEnded = true;
    this.failure = { error };
    this.controller.error(error);
    this.#settle();
  }

  /** @returns {Promise<void> | undefined} */
  pull() {
    if (this.texts.length === 0 && this.failure) return this.#failSoon(this.failure.error);
    if (this.#enqueue()) return undefined;
    return new Promise((resolve) => {
      this.pulled = resolve;
      this.ref.waiting = this;
      native.holdProcess();
    });
  }

  cancel() {
    this.texts = [];
    this.#settle();
    if (!this.hasEnded) this.onLeave();
    this.hasEnded = true;
  }

  /**
   * Errors the body in a later turn of the event loop: an error discards what is queued in a pipeline of streams, so the reader gets
   * time to read it.
   * @param {unknown} error @returns {Promise<void>}
   */
  #failSoon(error) {
    return new Promise((resolve) => {
      clock.soon(() => {
        this.controller.error(error);
        resolve();
      });
    });
  }

  /** Resolves a pending pull if there is something to read. */
  #settlePull() {
    if (this.pulled && this.#enqueue()) this.#settle();
  }

  /** Resolves a pending pull. */
  #settle() {
    const { pulled } = this;
    if (!pulled) return;
    this.pulled = undefined;
    this.ref.waiting = undefined;
    native.releaseProcess();
    pulled();
  }

  /** Enqueues everything that has arrived; `false` where there is nothing. */
  #enqueue() {
    if (this.texts.length > 0) {
      const text = this.texts.length === 1 ? this.texts[0]?.text : this.texts.map((each) => each.text).join('');
      const bytes = this.texts.reduce((sum, each) => sum + each.bytes, 0);
      this.texts = [];
      this.controller.enqueue(encoder.encode(text));
      this.#credit(bytes);
      // An error would discard what was just enqueued, so it comes with the next pull.
      if (this.hasEnded && !this.failure) this.#close();
      return true;
    }
    if (!this.hasEnded) return false;
    if (this.failure) this.controller.error(this.failure.error);
    else this.#close();
    return true;
  }

  #close() {
    this.controller.close();
    // A BYOB reader waits until its request is answered with 0 bytes.
    this.controller.byobRequest?.respond(0);
  }

  /** @param {number} bytes */
  #credit(bytes) {
    this.consumed += bytes;
    if (this.consumed < CREDIT_BYTES || this.hasEnded) return;
    native.consumed(this.call, this.consumed);
    this.consumed = 0;
  }
}

/** Closes the connections of bodies that were garbage collected. */
const dropped = new FinalizationRegistry((/** @type {() => void} */ close) => close());

/**
 * Calls `close` when a source is garbage-collected. `close` must not refer to it.
 * @param {EventSource} source @param {() => void} close
 */
function whenDropped(source, close) {
  dropped.register(source, close, source);
}

/** @param {EventSource} source */
function forgetDropped(source) {
  dropped.unregister(source);
}

/** @param {EventSource} source */
function bodyOf(source) {
  // No read-ahead: back-pressure reaches the upstream.
  return new ReadableStream(source, { highWaterMark: 0 });
}

module.exports = { SourceRef, EventSource, bodyOf, forgetDropped, whenDropped };
