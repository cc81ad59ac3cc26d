'use strict';
/** The answers of calls, each in the form in which the SDK keeps a response beside its parsed value (`APIResponseProps`). */

const { defineOpenpipe, openpipeOf, readOnce } = require('./openpipe-member.js');
const { responseOf } = require('./response.js');

/** @typedef {import('./openpipe-member.js').Meta} Meta */

/**
 * The function that makes `openpipe` of a completion. It is made outside of the answer's class, so that the completion does not refer
 * to the answer and keep its text in memory.
 * @param {number} call @param {() => Meta} meta
 */
function makerOf(call, meta) {
  return () => openpipeOf(call, meta);
}

/** What all kinds of answers have in common. */
class Answer {
  /** @param {import('../sdk/take-over.js').CallSetup} setup @param {string | null | undefined} requestId */
  constructor(setup, requestId) {
    this.setup = setup;
    this.ownRequestId = requestId;
    /** @type {Response | undefined} */
    this.madeResponse = undefined;
    /** @type {AbortController | undefined} */
    this.madeController = undefined;
  }

  /** @returns {string | null | undefined} */
  get requestId() {
    return this.ownRequestId;
  }

  /** Whether `value()` returns a custom client's own object. */
  get isCustom() {
    return false;
  }

  /** @returns {any} */
  value() {
    return undefined;
  }

  /** @returns {Response} */
  newResponse() {
    throw new TypeError('an answer has a response');
  }

  /** The value of `await`. */
  parsed() {
    return this.options.__binaryResponse ? this.response : this.value();
  }

  /** The value of `asResponse()`. */
  get response() {
    this.madeResponse ??= this.newResponse();
    return this.madeResponse;
  }

  get options() {
    return this.setup.request;
  }

  get controller() {
    this.madeController ??= new AbortController();
    return this.madeController;
  }

  get startTime() {
    return this.setup.startTime;
  }

  get requestLogID() {
    return this.setup.log?.id ?? 'log_000000';
  }

  get retryOfRequestLogID() {
    return this.setup.log?.before;
  }
}

/** An answer from an upstream that the core called over HTTP, not a stream. */
class CompletionAnswer extends Answer {
  /**
   * @param {import('../sdk/take-over.js').CallSetup} setup @param {number} call @param {string | null} requestId
   * @param {string} text @param {string} meta JSON of a {@link Meta}
   */
  constructor(setup, call, requestId, text, meta) {
    super(setup, requestId);
    this.call = call;
    this.text = text;
    this.meta = readOnce(meta);
  }

  newResponse() {
    return responseOf(this.meta().head, this.text, 'application/json');
  }

  value() {
    const completion = JSON.parse(this.text);
    Object.defineProperty(completion, '_request_id', { value: this.requestId, enumerable: false });
    defineOpenpipe(completion, makerOf(this.call, this.meta));
    this.setup.log?.parsed(this.meta().head, completion, this.text.length);
    return completion;
  }
}

/** An answer of a custom client, not a stream. */
class CustomAnswer extends Answer {
  /**
   * @param {import('../sdk/take-over.js').CallSetup} setup @param {number} call
   * @param {{ value: any, request: import('../host-client/host-request.js').HostRequest }} kept
   * @param {string} meta JSON of a {@link Meta}
   */
  constructor(setup, call, { value, request }, meta) {
    super(setup, undefined);
    this.call = call;
    this.request = request;
    this.meta = readOnce(meta);
    // A copy, because the SDK adds members to the value; for chat it adds none.
    this.given = this.isCustom ? value : copyOf(value, setup.packsVectors);
  }

  get isCustom() {
    return this.setup.endpoint.name === 'chat';
  }

  /** The request's id, from the client's `Response`; the SDK adds it to the copy. */
  get requestId() {
    return this.request.response?.headers?.get?.('x-request-id');
  }

  newResponse() {
    const head = this.request.response ?? this.meta().head;
    return responseOf(head, JSON.stringify(this.given), 'application/json');
  }

  value() {
    defineOpenpipe(this.given, makerOf(this.call, this.meta));
    return this.given;
  }
}

/** A stream, from its commit on. */
class StreamAnswer extends Answer {
  /**
   * @param {import('../sdk/take-over.js').CallSetup} setup @param {any} stream @param {AbortController} controller
   * @param {{ meta: Meta }} state @param {() => Response} newResponse Must not refer to the stream.
   * @param {{ (): any, addsFinishReason: boolean } | undefined} open Opens the stream; `undefined` for a custom client's stream.
   */
  constructor(setup, stream, controller, state, newResponse, open) {
    super(setup, headerOf(state.meta.head, 'x-request-id'));
    this.open = open;
    this.stream = stream;
    this.madeController = controller;
    this.state = state;
    this.newResponse = newResponse;
  }

  value() {
    this.setup.log?.parsed(this.state.meta.head, { type: 'stream' });
    return this.stream;
  }

  /**
   * Replaces the iterator by which openai 7 adds `finish_reason: null` to choices that have none: that runs several async generators
   * for each chunk, and throws on a choice that is no object. The reader adds it at a fraction of the cost. The stream's `iterator` is
   * read when the caller iterates, since an instrumentation may replace it (New Relic's).
   */
  dress() {
    const { stream, open } = this;
    if (stream[Symbol.asyncIterator].name !== 'normalizedChunks') return;
    stream[Symbol.asyncIterator] = () => {
      if (open) open.addsFinishReason = true;
      return stream.iterator();
    };
  }
}

/** @param {Meta['head']} head @param {string} name */
function headerOf(head, name) {
  return head?.headers.find((header) => header[0].toLowerCase() === name)?.[1];
}

/**
 * A copy of a custom client's answer, as deep as the SDK changes it. Where base64 was requested and the client returned numbers they
 * are encoded, because the SDK would decode numbers to empty vectors.
 * @param {any} value @param {boolean} asBase64
 */
function copyOf(value, asBase64) {
  const copy = Object.create(Object.getPrototypeOf(value), Object.getOwnPropertyDescriptors(value));
  if (!Array.isArray(value.data)) return copy;
  copy.data = value.data.map((/** @type {any} */ item) => {
    if (!(item instanceof Object)) return item;
    if (!asBase64 || typeof item.embedding === 'string') return { ...item };
    return { ...item, embedding: Buffer.from(Float32Array.from(item.embedding).buffer).toString('base64') };
  });
  return copy;
}

module.exports = { Answer, CompletionAnswer, CustomAnswer, StreamAnswer, copyOf };
