'use strict';
/** The reader's side of a stream: a queue of events and the iterator that takes them from it. */

const native = require('../native/native.js');
const { Chunks } = require('./delta.js');
const { rejection } = require('./errors.js');

/** Consumed bytes are credited to the window in steps of this size, so that not every event costs a call into the addon. */
const GIVE_BACK_BYTES = 64 * 1024;
/** Consumed events are removed from the queue when there are this many, and no fewer than waiting ones. */
const LET_GO_EVENTS = 64;

/**
 * The call's reference to its reader: strong only while the reader waits, so that a stream which is dropped
 * unread is collected and its connection closed (see `whenDropped`).
 */
class Seat {
  constructor() {
    /** Who waits for an event. @type {EventReader<any> | undefined} */
    this.waiting = undefined;
    /** @type {WeakRef<EventReader<any>> | undefined} */
    this.weak = undefined;
  }

  /** @returns {EventReader<any> | undefined} */
  get reader() {
    return this.waiting ?? this.weak?.deref();
  }
}

/**
 * The events of one stream on their way to its reader. An async iterator.
 * @template T
 */
class EventReader {
  /**
   * @param {number} call
   * @param {Seat} seat
   * @param {boolean} isOwn Not of a JavaScript client, whose chunks are here already.
   * @param {AbortController} controller The stream's. The caller's signal aborts it as long as somebody holds it, and who
   *   iterates may have nothing but the reader.
   * @param {() => Promise<void> | undefined} onClose Called when the reader leaves before the end. What it returns settles when the
   *   upstream's side is closed; it never rejects.
   */
  constructor(call, seat, isOwn, controller, onClose) {
    this.call = call;
    this.seat = seat;
    seat.weak = new WeakRef(this);
    this.controller = controller;
    this.onClose = onClose;
    this.chunks = isOwn ? new Chunks() : undefined;
    /** Set where each chunk's choices are to have a `finish_reason` (openai 7). */
    this.completes = false;
    /** Encoded events that the reader has not taken yet. @type {any[]} */
    this.events = [];
    this.head = 0;
    /** The batches in `events`: where each ends, and its bytes. @type {{ end: number, bytes: number }[]} */
    this.batches = [];
    this.taken = 0;
    this.arrived = 0;
    this.owed = 0;
    /** @type {((result: IteratorResult<T>) => void)[]} */
    this.waiters = [];
    this.ended = false;
    /** The reader has got the end. */
    this.isOver = false;
    /** The reader left before the end. */
    this.left = false;
    /** Once the reader has left: settles when the upstream is closed. @type {Promise<void> | undefined} */
    this.closing = undefined;
    /** Makes the error that the stream ended with. @type {(() => unknown) | undefined} */
    this.newError = undefined;
  }

  /** @param {any[]} events @param {number} bytes */
  push(events, bytes) {
    if (this.ended) return;
    this.arrived += events.length;
    // What is taken at once needs no batch to be counted by. So come nearly all events of a model that takes its time.
    const isTaken = this.waiters.length >= events.length;
    if (!isTaken) this.batches.push({ end: this.arrived, bytes });
    for (const event of events) {
      const waiter = this.waiters.shift();
      if (waiter) {
        this.#settled();
        this.#took();
        waiter({ value: this.#chunkOf(event), done: false });
      } else {
        this.events.push(event);
      }
    }
    if (isTaken) this.#owe(bytes);
  }

  /** The stream has ended, well or with an error; what came before is still handed out. @param {() => unknown} [newError] */
  end(newError) {
    if (this.ended) return;
    this.ended = true;
    this.newError = newError;
    for (const waiter of this.waiters.splice(0)) waiter(this.#lastResult());
    this.#settled();
  }

  /** What there is to read once all events are handed out: the error, once, then the end. @returns {any} */
  #lastResult() {
    this.isOver = true;
    const { newError } = this;
    this.newError = undefined;
    if (newError) return rejection(newError);
    const last = { value: undefined, done: true };
    return this.closing ? this.closing.then(() => last) : last;
  }

  /**
   * The reader leaves: nothing more is handed out, and the connection is closed.
   * @returns {Promise<void> | undefined} Settles when a custom client's iterator has returned.
   */
  close() {
    this.events = [];
    this.head = 0;
    this.newError = undefined;
    if (this.ended || this.left) return this.closing;
    this.left = true;
    this.closing = this.onClose();
    this.end();
    return this.closing;
  }

  /** @returns {Promise<IteratorResult<T>>} */
  next() {
    if (this.head < this.events.length) {
      const value = this.#chunkOf(this.events[this.head++]);
      // A reader who is always behind never takes the last one.
      if (this.head === this.events.length || (this.head >= LET_GO_EVENTS && this.head * 2 >= this.events.length)) {
        this.events = this.events.slice(this.head);
        this.head = 0;
      }
      this.#took();
      return Promise.resolve({ value, done: false });
    }
    if (this.ended) return Promise.resolve(this.#lastResult());
    return new Promise((resolve) => {
      this.waiters.push(resolve);
      if (this.seat.waiting) return;
      this.seat.waiting = this;
      native.holdProcess();
    });
  }

  /** @param {any} [value] @returns {Promise<IteratorResult<T>>} */
  async return(value) {
    await this.#leave();
    return { value, done: true };
  }

  /** @param {unknown} error @returns {Promise<IteratorResult<T>>} */
  async throw(error) {
    await this.#leave();
    throw error;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** As in the SDK, whose iterator says to all that listen that it was left, also where everything has come by then. */
  #leave() {
    if (!this.isOver) this.controller.abort();
    return this.close();
  }

  /** @param {any} event @returns {T} */
  #chunkOf(event) {
    const chunk = this.chunks ? this.chunks.chunkOf(event) : event;
    return this.completes ? withFinishReasons(chunk) : chunk;
  }

  #settled() {
    if (this.waiters.length > 0 || !this.seat.waiting) return;
    this.seat.waiting = undefined;
    native.releaseProcess();
  }

  /** An event was taken; when its batch is used up, its bytes are given back to the window. */
  #took() {
    this.taken += 1;
    let batch = this.batches[0];
    while (batch && this.taken >= batch.end) {
      this.batches.shift();
      this.#owe(batch.bytes);
      batch = this.batches[0];
    }
  }

  /** Bytes whose events were taken are given back to the window, many at once. @param {number} bytes */
  #owe(bytes) {
    this.owed += bytes;
    if (this.owed >= GIVE_BACK_BYTES && !this.ended) {
      native.consumed(this.call, this.owed);
      this.owed = 0;
    }
  }
}

/** Closes a stream whose reader was collected. */
const dropped = new FinalizationRegistry((/** @type {() => void} */ close) => close());

/**
 * Calls `close` when `reader` has been dropped. `close` must not hold it.
 * @param {EventReader<any>} reader
 * @param {() => void} close
 */
function whenDropped(reader, close) {
  dropped.register(reader, close, reader);
}

/** @param {EventReader<any>} reader */
function forgetDropped(reader) {
  dropped.unregister(reader);
}

/**
 * The function by which the SDK's `Stream` opens its iterator: once, as there.
 * @param {import('../sdk/sdk.js').Sdk} sdk
 * @param {EventReader<any>} reader
 */
function opener(sdk, reader) {
  let opened = false;
  const open = () => {
    if (opened) return refused(sdk);
    opened = true;
    reader.completes = open.completes;
    return reader;
  };
  /** Whether the chunks' choices are to have a `finish_reason`: see `StreamAnswer`. */
  open.completes = false;
  return open;
}

/**
 * The iterator of a stream that was opened before: it throws, as in the SDK.
 * @param {import('../sdk/sdk.js').Sdk} sdk @returns {AsyncGenerator<never>}
 */
async function* refused(sdk) {
  throw new sdk.OpenAIError('Cannot iterate over a consumed stream, use `.tee()` to split the stream.');
}

/** @param {any} chunk */
function withFinishReasons(chunk) {
  if (!Array.isArray(chunk?.choices)) return chunk;
  if (chunk.choices.every((/** @type {any} */ choice) => choice?.finish_reason !== undefined)) return chunk;
  const choices = chunk.choices.map((/** @type {any} */ choice) => ({
    ...choice,
    // One that is no object must not fail the reader in the middle of a batch.
    finish_reason: choice?.finish_reason ?? null,
  }));
  return { ...chunk, choices };
}

/**
 * The events as they came over the wire, for a `Response` that is read by hand: those of Responses have names, and no `[DONE]`.
 * @param {Pick<EventReader<any>, 'next' | 'close' | 'left'>} reader @param {string} endpoint
 */
function wireBody(reader, endpoint) {
  const isNamed = endpoint === 'responses';
  const encoder = new TextEncoder();
  return new ReadableStream(
    {
      async pull(controller) {
        const { value, done } = await reader.next();
        // As that of `fetch`: what was aborted has no end, and must not look as if it had.
        if (done && reader.left) throw new DOMException('This operation was aborted', 'AbortError');
        const name = isNamed && typeof value?.type === 'string' ? `event: ${value.type}\n` : '';
        if (!done) controller.enqueue(encoder.encode(`${name}data: ${JSON.stringify(value)}\n\n`));
        else if (!isNamed) controller.enqueue(encoder.encode('data: [DONE]\n\n'));
        if (done) controller.close();
      },
      cancel() {
        return reader.close();
      },
    },
    // Nothing is read ahead: a response that is only looked at must not take the events from who reads the stream.
    { highWaterMark: 0 },
  );
}

module.exports = { EventReader, Seat, forgetDropped, opener, whenDropped, wireBody };
