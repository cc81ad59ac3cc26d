'use strict';
/**
 * A JavaScript client as an upstream: calls it when Rust asks, keeps what it returns or throws, and tells Rust as much as
 * it needs to decide (src/host_client.rs). Nothing is decided here.
 */

const { ChunkPump } = require('./chunks.js');
const { watchForDone } = require('./done-watch.js');
const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { causeOf, withoutHeader } = require('../call/errors.js');

/** An error's chain of causes and of classes is followed so far. */
const MAX_DEPTH = 8;
/**
 * A loop that breaks out of a client's stream waits for its iterator's `return()`, in milliseconds: so long for the chunk that
 * was asked for ahead of the loop, and then so long for the iterator's `finally`. One that never settles must not hold the loop.
 */
const RETURN_TIME = { chunk: 1000, cleanup: 4000 };
/** The headers of an error that say when to try again. */
const TELLING_HEADERS = ['retry-after', 'retry-after-ms', 'x-should-retry', 'x-request-id'];

/**
 * What Rust says of a request.
 * @typedef {object} Question
 * @property {number} client
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
    /** @type {(() => unknown) | undefined} */
    this.key = undefined;
    /** Makes the SDK's error of what its stream threw, where the SDK was only the transport. @type {((error: unknown) => unknown) | undefined} */
    this.streamError = undefined;
    /** Is told of each error that the caller gets, where the SDK was only the transport. @type {((error: unknown) => void) | undefined} */
    this.keepError = undefined;
  }

  /**
   * @param {(body: any, options: object) => unknown} create
   * @param {Question} question
   * @param {string} bodyText
   * @param {() => unknown} key The client's: what is told of an error is told without it.
   */
  start(create, question, bodyText, key) {
    this.key = key;
    /** @type {Record<string, unknown>} */
    const options = { signal: this.controller.signal, timeout: question.timeout };
    // A key whose value is `undefined` fails the checks of some SDKs, so what is not given is left out.
    if (question.maxRetries !== undefined) options.maxRetries = question.maxRetries;
    if (question.headers.length > 0) options.headers = headersOf(question.headers);
    let returned;
    try {
      returned = create(JSON.parse(bodyText), options);
    } catch (error) {
      this.#answerError(error);
      return;
    }
    this.#keepResponse(returned, question.stream);
    // What is no promise is taken as it is. A thenable that throws when it is looked at rejects like any other.
    Promise.resolve(returned)
      .then((value) => this.#returned(value, question.stream))
      .catch((error) => this.#answerError(error));
  }

  /**
   * Rust sends the request itself, and wants to know with which headers.
   * @param {() => Promise<[string, string][]>} tell @param {() => unknown} key As for `start`.
   */
  tellHeaders(tell, key) {
    this.key = key;
    tell().then(
      (headers) => this.#answer({ headers }),
      (error) => this.#answerError(error),
    );
  }

  /** Rust has taken so many bytes of chunks. @param {number} bytes */
  pull(bytes) {
    this.pump?.took(bytes);
  }

  /**
   * Rust has turned away: the client is told to stop, and whatever comes of it is dropped.
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
          if (streaming) this.done = read(() => watchForDone(response.body));
        },
        () => {}, // the same failure comes from the promise itself
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
    const id = wellFormed(read(() => value._request_id)) ?? this.#requestId();
    const ticket = this.keep({ value, request: this });
    this.#answer({ completion: { ticket, request_id: id, secrets: this.#secrets() } }, text === null ? [] : [text]);
  }

  /** @param {any} stream @param {boolean} streaming */
  #opened(stream, streaming) {
    this.stream = stream;
    this.streamController = controllerOf(stream);
    // One that nobody asked for is dropped by Rust.
    if (streaming) {
      const iterator = /** @type {AsyncIterator<any>} */ (openedOn(stream)[Symbol.asyncIterator]());
      this.iterator = iterator;
      // Asked at once: some iterators (openai 7's) open the stream below them only now, and the stream is going to be
      // given another iterator when it is handed through.
      this.first = Promise.resolve(iterator.next());
      this.first.catch(() => {}); // told when it is pulled
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
    return wellFormed(read(() => this.response?.headers?.get?.('x-request-id')));
  }

  /** Somebody may have stopped the stream before all of its events were told. */
  #endedByDone() {
    return this.done?.passed === true && read(() => this.streamController?.signal?.aborted) !== true;
  }

  /** @param {unknown} error @param {(error: unknown) => unknown} [made] What the caller gets in its place. */
  #answerError(error, made = (same) => same) {
    if (this.dropped) return;
    const given = made(error);
    this.keepError?.(given);
    this.#answer({ error: { ...describe(error), secrets: this.#secrets(), ticket: this.keep(given) } });
  }

  /** The client's key: the core redacts it, in every spelling. */
  #secrets() {
    const key = wellFormed(read(() => this.key?.()));
    return key === undefined ? [] : [key];
  }

  /** @param {unknown} answer @param {string[]} [texts] */
  #answer(answer, texts) {
    if (!this.dropped) native.answer(this.call, this.ask, answer, texts);
  }
}

/** Numbers of clients, or functions, that show nothing to know them by. @type {WeakMap<object, string>} */
const numbers = new WeakMap();
let nextNumber = 0;

/**
 * What tells the upstream of a client from others, for circuit breakers: its URL and key where it has them as the SDK's
 * clients do, else the very object. Goes to Rust, which makes a digest of it, and nowhere else.
 * @param {any} client
 */
function identityOf(client) {
  const { baseURL, apiKey } = read(() => ({ baseURL: client.baseURL, apiKey: client.apiKey })) ?? {};
  const given = read(() => client._options.apiKey);
  const byFunction = typeof given === 'function' && !given.openpipeMissing;
  if (typeof baseURL !== 'string' || (typeof apiKey !== 'string' && !byFunction)) return numberOf(client);
  const shown = [baseURL, byFunction ? numberOf(given) : apiKey, ...credentialsOf(client)];
  // The core takes what begins with a bracket for a key that stays the same from call to call.
  return wellFormed(`${byFunction ? 'function' : ''}${JSON.stringify(shown)}`);
}

/** What proves who a client of the SDK's is beside its key: default headers and query. @param {any} client @returns {string[]} */
function credentialsOf(client) {
  const { defaultHeaders, defaultQuery } = read(() => client._options) ?? {};
  const headers =
    read(() => [...new Headers(defaultHeaders?.values instanceof Headers ? defaultHeaders.values : defaultHeaders)]) ??
    [];
  const query = read(() => Object.entries(defaultQuery ?? {}).filter(([, value]) => typeof value === 'string')) ?? [];
  return [...headers.filter(([name]) => native.isCredential(name)), ...query].flat();
}

/** @param {object} object */
function numberOf(object) {
  let number = numbers.get(object);
  if (number === undefined) {
    number = `${require('node:worker_threads').threadId}:${nextNumber++}`;
    numbers.set(object, number);
  }
  return number;
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

/** @param {any} value */
function isIterable(value) {
  try {
    return typeof value?.[Symbol.asyncIterator] === 'function';
  } catch {
    return false;
  }
}

/** Whether a client's stream is one of an SDK of this family: it opens its iterator by a function that can be replaced. @param {any} stream */
function isSdkStream(stream) {
  return (
    typeof stream.iterator === 'function' &&
    typeof stream.tee === 'function' &&
    typeof stream.controller?.signal?.addEventListener === 'function' &&
    Object.isExtensible(stream)
  );
}

/**
 * What a stream's iterator is opened on. A generator holds that object for as long as it runs, and an SDK's stream is to be
 * the caller's alone, who may drop it: where it is none but an instance of the SDK's class, it is opened on a copy. So a
 * proxy around it (of a tracing package) is not asked now, but once, when the caller reads it.
 * @param {any} stream
 */
function openedOn(stream) {
  const isPlain = read(
    () =>
      isSdkStream(stream) &&
      typeof stream.constructor.fromSSEResponse === 'function' &&
      !Object.hasOwn(stream, Symbol.asyncIterator),
  );
  if (!isPlain) return stream;
  return Object.create(Object.getPrototypeOf(stream), Object.getOwnPropertyDescriptors(stream));
}

/** @param {any} stream */
function controllerOf(stream) {
  return read(() => stream.controller);
}

/**
 * Ends a client's stream in each of the ways that there are.
 * @param {any} stream @param {AsyncIterator<any> | undefined} iterator @param {any} controller
 * @returns {Promise<void>} Settles when it is closed. Never rejects.
 */
function closeStream(stream, iterator, controller) {
  // A stream that is not left open costs nothing to leave: errors of its end are nobody's any more.
  quietly(() => controller?.abort?.());
  if (iterator) return quietly(() => iterator.return?.());
  return quietly(() =>
    typeof stream.cancel === 'function' ? stream.cancel() : stream[Symbol.asyncIterator]().return?.(),
  );
}

/** @param {() => unknown} action @returns {Promise<void>} Settles with what it returns. Never rejects. */
async function quietly(action) {
  try {
    await action();
  } catch {
    // see above
  }
}

/** @param {Promise<unknown> | undefined} reading The chunk that was asked for last. @param {Promise<void>} returned */
async function afterReturn(reading, returned) {
  if (await settlesWithin(RETURN_TIME.chunk, reading)) await settlesWithin(RETURN_TIME.cleanup, returned);
}

/** @param {number} milliseconds @param {Promise<unknown> | undefined} promise */
async function settlesWithin(milliseconds, promise) {
  let cancel = () => {};
  const late = new Promise((resolve) => (cancel = clock.after(milliseconds, () => resolve(false))));
  // The loop that waits may be all that there is left to do.
  native.holdProcess();
  const hasSettled = await Promise.race([quietly(() => promise).then(() => true), late]);
  native.releaseProcess();
  cancel();
  return hasSettled === true;
}

/**
 * The marks by which the core classifies what a client threw. Whatever was thrown, reading it must not throw in turn.
 * @param {unknown} thrown
 */
function describe(thrown) {
  /** @type {{ status?: number, body?: string, codes: unknown[], names: unknown[], headers: [string, string][] }} */
  const marks = { codes: [], names: [], headers: [] };
  let link = /** @type {any} */ (thrown);
  for (let depth = 0; depth < MAX_DEPTH && typeof link === 'object' && link !== null; depth += 1) {
    const error = link;
    read(() => {
      if (marks.status === undefined && Number.isInteger(error.status) && error.status >= 100 && error.status < 1000) {
        marks.status = error.status;
        marks.headers = tellingHeaders(error);
      }
    });
    // As the API sent it, for the report.
    read(() => {
      const told = error.error?.error ?? error.error;
      if (marks.body === undefined && typeof told === 'object' && told !== null) {
        marks.body = wellFormed(JSON.stringify({ error: told }));
      }
    });
    // Some SDKs keep the whole body of an error as `error.error`, others the `error` in it.
    read(() => marks.codes.push(...[error.code, error.error?.code, error.error?.error?.code]));
    read(() => marks.names.push(...classNames(error)));
    link = read(() => causeOf(error));
  }
  const message = read(() => String(/** @type {any} */ (thrown)?.message ?? thrown));
  return {
    ...marks,
    codes: marks.codes.flatMap((code) => wellFormed(code) ?? []),
    names: marks.names.flatMap((name) => wellFormed(name) ?? []),
    message: withoutHeader(wellFormed(message) ?? ''),
  };
}

/** @param {any} error @returns {[string, string][]} */
function tellingHeaders(error) {
  const get = (/** @type {string} */ name) => error.headers?.get?.(name) ?? error.headers?.[name];
  return TELLING_HEADERS.flatMap((name) => {
    const value = wellFormed(get(name));
    return value === undefined ? [] : [/** @type {[string, string]} */ ([name, value])];
  });
}

/** @param {any} error */
function classNames(error) {
  const names = typeof error.name === 'string' ? [error.name] : [];
  let prototype = Object.getPrototypeOf(error);
  for (let depth = 0; depth < MAX_DEPTH && prototype && prototype !== Object.prototype; depth += 1) {
    const name = prototype.constructor?.name;
    if (typeof name === 'string' && name !== 'Error') names.push(name);
    prototype = Object.getPrototypeOf(prototype);
  }
  return names;
}

/**
 * A value as JSON; `null` where JSON does not know such a thing. What cannot be written, because it is circular or holds a
 * BigInt, is told as a text that is no JSON: Rust refuses it as such.
 * @param {unknown} value
 */
function jsonOf(value) {
  try {
    return JSON.stringify(value) ?? null;
  } catch (error) {
    return read(() => String(error)) ?? 'unreadable';
  }
}

/**
 * A text as Rust can read it: half a surrogate pair is none to it. `undefined` where the value is no text.
 * @param {unknown} value
 */
function wellFormed(value) {
  return typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : undefined;
}

/** @template T @param {() => T} get @returns {T | undefined} */
function read(get) {
  try {
    return get();
  } catch {
    return undefined;
  }
}

module.exports = { HostRequest, describe, identityOf, isSdkStream };
