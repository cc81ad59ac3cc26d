'use strict';
/** What a call came to, as the caller sees it: the completion or stream, its `openpipe`, and the HTTP response behind it. */

const { inspect } = require('node:util');

const { whenReported } = require('../reports/reports.js');

/** @typedef {import('./errors.js').Failure} Failure */

/**
 * What the core tells of a call that has an answer (crates/core/src/call/events.rs).
 * @typedef {object} Meta
 * @property {{ status: number, headers: [string, string][], url: string } | null} head
 * @property {'primary' | 'fallback'} servedBy
 * @property {string} upstream
 * @property {string} [alias]
 * @property {string} model
 * @property {import('../../types.js').Attempt[]} attempts
 * @property {number} durationMs
 * @property {any} [usage]
 */

/** Where an object keeps what makes its `openpipe`. */
const maker = Symbol('openpipe-native.maker');

/**
 * One accessor for all objects: a new function for each would cost each of them a shape of its own, which is dearer than
 * all else that is done for a completion.
 * @type {PropertyDescriptor & ThisType<any>}
 */
const openpipeAccessor = {
  configurable: true,
  enumerable: false,
  get() {
    const made = this[maker]?.();
    // Not where the object has been frozen or sealed since.
    Reflect.defineProperty(this, 'openpipe', { value: made, configurable: true, enumerable: false, writable: true });
    return made;
  },
  set(value) {
    Object.defineProperty(this, 'openpipe', { value, configurable: true, enumerable: false, writable: true });
  },
};

/**
 * Puts `openpipe` on what the caller gets: not enumerable, so that logs and snapshots stay what the API sent; made when it
 * is first looked at; left out where the object does not take it.
 * @param {object} value
 * @param {() => object} make
 */
function defineOpenpipe(value, make) {
  try {
    if (!Object.isExtensible(value)) return;
    Object.defineProperty(value, maker, { value: make, enumerable: false, configurable: true, writable: true });
    Object.defineProperty(value, 'openpipe', openpipeAccessor);
  } catch {
    // A foreign object that does not take it is handed on as it is.
  }
}

/** Promises may be of any make: another global `Promise`, or an SDK of its own. @param {any} value @returns {value is PromiseLike<any>} */
function isThenable(value) {
  return typeof value?.then === 'function';
}

/** How the SDK reads responses that it got itself. @type {WeakMap<object, (client: any, props: any) => any>} */
const parsers = new WeakMap();

/**
 * What the SDK's promise of a request that is not the engine's comes to, so that it can be read like an answer of the engine.
 * @param {any} promise The SDK's.
 */
async function passOn(promise) {
  const props = await promise.responsePromise;
  parsers.set(props, promise.parseResponse);
  return props;
}

/** What the SDK's promise is given to parse by. @param {any} client @param {any} props */
function parseAnswer(client, props) {
  const parse = parsers.get(props);
  return parse ? parse(client, props) : props.parsed();
}

/** The very promise, also for whoever has a proxy around it. */
const itself = Symbol('openpipe-native.itself');

/**
 * The SDK's `parse`, but that a proxy around the promise (langsmith's) can call it: that has none of the private fields.
 * @this {any}
 */
function parse() {
  return Object.getPrototypeOf(this).parse.call(this[itself]);
}

/**
 * The SDK's promise of a request.
 * @param {import('../sdk/state.js').State} state @param {Promise<any>} answered
 */
function newPromise({ sdk, client, thenUnwrap }, answered) {
  return prepared(new sdk.APIPromise(client, answered, parseAnswer), sdk, thenUnwrap);
}

/** @param {any} promise @param {import('../sdk/sdk.js').Sdk} sdk @param {Function} thenUnwrap */
function prepared(promise, sdk, thenUnwrap) {
  promise[itself] = promise;
  promise.parse = parse;
  promise._thenUnwrap = thenUnwrap;
  if ((sdk.major ?? 0) >= 7) promise.withResponse = withResponse;
  return promise;
}

/** As openai 7's, which waits for the one after the other, so that an error names the function that waits. @this {any} */
async function withResponse() {
  const data = await this.parse();
  const { response } = await this.responsePromise;
  return { data, response, request_id: response.headers.get('x-request-id') };
}

/**
 * A client's `_thenUnwrap`, by which the SDK dresses what its promises come to: what it makes is an object of its own at times
 * (`parse()`), and keeps `openpipe`. The SDK's would make the response for the sake of the id of the request.
 * @param {import('../sdk/sdk.js').Sdk} sdk @param {any} client
 */
function unwrapperOf(sdk, client) {
  /** @this {any} @param {(value: any, props: any) => any} transform */
  return function thenUnwrap(transform) {
    const { parseResponse } = this;
    /** @param {any} parser @param {any} props */
    const parseAndDress = (parser, props) => {
      const dress = (/** @type {any} */ value) => dressed(value, transform(value, props), props);
      const value = parseResponse(parser, props);
      return isThenable(value) ? value.then(dress) : dress(value);
    };
    return prepared(new sdk.APIPromise(client, this.responsePromise, parseAndDress), sdk, thenUnwrap);
  };
}

/** @param {any} value @param {any} made What the SDK made of it. @param {any} props */
function dressed(value, made, props) {
  if (!(made instanceof Object) || Array.isArray(made)) return made;
  if (made !== value && Object.hasOwn(Object(value), 'openpipe')) defineOpenpipe(made, () => value.openpipe);
  if (props instanceof StreamAnswer) props.dress();
  // A custom client's own object is left as it is.
  if (made === value && props.isForeign) return made;
  const id = props instanceof Answer ? props.requestId : props.response.headers.get('x-request-id');
  // Not where it is frozen.
  Reflect.defineProperty(made, '_request_id', { value: id ?? null, enumerable: false });
  return made;
}

/**
 * What `openpipe` says of a call; of a stream as it is at the moment of looking.
 * @param {number} call
 * @param {() => Meta} meta
 * @param {unknown[]} [errors] Of a call that failed: every target's error.
 */
function openpipeOf(call, meta, errors) {
  const told = {
    get servedBy() {
      return meta().servedBy;
    },
    get upstream() {
      return meta().upstream;
    },
    get model() {
      return meta().model;
    },
    get attempts() {
      return meta().attempts;
    },
    get reportingFinished() {
      return whenReported(call);
    },
    ...(errors ? { errors } : {}),
  };
  // One alias leads to the whole call: it does not change while a stream runs.
  const { alias } = meta();
  if (alias !== undefined) Object.assign(told, { alias });
  // What is printed are values, not accessors; a promise has none.
  const shown = () => ({ ...told, reportingFinished: undefined });
  Object.defineProperty(told, 'toJSON', { value: shown, enumerable: false });
  Object.defineProperty(told, inspect.custom, { value: () => ({ ...told }), enumerable: false });
  return told;
}

/** Loaded when the first response is asked for: it takes longer than all of this package. */
function statusCodes() {
  return require('node:http').STATUS_CODES;
}

/** @param {Meta['head'] | Response} head That of a client may be of any make. */
function headersOf(head) {
  try {
    return new Headers(head?.headers);
  } catch {
    return new Headers();
  }
}

/**
 * A real `Response`, made only when it is asked for.
 * @param {Meta['head'] | Response} head Of a client's own response no more than this is used: its body has been read.
 * @param {string | ReadableStream} body
 * @param {string} type The media type, where the head has none.
 */
function responseOf(head, body, type) {
  const status = head?.status || 200;
  const headers = headersOf(head);
  if (!headers.has('content-type')) headers.set('content-type', type);
  // What was said of the body as it came over the wire does not hold for one that was decoded or written anew.
  headers.delete('content-encoding');
  headers.delete('transfer-encoding');
  const isOfLength = typeof body === 'string' && headers.get('content-length') === String(Buffer.byteLength(body));
  if (!isOfLength) headers.delete('content-length');
  // The core does not tell the words that came with the status: those of HTTP's own, as every server says them.
  const statusText = /** @type {any} */ (head)?.statusText ?? statusCodes()[status] ?? '';
  const response = new Response(body, { status, statusText, headers });
  if (head?.url) Object.defineProperty(response, 'url', { value: head.url });
  return response;
}

/** @param {string} text JSON of a {@link Meta} @returns {() => Meta} */
function readOnce(text) {
  /** @type {Meta | undefined} */
  let meta;
  return () => (meta ??= /** @type {Meta} */ (JSON.parse(text)));
}

/**
 * Made apart from the answer, whose text would else be held by the completion for as long as that is kept.
 * @param {number} call @param {() => Meta} meta
 */
function makerOf(call, meta) {
  return () => openpipeOf(call, meta);
}

/** What a call came to, in the form in which the SDK has a response beside what belongs to it. */
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
  get isForeign() {
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
class ForeignAnswer extends Answer {
  /**
   * @param {import('../sdk/take-over.js').CallSetup} setup @param {number} call
   * @param {{ value: any, request: import('../host-client/host-client.js').HostRequest }} kept
   * @param {string} meta JSON of a {@link Meta}
   */
  constructor(setup, call, { value, request }, meta) {
    super(setup, undefined);
    this.call = call;
    this.request = request;
    this.meta = readOnce(meta);
    // The SDK writes into what it dresses.
    this.given = this.isForeign ? value : copyOf(value, setup.request.body?.encoding_format === 'base64');
  }

  get isForeign() {
    return this.setup.endpoint.name === 'chat';
  }

  /** For what the SDK makes of a copy. */
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

module.exports = {
  CompletionAnswer,
  ForeignAnswer,
  StreamAnswer,
  defineOpenpipe,
  isThenable,
  newPromise,
  openpipeOf,
  responseOf,
  passOn,
  unwrapperOf,
};
