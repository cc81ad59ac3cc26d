'use strict';
/** The reader's side of a stream: an async iterator over a queue of events, with back-pressure on the core. */

const native = require('../native/native.js');
const { Chunks } = require('./delta.js');
const { rejection } = require('./errors.js');

/** Consumed bytes are credited to the core's window in steps of this size, so that not every event costs a call into the addon. */
const CREDIT_BYTES = 64 * 1024;
/** The queue is trimmed when it holds this many consumed events, and at least as many as unread ones. */
const TRIM_EVENTS = 64;

/**
 * The call's reference to its reader: strong only while the reader waits for an event, so that a stream which the caller drops
 * unread can be collected and its connection closed (see `whenDropped`).
 */
class ReaderRef {
  constructor() {
    /** The reader, while it waits for an event. @type {EventReader<any> | undefined} */
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
 * The queue of one stream's events and the async iterator that the caller reads.
 * @template T
 */
class EventReader {
  /**
   * @param {number} call
   * @param {ReaderRef} ref
   * @param {boolean} isEncoded The events come from the core, in delta encoding; a custom client's chunks are objects already.
   * @param {AbortController} controller The stream's. The reader holds it, because the caller's signal refers to it weakly and a
   *   caller who iterates may hold nothing but the reader.
   * @param {() => Promise<void> | undefined} onClose Called when the caller stops reading before the end. The promise settles when
   *   the upstream's side is closed, and never rejects.
   */
  constructor(call, ref, isEncoded, controller, onClose) {
    this.call = call;
    this.ref = ref;
    ref.weak = new WeakRef(this);
    this.controller = controller;
    this.onClose = onClose;
    this.chunks = isEncoded ? new Chunks() : undefined;
    /** Whether each choice without a `finish_reason` gets one that is `null` (openai 7). */
    this.addsFinishReason = false;
    /** The queue: consumed events up to `head`, then unread ones. @type {any[]} */
    this.events = [];
    this.head = 0;
    /** The batches in the queue: the number of the last event of each, and its bytes. @type {{ end: number, bytes: number }[]} */
    this.batches = [];
    /** How many events have been read, and how many have arrived. */
    this.read = 0;
    this.arrived = 0;
    /** Bytes of read events that are not yet credited to the window. */
    this.consumed = 0;
    /** @type {((result: IteratorResult<T>) => void)[]} */
    this.waiters = [];
    this.ended = false;
    /** The caller has read the end. */
    this.isOver = false;
    /** The caller stopped reading before the end. */
    this.left = false;
    /** Settles when the upstream is closed, after the caller stopped reading. @type {Promise<void> | undefined} */
    this.closing = undefined;
    /** Makes the error that the stream ended with. @type {(() => unknown) | undefined} */
    this.newError = undefined;
  }

  /** @param {any[]} events @param {number} bytes */
  push(events, bytes) {
    if (this.ended) return;
    this.arrived += events.length;
    // Events that all go to waiting readers are credited at once, without a batch: nearly all events of a slow model are such.
    const isRead = this.waiters.length >= events.length;
    if (!isRead) this.batches.push({ end: this.arrived, bytes });
    for (const event of events) {
      const waiter = this.waiters.shift();
      if (waiter) {
        this.#releaseIfIdle();
        this.#countRead();
        waiter({ value: this.#chunkOf(event), done: false });
      } else {
        this.events.push(event);
      }
    }
    if (isRead) this.#credit(bytes);
  }

  /** Ends the stream, with an error if one is given; events in the queue can still be read. @param {() => unknown} [newError] */
  end(newError) {
    if (this.ended) return;
    this.ended = true;
    this.newError = newError;
    for (const waiter of this.waiters.splice(0)) waiter(this.#lastResult());
    this.#releaseIfIdle();
  }

  /** The result after the last event: once the error, if there is one, then the end. @returns {any} */
  #lastResult() {
    this.isOver = true;
    const { newError } = this;
    this.newError = undefined;
    if (newError) return rejection(newError);
    const last = { value: undefined, done: true };
    return this.closing ? this.closing.then(() => last) : last;
  }

  /**
   * Stops reading: drops the queue and closes the connection.
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
      // Trimmed also before it is empty, as a slow reader may never empty it.
      if (this.head === this.events.length || (this.head >= TRIM_EVENTS && this.head * 2 >= this.events.length)) {
        this.events = this.events.slice(this.head);
        this.head = 0;
      }
      this.#countRead();
      return Promise.resolve({ value, done: false });
    }
    if (this.ended) return Promise.resolve(this.#lastResult());
    return new Promise((resolve) => {
      this.waiters.push(resolve);
      if (this.ref.waiting) return;
      this.ref.waiting = this;
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

  /** As the SDK's iterator does, aborts the stream's controller where the end has not been read, and stops reading. */
  #leave() {
    if (!this.isOver) this.controller.abort();
    return this.close();
  }

  /** @param {any} event @returns {T} */
  #chunkOf(event) {
    const chunk = this.chunks ? this.chunks.chunkOf(event) : event;
    return this.addsFinishReason ? withFinishReasons(chunk) : chunk;
  }

  /** Releases the process and the strong reference to the reader, where it waits no more. */
  #releaseIfIdle() {
    if (this.waiters.length > 0 || !this.ref.waiting) return;
    this.ref.waiting = undefined;
    native.releaseProcess();
  }

  /** Counts an event as read, and credits its batch when all of that is read. */
  #countRead() {
    this.read += 1;
    let batch = this.batches[0];
    while (batch && this.read >= batch.end) {
      this.batches.shift();
      this.#credit(batch.bytes);
      batch = this.batches[0];
    }
  }

  /** Credits the bytes of read events to the core's window, many at once. @param {number} bytes */
  #credit(bytes) {
    this.consumed += bytes;
    if (this.consumed >= CREDIT_BYTES && !this.ended) {
      native.consumed(this.call, this.consumed);
      this.consumed = 0;
    }
  }
}

/** Closes streams whose reader was garbage-collected. */
const dropped = new FinalizationRegistry((/** @type {() => void} */ close) => close());

/**
 * Calls `close` when `reader` is garbage-collected. `close` must not refer to it.
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
 * The function by which the SDK's `Stream` opens its iterator. As in the SDK, a second call gives an iterator that throws.
 * @param {import('../sdk/sdk.js').Sdk} sdk
 * @param {EventReader<any>} reader
 */
function opener(sdk, reader) {
  let opened = false;
  const open = () => {
    if (opened) return refused(sdk);
    opened = true;
    reader.addsFinishReason = open.addsFinishReason;
    return reader;
  };
  /** The reader's `addsFinishReason`: see `StreamAnswer`. */
  open.addsFinishReason = false;
  return open;
}

/**
 * The iterator of a stream that was opened before: it throws the SDK's error.
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
    // A choice may be no object (`null`), which must not throw here.
    finish_reason: choice?.finish_reason ?? null,
  }));
  return { ...chunk, choices };
}

/**
 * The body of a stream's `Response`: server-sent events as on the wire. Those of Responses are named and have no `[DONE]`.
 * @param {Pick<EventReader<any>, 'next' | 'close' | 'left'>} reader @param {boolean} isNamed The endpoint names its events.
 */
function wireBody(reader, isNamed) {
  const encoder = new TextEncoder();
  return new ReadableStream(
    {
      async pull(controller) {
        const { value, done } = await reader.next();
        // As a body of `fetch`, an aborted one fails, so that it does not look complete.
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
    // No reading ahead: a `Response` whose body is not read must not consume the stream's events.
    { highWaterMark: 0 },
  );
}

module.exports = { EventReader, ReaderRef, forgetDropped, opener, whenDropped, wireBody };
