'use strict';
/**
 * The take-over: a request of the SDK's resource methods to one of the engine's endpoints is not sent by the SDK. Its arguments are
 * checked here and it is started as a call of the engine, whose outcome settles the SDK's own promise (contract.md, section 9).
 * It stands below the SDK's resource methods, so that instrumentations which patch those still see each call.
 */

const { offAbort, onAbort } = require('../call/abort.js');
const { isThenable, newPromise, passOn } = require('../call/promise.js');
const { SDK_OPENAI } = require('../host-client/numbers.js');
const { readCallOptions } = require('../options/call-options.js');
const { isObject, milliseconds, retries } = require('../options/checks.js');
const { endpointAt } = require('../options/endpoints.js');
const { hasDefaultHeader, readHeaders } = require('../options/headers.js');
const { checkOptions, readBody, readSignal } = require('./arguments.js');
const { Call } = require('../call/call.js');
const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { callLog } = require('./logging.js');
const { abortErrorOf, rejection, withCallersOf } = require('../call/errors.js');
const { urlOf } = require('./own-upstream.js');
const { stateOf } = require('./state-of.js');

/** @typedef {import('./state.js').State} State */

/** @typedef {import('../options/endpoints.js').Endpoint} Endpoint */

/** The options of a call without options. @type {any} */
const NO_OPTIONS = Object.freeze({});

/**
 * The engine's endpoint that a request goes to; `undefined` for other requests.
 * @param {string} method @param {unknown} path @returns {Endpoint | undefined}
 */
function endpointOf(method, path) {
  return method === 'post' ? endpointAt(path) : undefined;
}

/** Whether the SDK writes a request's body as JSON. @param {any} body */
function isJsonBody(body) {
  if (!isObject(body)) return false;
  const prototype = Object.getPrototypeOf(body);
  if (prototype === Object.prototype || prototype === null) return true;
  return !(
    ArrayBuffer.isView(body) ||
    [ArrayBuffer, Blob, FormData, URLSearchParams, ReadableStream].some((Kind) => body instanceof Kind) ||
    Symbol.asyncIterator in body ||
    Symbol.iterator in body
  );
}

/**
 * Whether the engine takes over a request to one of its endpoints: it does if the SDK would send the body as JSON.
 * @param {any} options
 */
function isTaken(options) {
  const method = options?.method;
  return (method === undefined || method === 'post') && isJsonBody(options?.body);
}

/**
 * Takes over a request. Never throws: an error is a rejection of the promise.
 * @param {any} client
 * @param {Endpoint} endpoint
 * @param {any} options The SDK's options of a request, `body` among them.
 */
function takeOver(client, endpoint, options) {
  const state = stateOf(client);
  return newPromise(state, started(state, endpoint, options));
}

/**
 * Takes over a request whose options are a promise, as openai 7 makes them, if the options are for one of the engine's endpoints.
 * @param {any} client
 * @param {PromiseLike<any>} given
 * @param {(options: any) => Endpoint | undefined} endpointFor
 * @param {(options: any) => any} send Sends any other request through the SDK and returns the SDK's promise.
 */
function takeOverLater(client, given, endpointFor, send) {
  const state = stateOf(client);
  const answered = Promise.resolve(given).then((options) => {
    const endpoint = endpointFor(options);
    return endpoint ? started(state, endpoint, options ?? NO_OPTIONS) : passOn(send(options));
  });
  return newPromise(state, answered);
}

/** The SDK's promise, rejected with the error of malformed arguments. @param {any} client @param {unknown} error */
function refused(client, error) {
  return newPromise(stateOf(client), Promise.reject(error));
}

/**
 * Starts a call. The body is serialized at once: later changes of the caller's object must not change the call.
 * @param {State} state @param {Endpoint} endpoint @param {any} options @returns {Promise<any>}
 */
function started(state, endpoint, options) {
  return new Promise((resolve) => {
    try {
      const request = readBody(options.body, endpoint);
      const later = options[LATER];
      if (later)
        resolve(later.then((/** @type {any} */ given) => startedLater(state, endpoint, options, given, request)));
      else start(state, endpoint, options, request, resolve);
    } catch (error) {
      throw withCallersOf(error);
    }
  });
}

/**
 * The member of a request's options under which a promise of further options is passed through openai 5 and 6, which do not take a
 * promise themselves.
 */
const LATER = Symbol('openpipe-native.later');

/**
 * The member of the options of a request for embeddings which says that the caller gave no `encoding_format`: the SDK then requests
 * base64 and decodes it to numbers.
 */
const UNPACKED = Symbol('openpipe-native.unpacked');

/** @param {State} state @param {Endpoint} endpoint @param {any} options @param {any} given @param {{ text: string, openpipe: unknown }} request */
function startedLater(state, endpoint, options, given, request) {
  if (given !== undefined && given !== null) checkOptions(given);
  return new Promise((resolve) => start(state, endpoint, { ...options, ...given }, request, resolve));
}

/** Whether a request has an `openpipe` member, in its options or its body. @param {any} options */
function hasOpenpipe(options) {
  return options?.openpipe !== undefined || (isJsonBody(options?.body) && Object.hasOwn(options.body, 'openpipe'));
}

/**
 * The options of a request that the SDK sends, without `openpipe`: it has no effect there and must not be sent. Warns of it.
 * @param {any} client @param {any} options
 */
function withoutOpenpipe(client, options) {
  if (!hasOpenpipe(options)) return options;
  const { openpipe: _, ...kept } = options;
  stateOf(client).warnOnce(
    `\`openpipe\` has no effect on ${String(kept.method).toUpperCase()} ${JSON.stringify(kept.path)}: there are no fallbacks for it`,
  );
  if (!isJsonBody(kept.body)) return kept;
  const { openpipe: __, ...body } = kept.body;
  return { ...kept, body };
}

/**
 * @param {State} state @param {Endpoint} endpoint @param {any} options
 * @param {{ text: string, openpipe: unknown }} request
 * @param {(answer: any) => void} resolve With an answer, or with a promise that is rejected.
 */
function start(state, endpoint, options, request, resolve) {
  const { sdk, client } = state;
  if (state.closed) throw new sdk.OpenAIError('the client is closed: it takes no more calls');
  let { clients } = state;
  let { judges } = state.options;
  let openpipe;
  const inBody = request.openpipe ?? undefined;
  const inOptions = options.openpipe ?? undefined;
  if (inBody !== undefined || inOptions !== undefined) {
    clients = [...clients];
    judges = [...judges];
    const warn = (/** @type {string} */ message) => state.warnOnce(message);
    openpipe = readCallOptions(inOptions, inBody, { clients, judges, allowed: state.options.allowed, warn });
  }
  const signal = readSignal(options.signal);
  const given = callOptions(state, endpoint, options, openpipe?.text);
  const aborted = () => rejection(() => abortErrorOf(sdk, client, signal));
  if (signal?.aborted) {
    resolve(aborted());
    return;
  }

  const throughSdk = Boolean(options.fetchOptions ?? options.httpAgent ?? options.agent);
  const side = state.native(throughSdk);
  const onFallback = openpipe?.onFallback ?? state.options.onFallback;
  const log = callLog(client, () => state.places(throughSdk, endpoint), endpoint);
  const setup = new CallSetup(state, endpoint, clients, options, { signal, onFallback, judges, throughSdk, log });
  const call = new Call(setup, resolve);
  if (!isThenable(side)) {
    log?.started(request.text, options, given);
    call.start(side, request.text, given);
    return;
  }
  // An abort rejects at once, also while the native side is still being made.
  const waiter = { aborted: () => resolve(aborted()) };
  onAbort(signal, waiter);
  side
    .then((/** @type {any} */ completions) => {
      if (signal?.aborted) return;
      log?.started(request.text, options, given);
      call.start(completions, request.text, given);
    })
    .catch((/** @type {any} */ error) => resolve(rejection(() => native.refusalOf(error))))
    .finally(() => offAbort(signal, waiter));
}

/** The setup of a call: its client, endpoint, options and callbacks. */
class CallSetup {
  /** @type {State} */ #state;
  /** @type {import('../options/writer.js').CustomClient[]} */ #clients;
  /** @type {any} */ #options;

  /**
   * @param {State} state @param {Endpoint} endpoint @param {import('../options/writer.js').CustomClient[]} clients @param {any} options
   * @param {{ signal: AbortSignal | undefined, onFallback: ((event: any) => void) | undefined, judges: import('../call/judge.js').Judge[], throughSdk: boolean, log: import('./logging.js').CallLog | undefined }} call
   */
  constructor(state, endpoint, clients, options, { signal, onFallback, judges, throughSdk, log }) {
    this.#state = state;
    this.endpoint = endpoint;
    this.#clients = clients;
    this.#options = options;
    this.sdk = state.sdk;
    /** @type {any} */
    this.client = state.client;
    this.signal = signal;
    this.onFallback = onFallback;
    /** The functions of `reject`, in the order in which the core numbers them. */
    this.judges = judges;
    /** Writes to the client's logger; `undefined` where its level is off. */
    this.log = log;
    /** The time at which the call was started, as a member of the SDK's responses. */
    this.startTime = clock.unixTime();
    /** Functions of the caller may be called, which must run in the caller's async context. */
    const callsOwnUpstream = throughSdk || state.needsSdk || state.keyIsFunction;
    this.mayCallBack =
      Boolean(onFallback ?? log) ||
      clients.length > 2 ||
      judges.length > 0 ||
      callsOwnUpstream ||
      state.options.hasKeyFunctions;
  }

  /** `create` of a custom client, by its number. @param {number} number @returns {(body: any, options: any) => unknown} */
  clientFunction(number) {
    const call = this.#state.sdkTransport.clientFunction(number, this.#clients, this.endpoint);
    return withCallOptions(call, number, this.#options, this.endpoint);
  }

  /** `cancel` of a custom client, by its number. @param {number} number @returns {(id: string, options: any) => unknown} */
  cancelFunction(number) {
    return this.#state.sdkTransport.cancelFunction(number, this.#clients);
  }

  /** The request's options, as the SDK keeps them beside a response. */
  get request() {
    return { method: 'post', path: this.endpoint.path, ...this.#options };
  }

  /** Embeddings are requested as base64: numbers must be encoded, because the SDK would decode them to empty vectors. */
  get packsVectors() {
    return this.#options.body?.encoding_format === 'base64';
  }

  /** The SDK decodes base64 for the caller, who did not choose an encoding. */
  get unpacksVectors() {
    return this.#options[UNPACKED] === true;
  }

  /** The keys of a custom client, by its number; reading them may throw. @param {number} number @returns {unknown[]} */
  clientKeys(number) {
    return this.#state.sdkTransport.clientKeys(number, this.#clients);
  }

  /** The headers of an upstream whose key a function returns. @param {string} upstream */
  headersOf(upstream) {
    return this.#state.headersOf(upstream);
  }

  /** Warns of something, once for the client. @param {string} message */
  warnOnce(message) {
    this.#state.warnOnce(message);
  }
}

/**
 * The call's options as JSON for the core; `null` where it has none.
 * @param {State} state @param {Endpoint} endpoint @param {any} options @param {string[] | undefined} openpipe The members of JSON that `openpipe` makes.
 */
function callOptions(state, endpoint, options, openpipe) {
  const { client } = state;
  const timeout = milliseconds('options.timeout', options.timeout);
  const maxRetries = retries('options.maxRetries', options.maxRetries);
  const headers = ownHeaders(client, options);
  const given = readHeaders(options.headers);
  if (given) headers.push(...given);
  const url = urlElsewhere(client, endpoint, options);
  const isChat = endpoint.name === 'chat';
  if (
    isChat &&
    timeout === undefined &&
    maxRetries === undefined &&
    headers.length === 0 &&
    url === undefined &&
    openpipe === undefined
  )
    return null;
  const json = JSON.stringify({ endpoint: isChat ? undefined : endpoint.name, timeout, maxRetries, headers, url });
  // `json` is never `{}`, as it has `headers`: so a comma is right.
  return openpipe === undefined ? json : `${json.slice(0, -1)},${openpipe.join(',')}}`;
}

/** The URL that the call's own options (`path`, `query`, `defaultBaseURL`) make; `undefined` where it has none of those. @param {any} client @param {Endpoint} endpoint @param {any} options */
function urlElsewhere(client, endpoint, options) {
  const path = options.path === endpoint.path ? undefined : (options.path ?? undefined);
  const query = options.query ?? undefined;
  const base = options.defaultBaseURL ?? undefined;
  if (path === undefined && query === undefined && base === undefined) return undefined;
  const url = urlOf(client, path ?? endpoint.path, query, base);
  // The client's key must not be sent to another origin.
  if (path !== undefined && originOf(url) !== originOf(urlOf(client, endpoint.path, undefined, base)))
    throw new TypeError('`options.path` must be on the origin of `baseURL`');
  return url;
}

/** @param {string} url */
function originOf(url) {
  return URL.canParse(url) ? new URL(url).origin : undefined;
}

/** The headers that the SDK makes from other options: the idempotency key, the name of a helper method. @param {any} client @param {any} options @returns {[string, string | null][]} */
function ownHeaders(client, options) {
  /** @type {[string, string | null][]} */
  const headers = [];
  // As in the SDK, a default header of the caller's replaces it.
  if (client.idempotencyHeader && !hasDefaultHeader(client, client.idempotencyHeader.toLowerCase()))
    headers.push([client.idempotencyHeader, options.idempotencyKey ?? client.defaultIdempotencyKey()]);
  // openai 7 names helpers such as `parse()` in this member; 5 and 6 pass a header.
  const helper = options.__metadata?.helperMethod;
  if (typeof helper === 'string') headers.push(['x-stainless-helper-method', helper]);
  return headers;
}

/**
 * Adds to a call through the SDK's own transport those of the call's options that only that transport can honour.
 * @param {(body: any, options: any) => unknown} call @param {number} number @param {any} options @param {Endpoint} endpoint
 */
function withCallOptions(call, number, options, endpoint) {
  if (number !== SDK_OPENAI) return call;
  const { fetchOptions, httpAgent, agent, query, defaultBaseURL, idempotencyKey } = options;
  const path = options.path === endpoint.path ? undefined : options.path;
  const own = Object.entries({ fetchOptions, httpAgent, agent, query, path, defaultBaseURL, idempotencyKey });
  const extra = Object.fromEntries(own.filter(([, value]) => value !== undefined));
  return (/** @type {any} */ body, /** @type {any} */ given) => call(body, { ...given, ...extra });
}

module.exports = {
  CallSetup,
  LATER,
  UNPACKED,
  endpointOf,
  isTaken,
  refused,
  takeOver,
  takeOverLater,
  withoutOpenpipe,
};
