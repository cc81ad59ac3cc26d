'use strict';
/** The answer of a call, in the form in which the SDK keeps a response beside its parsed value. */

const { defineOpenpipe, openpipeOf, readOnce } = require('./openpipe-member.js');
const { responseOf } = require('./response.js');

/** @typedef {import('./openpipe-member.js').Meta} Meta */

/**
 * Made apart from the answer, whose text would else be held by the completion for as long as that is kept.
 * @param {number} call @param {() => Meta} meta
 */
function makerOf(call, meta) {
  return () => openpipeOf(call, meta);
}

/** The answer of a call, in the form in which the SDK keeps a response beside its parsed value. */
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

  /** Whether what `value()` gives is a custom client's own object. */
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

  /** What `await` gives. */
  parsed() {
    return this.options.__binaryResponse ? this.response : this.value();
  }

  /** What `asResponse()` gives. */
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

/** An answer from an upstream of the core's own, in one piece. */
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

/** An answer of a custom client. */
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
    // The SDK writes into what it dresses.
    this.given = this.isCustom ? value : copyOf(value, setup.packsVectors);
  }

  get isCustom() {
    return this.setup.endpoint.name === 'chat';
  }

  /** The id of the request, which the SDK puts on the copy. */
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
   * @param {{ meta: Meta }} state @param {() => Response} newResponse Must not hold the stream.
   * @param {{ (): any, completes: boolean } | undefined} open Opens a stream of the core's own.
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
   * openai 7 gives each chunk's choices a `finish_reason`, by a generator on the stream that is a stream of its own for each
   * chunk. The reader does the same at a fraction of the cost, and bears choices that are no objects. As there, the iterator is
   * asked of the stream: an instrumentation may have replaced it (New Relic's).
   */
  dress() {
    const { stream, open } = this;
    if (stream[Symbol.asyncIterator].name !== 'normalizedChunks') return;
    stream[Symbol.asyncIterator] = () => {
      if (open) open.completes = true;
      return stream.iterator();
    };
  }
}

/** @param {Meta['head']} head @param {string} name */
function headerOf(head, name) {
  return head?.headers.find((header) => header[0].toLowerCase() === name)?.[1];
}

/**
 * A copy as deep as the SDK writes into it. Vectors that are asked for as base64 are packed where the client gave numbers: the SDK
 * would make empty ones of them.
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
