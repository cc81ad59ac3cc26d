'use strict';
/**
 * A custom client as an upstream: calls it on the core's request, keeps what it returns or throws, and sends the core the summary from
 * which the core decides (src/host_client.rs). No decision is made here.
 */

const { ChunkPump } = require('./chunks.js');
const { rewriteEvents } = require('./event-rewriter.js');
const native = require('../native/native.js');
const { afterReturn, closeStream, controllerOf, isIterable, openedOn } = require('./client-stream.js');
const { describe } = require('./thrown.js');
const { jsonOf, read, textOf, wellFormed } = require('./untrusted.js');

/**
 * The core's message with a request.
 * @typedef {object} Question
 * @property {number} client
 * @property {string} [cancels] The id of a response to cancel; left out for a request with a body.
 * @property {boolean} stream
 * @property {[string, string | null][]} headers
 * @property {number} [maxRetries]
 * @property {number} timeout
 */

/** One request to a custom client, from the core's message to the last chunk. */
class HostRequest {
  /**
   * @param {number} call
   * @param {number} ask
   * @param {(value: unknown) => number} keep Keeps a value on this side and returns its ticket.
   */
  constructor(call, ask, keep) {
    this.call = call;
    this.ask = ask;
    this.keep = keep;
    this.controller = new AbortController();
    this.dropped = false;
    /** Set by `drop`: settles when the stream's iterator has returned, or after a timeout. @type {Promise<void> | undefined} */
    this.returned = undefined;
    /** The stream that the client returned. @type {any} */
    this.stream = undefined;
    /** The stream's own controller. @type {any} */
    this.streamController = undefined;
    /** @type {AsyncIterator<any> | undefined} */
    this.iterator = undefined;
    /** The first chunk, which is read as soon as the stream is opened. @type {Promise<IteratorResult<any>> | undefined} */
    this.first = undefined;
    /** Chunks that were sent to the core and not yet passed to the caller. @type {any[]} */
    this.chunks = [];
    /** @type {ChunkPump | undefined} */
    this.pump = undefined;
    /** The client's own `Response`, where its promise has one. @type {Response | undefined} */
    this.response = undefined;
    /** Says whether the response's events ended with `[DONE]`, where its body could be rewritten. @type {{ hasDone: boolean } | undefined} */
    this.rewriter = undefined;
    /** @type {(() => unknown[]) | undefined} */
    this.keys = undefined;
    /** Makes the error that the caller gets for one of the stream, where the request went through the SDK's own transport. @type {((error: unknown) => unknown) | undefined} */
    this.streamError = undefined;
    /** The same for an error of reading an answer's body. @type {((error: unknown) => unknown) | undefined} */
    this.bodyError = undefined;
    /** Whether the request went through the SDK's own transport: its answer is an upstream's response. */
    this.isTransport = false;
    /** Called with each error that the caller gets, where the request went through the SDK's own transport. @type {((error: unknown) => void) | undefined} */
    this.keepError = undefined;
  }

  /**
   * @param {(given: any, options: object) => unknown} create Its argument is the body, or the id of the response to cancel.
   * @param {Question} question
   * @param {string} bodyText
   * @param {() => unknown[]} keys The client's keys, which are redacted in its errors.
   */
  start(create, question, bodyText, keys) {
    this.keys = keys;
    /** @type {Record<string, unknown>} */
    const options = { signal: this.controller.signal, timeout: question.timeout };
    // Left out where not given: a member that is `undefined` fails the checks of some SDKs.
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
      // Where there is a response, reading its body has failed.
      .catch((error) => this.#answerError(error, this.response && this.bodyError));
  }

  /**
   * Answers with the headers of a request that the core sends over HTTP.
   * @param {() => Promise<[string, string][]>} headersOf @param {() => unknown[]} keys As for `start`.
   */
  answerHeaders(headersOf, keys) {
    this.keys = keys;
    headersOf().then(
      (headers) => this.#answer({ headers }),
      (error) => this.#answerError(error),
    );
  }

  /** The core consumed this many bytes of chunks. @param {number} bytes */
  pull(bytes) {
    this.pump?.credit(bytes);
  }

  /**
   * Aborts the request, whose outcome is not needed any more.
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

  /** Drops the reference to the stream, which the caller has now: so it can be collected. Its iterator and controller can still end it. */
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
          // The SDK makes the stream from this response later, so its body is not read yet.
          if (streaming) this.rewriter = read(() => rewriteEvents(response, this.isTransport));
        },
        () => {}, // `returned` itself rejects with the same error
      );
    } catch {
      // Without the client's `Response` one is made from the summary.
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
    const { answer, text } = this.isTransport ? answerOfTransport(value, this.#requestId()) : answerOfClient(value);
    const id = textOf(read(() => value._request_id)) ?? this.#requestId();
    const ticket = this.keep({ value: answer, request: this });
    this.#answer({ completion: { ticket, request_id: id, secrets: this.#secrets() } }, text === null ? [] : [text]);
  }

  /** @param {any} stream @param {boolean} streaming */
  #opened(stream, streaming) {
    this.stream = stream;
    this.streamController = controllerOf(stream);
    // A stream where none was requested is not read: the core refuses it and drops it.
    if (streaming) {
      const iterator = /** @type {AsyncIterator<any>} */ (openedOn(stream)[Symbol.asyncIterator]());
      this.iterator = iterator;
      // Read at once, because some iterators (openai 7's) open the inner stream with the first `next`, and the stream gets another
      // iterator when it is handed over.
      this.first = Promise.resolve(iterator.next());
      this.first.catch(() => {}); // the pump reports it
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
        // The client's iterator does not yield `[DONE]`, but the core judges the end of the stream by it.
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

  /** The request's id from the response's headers, for SDKs that do not put it on their values. */
  #requestId() {
    return textOf(read(() => this.response?.headers?.get?.('x-request-id')));
  }

  /** Whether the stream was read up to `[DONE]`: the iterator of an aborted stream ends as well. */
  #endedByDone() {
    return this.rewriter?.hasDone === true && read(() => this.streamController?.signal?.aborted) !== true;
  }

  /** @param {any} error @param {(error: unknown) => unknown} [errorFor] Makes the error that the caller gets. */
  #answerError(error, errorFor = (same) => same) {
    if (this.dropped) return;
    const given = errorFor(error);
    this.keepError?.(given);
    const marks = describe(error);
    // For the SDK's own transport the caller's error has all response headers, which the core redacts.
    if (this.keepError) marks.headers = read(() => [...error.headers.entries()]) ?? marks.headers;
    this.#answer({ error: { ...marks, secrets: this.#secrets(), ticket: this.keep(given) } });
  }

  /** The client's keys, which the core redacts in every encoding. */
  #secrets() {
    const keys = read(() => this.keys?.()) ?? [];
    return keys.flatMap((key) => textOf(key) ?? []);
  }

  /** @param {unknown} answer @param {string[]} [texts] */
  #answer(answer, texts) {
    if (!this.dropped) native.answer(this.call, this.ask, answer, texts);
  }
}

/** What a custom client returned, and its JSON; `null` where it is no object. @param {unknown} value */
function answerOfClient(value) {
  return { answer: value, text: typeof value === 'object' && value !== null ? jsonOf(value) : null };
}

/**
 * The same of the SDK's own transport, which returns the text of a response whose content type is not JSON, and nothing for an
 * empty one. The core judges the text, as it judges that of a response of its own.
 * @param {unknown} value @param {string | undefined} requestId
 */
function answerOfTransport(value, requestId) {
  if (typeof value === 'object' && value !== null) return answerOfClient(value);
  const text = wellFormed(String(value ?? ''));
  const answer = read(() => {
    const parsed = JSON.parse(text);
    // As the SDK does it.
    return Object.defineProperty(parsed, '_request_id', { value: requestId ?? null, enumerable: false });
  });
  return { answer, text };
}

/** Headers as an object; the values of one that was given more than once are joined. @param {[string, string | null][]} list */
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
