'use strict';
/**
 * A custom client as an upstream: calls it when Rust asks, keeps what it returns or throws, and sends Rust the summary that it
 * decides by (src/host_client.rs). Decides nothing.
 */

const { ChunkPump } = require('./chunks.js');
const { rewriteEvents } = require('./events-below.js');
const native = require('../native/native.js');
const { afterReturn, closeStream, controllerOf, isIterable, openedOn } = require('./client-stream.js');
const { describe } = require('./thrown.js');
const { jsonOf, read, textOf } = require('./untrusted.js');

/**
 * A request as Rust asks for it.
 * @typedef {object} Question
 * @property {number} client
 * @property {string} [cancels] The id of a response that is to be cancelled; else the body is to be answered.
 * @property {boolean} stream
 * @property {[string, string | null][]} headers
 * @property {number} [maxRetries]
 * @property {number} timeout
 */

/** One request to a client, from the question to its last chunk. */
class HostRequest {
  /**
   * @param {number} call
   * @param {number} ask
   * @param {(value: unknown) => number} keep Keeps a value on this side; gives its ticket.
   */
  constructor(call, ask, keep) {
    this.call = call;
    this.ask = ask;
    this.keep = keep;
    this.controller = new AbortController();
    this.dropped = false;
    /** Once it is dropped: settles when the stream's iterator has returned, or was waited for long enough. @type {Promise<void> | undefined} */
    this.returned = undefined;
    /** What the client returned, a stream. @type {any} */
    this.stream = undefined;
    /** The stream's own controller. @type {any} */
    this.streamController = undefined;
    /** @type {AsyncIterator<any> | undefined} */
    this.iterator = undefined;
    /** The first chunk, asked for when the stream came. @type {Promise<IteratorResult<any>> | undefined} */
    this.first = undefined;
    /** Chunks that were sent to Rust, and are not the reader's yet. @type {any[]} */
    this.chunks = [];
    /** @type {ChunkPump | undefined} */
    this.pump = undefined;
    /** The client's own `Response`, where its promise has one. @type {Response | undefined} */
    this.response = undefined;
    /** Whether `[DONE]` passes below the stream, where its bytes can be seen. @type {{ passed: boolean } | undefined} */
    this.done = undefined;
    /** @type {(() => unknown[]) | undefined} */
    this.keys = undefined;
    /** Makes the SDK's error of what its stream threw, where the SDK was only the transport. @type {((error: unknown) => unknown) | undefined} */
    this.streamError = undefined;
    /** The same of what reading an answer's body threw. @type {((error: unknown) => unknown) | undefined} */
    this.bodyError = undefined;
    /** Called with each error that the caller gets, where the SDK was only the transport. @type {((error: unknown) => void) | undefined} */
    this.keepError = undefined;
  }

  /**
   * @param {(given: any, options: object) => unknown} create Is given the body, or the id of the response that is to be cancelled.
   * @param {Question} question
   * @param {string} bodyText
   * @param {() => unknown[]} keys The client's keys, which are redacted in its errors.
   */
  start(create, question, bodyText, keys) {
    this.keys = keys;
    /** @type {Record<string, unknown>} */
    const options = { signal: this.controller.signal, timeout: question.timeout };
    // A key whose value is `undefined` fails the checks of some SDKs, so what is not given is left out.
    if (question.maxRetries !== undefined) options.maxRetries = question.maxRetries;
    if (question.headers.length > 0) options.headers = headersOf(question.headers);
    let returned;
    try {
      returned = create(question.cancels ?? JSON.parse(bodyText), options);
    } catch (error) {
      this.#answerError(error);
      return;
    }
    this.#keepResponse(returned, question.stream);
    // A value that is not a promise is the answer itself. A thenable whose `then` getter throws is a rejection.
    Promise.resolve(returned)
      .then((value) => this.#returned(value, question.stream))
      // Once there is a response, it is its body that fails.
      .catch((error) => this.#answerError(error, this.response && this.bodyError));
  }

  /**
   * Answers with the headers of a request that Rust sends itself.
   * @param {() => Promise<[string, string][]>} tell @param {() => unknown[]} keys As for `start`.
   */
  tellHeaders(tell, keys) {
    this.keys = keys;
    tell().then(
      (headers) => this.#answer({ headers }),
      (error) => this.#answerError(error),
    );
  }

  /** The core consumed this many bytes of chunks. @param {number} bytes */
  pull(bytes) {
    this.pump?.took(bytes);
  }

  /**
   * Aborts the request, which the core no longer wants, and ignores its outcome.
   * @returns {Promise<void> | undefined} Settles when the stream's iterator has returned. Never rejects.
   */
  drop() {
    if (this.dropped) return this.returned;
    this.dropped = true;
    this.pump?.stop();
    this.controller.abort();
    if (this.stream !== undefined || this.iterator) {
      const closed = closeStream(this.stream, this.iterator, this.streamController);
      this.returned = afterReturn(this.pump?.reading, closed);
    }
    return this.returned;
  }

  /** The stream is the caller's now. It is not held any more, so that it can be dropped; what ends it stays. */
  handedThrough() {
    this.stream = undefined;
  }

  /** @param {any} returned @param {boolean} streaming */
  #keepResponse(returned, streaming) {
    try {
      if (typeof returned?.asResponse !== 'function') return;
      Promise.resolve(returned.asResponse()).then(
        (response) => {
          this.response = response;
          // Before the stream that is made of it is read.
          if (streaming) this.done = read(() => rewriteEvents(response));
        },
        () => {}, // the promise itself rejects with the same error
      );
    } catch {
      // a client without a response of its own gets one that is made
    }
  }

  /** @param {any} value @param {boolean} streaming */
  #returned(value, streaming) {
    if (this.dropped) {
      if (isIterable(value)) closeStream(value, undefined, controllerOf(value));
      return;
    }
    if (isIterable(value)) {
      this.#opened(value, streaming);
      return;
    }
    const text = typeof value === 'object' && value !== null ? jsonOf(value) : null;
    const id = textOf(read(() => value._request_id)) ?? this.#requestId();
    const ticket = this.keep({ value, request: this });
    this.#answer({ completion: { ticket, request_id: id, secrets: this.#secrets() } }, text === null ? [] : [text]);
  }

  /** @param {any} stream @param {boolean} streaming */
  #opened(stream, streaming) {
    this.stream = stream;
    this.streamController = controllerOf(stream);
    // Rust drops a stream that was not asked for.
    if (streaming) {
      const iterator = /** @type {AsyncIterator<any>} */ (openedOn(stream)[Symbol.asyncIterator]());
      this.iterator = iterator;
      // Asked at once: some iterators (openai 7's) open the stream below them only now, and the stream is going to be
      // given another iterator when it is handed through.
      this.first = Promise.resolve(iterator.next());
      this.first.catch(() => {}); // reported when it is pulled
    }
    this.#answer({ stream: { ticket: this.keep(this), request_id: this.#requestId(), secrets: this.#secrets() } });
    if (streaming) this.#readChunks();
  }

  #readChunks() {
    const next = () => {
      const result = this.first ?? /** @type {AsyncIterator<any>} */ (this.iterator).next();
      this.first = undefined;
      return result;
    };
    const write = (/** @type {any} */ chunk) => {
      const text = jsonOf(chunk) ?? 'null';
      this.chunks.push(chunk);
      return text;
    };
    this.pump = new ChunkPump(next, write, {
      chunks: (texts) => this.#answer({ chunks: {} }, texts),
      done: () => {
        // The client's iterator keeps it to itself; to those who judge the stream it is an event like any other.
        if (this.#endedByDone()) this.#answer({ chunks: {} }, ['[DONE]']);
        this.#answer('done');
      },
      failed: (error) => this.#answerError(error, this.streamError),
      broken: (error) => {
        // The stream itself has not failed, so it is still open.
        this.#answerError(error);
        this.drop();
      },
    });
    this.pump.read();
  }

  /** Not every SDK puts it on what it returns. */
  #requestId() {
    return textOf(read(() => this.response?.headers?.get?.('x-request-id')));
  }

  /** Somebody may have stopped the stream before all of its events were told. */
  #endedByDone() {
    return this.done?.passed === true && read(() => this.streamController?.signal?.aborted) !== true;
  }

  /** @param {any} error @param {(error: unknown) => unknown} [made] What the caller gets in its place. */
  #answerError(error, made = (same) => same) {
    if (this.dropped) return;
    const given = made(error);
    this.keepError?.(given);
    const marks = describe(error);
    // Of an answer to the SDK's own transport the caller gets all headers, so that all have to be redacted.
    if (this.keepError) marks.headers = read(() => [...error.headers.entries()]) ?? marks.headers;
    this.#answer({ error: { ...marks, secrets: this.#secrets(), ticket: this.keep(given) } });
  }

  /** The client's keys: the core redacts them, in every spelling. */
  #secrets() {
    const keys = read(() => this.keys?.()) ?? [];
    return keys.flatMap((key) => textOf(key) ?? []);
  }

  /** @param {unknown} answer @param {string[]} [texts] */
  #answer(answer, texts) {
    if (!this.dropped) native.answer(this.call, this.ask, answer, texts);
  }
}

/** A header that was given more than once has all of its values. @param {[string, string | null][]} list */
function headersOf(list) {
  /** @type {Map<string, string | null>} */
  const headers = new Map();
  for (const [name, value] of list) {
    const before = headers.get(name);
    headers.set(name, typeof before === 'string' && value !== null ? `${before}, ${value}` : value);
  }
  return Object.fromEntries(headers);
}

module.exports = { HostRequest };
