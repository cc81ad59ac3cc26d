'use strict';
/** `chat.completions.create`: reads its arguments, starts the call, and dresses what comes of it as the SDK would. */

const { offAbort, onAbort } = require('../call/abort.js');
const native = require('../native/native.js');
const {
  checkOptions, milliseconds, readBody, readCallOptions, readHeaders, readSignal, retries,
} = require('./arguments.js'); // prettier-ignore
const { Call } = require('../call/call.js');
const { callLog } = require('./logging.js');
const { abortErrorOf } = require('../call/errors.js');
const { stateOf, urlOf } = require('./state.js');
const { warnOnce } = require('./warnings.js');

/** @typedef {import('./state.js').State} State */

/** What a call has where nothing was given. @type {any} */
const NONE = Object.freeze({});

/** What a call's promise is made of. @param {unknown} _client @param {{ value(): unknown }} answer */
const valueOf = (_client, answer) => answer.value();

/**
 * Starts a call. Never throws: whatever is wrong is a rejection of the promise.
 * @param {any} client The client that the completions belong to.
 * @param {unknown} body
 * @param {any} options May be a promise, as in openai 7.
 */
function create(client, body, options) {
  const state = stateOf(client);
  const { sdk } = state;
  const answered = new Promise((resolve, reject) => {
    try {
      // The body is written at once: what the caller changes in it afterwards must not change the call.
      const request = readBody(body);
      if (typeof options?.then === 'function') {
        Promise.resolve(options)
          .then((given) => start(state, request, given ?? NONE, resolve, reject))
          .catch(reject);
      } else {
        start(state, request, options ?? NONE, resolve, reject);
      }
    } catch (error) {
      reject(error);
    }
  });
  return new sdk.APIPromise(state.client, answered, valueOf);
}

/**
 * @param {State} state
 * @param {{ text: string, openpipe: unknown }} request
 * @param {any} options
 * @param {(answer: any) => void} resolve
 * @param {(error: unknown) => void} reject
 */
function start(state, request, options, resolve, reject) {
  const { sdk, client } = state;
  if (state.closed) throw new sdk.OpenAIError('the client is closed: it takes no more calls');
  checkOptions(options);
  let { clients } = state;
  let openpipe;
  if (request.openpipe !== undefined && request.openpipe !== null) {
    clients = [...clients];
    const warn = (/** @type {string} */ message) => warnOnce(client, message);
    openpipe = readCallOptions(request.openpipe, { clients, warn, nearestName: native.nearestName });
  }
  const signal = readSignal(options.signal);
  const given = callOptions(state, options, openpipe?.options);
  if (signal?.aborted) throw abortErrorOf(sdk, client, signal);

  const throughSdk = Boolean(options.fetchOptions ?? options.httpAgent ?? options.agent);
  const side = state.native(throughSdk);
  const onFallback = openpipe?.onFallback ?? state.options.onFallback;
  const log = callLog(client, () => state.places(throughSdk));
  const setup = new CallSetup(state, clients, options, { signal, onFallback, throughSdk, log });
  const call = new Call(setup, resolve, reject);
  if (!(side instanceof Promise)) {
    log?.started(request.text, options, given);
    call.start(side, request.text, given);
    return;
  }
  // An abort does not wait for what is still being made.
  const waiter = { aborted: () => reject(abortErrorOf(sdk, client, signal)) };
  onAbort(signal, waiter);
  side
    .then((completions) => {
      if (signal?.aborted) return;
      log?.started(request.text, options, given);
      call.start(completions, request.text, given);
    })
    .catch((error) => reject(isArgument(error) ? new TypeError(error.message) : error))
    .finally(() => offAbort(signal, waiter));
}

/** What a call is started with. */
class CallSetup {
  /** @type {State} */ #state;
  /** @type {import('./state.js').ForeignClient[]} */ #clients;
  /** @type {any} */ #options;

  /**
   * @param {State} state @param {import('./state.js').ForeignClient[]} clients @param {any} options
   * @param {{ signal: AbortSignal | undefined, onFallback: ((event: any) => void) | undefined, throughSdk: boolean, log: import('./logging.js').CallLog | undefined }} call
   */
  constructor(state, clients, options, { signal, onFallback, throughSdk, log }) {
    this.#state = state;
    this.#clients = clients;
    this.#options = options;
    this.sdk = state.sdk;
    /** @type {any} */
    this.client = state.client;
    this.signal = signal;
    this.onFallback = onFallback;
    /** What the client's logger is told; `undefined` where it wants nothing. */
    this.log = log;
    /** Functions of the caller may have to be called in the caller's async context. */
    const isOwnAsked = throughSdk || state.needsSdk || state.asksForKey;
    this.mayCallBack = Boolean(onFallback ?? log) || clients.length > 2 || isOwnAsked;
  }

  /** `create` of a JavaScript client, by its number. @param {number} number @returns {(body: any, options: any) => unknown} */
  clientFunction(number) {
    return withCallOptions(this.#state.clientFunction(number, this.#clients), number, this.#options);
  }

  /** What proves who such a client is; reading it may throw. @param {number} number @returns {unknown} */
  clientKey(number) {
    return this.#state.clientKey(number, this.#clients);
  }

  /** The headers that go to the client's own upstream, where they have to be asked for. */
  ownHeaders() {
    return this.#state.ownHeaders();
  }
}

/** What the addon refuses of a client's options. @param {any} error */
function isArgument(error) {
  return error?.code === 'InvalidArg';
}

/**
 * The call's options as the core reads them; `null` where there is nothing to say.
 * @param {State} state @param {any} options @param {object | undefined} openpipe
 */
function callOptions(state, options, openpipe) {
  const { client } = state;
  if (options === NONE && openpipe === undefined && !client.idempotencyHeader) return null;
  const timeout = milliseconds('options.timeout', options.timeout);
  const maxRetries = retries('options.maxRetries', options.maxRetries);
  const headers = [...ownHeaders(client, options), ...(readHeaders(options.headers) ?? [])];
  const elsewhere = options.path ?? options.query ?? options.defaultBaseURL;
  const url =
    elsewhere === undefined || elsewhere === null
      ? undefined
      : urlOf(client, options.path ?? '/chat/completions', options.query, options.defaultBaseURL);
  if (
    timeout === undefined &&
    maxRetries === undefined &&
    headers.length === 0 &&
    url === undefined &&
    openpipe === undefined
  )
    return null;
  return JSON.stringify({ timeout, maxRetries, headers, url, openpipe });
}

/** Headers that the SDK makes of other options. @param {any} client @param {any} options @returns {[string, string][]} */
function ownHeaders(client, options) {
  /** @type {[string, string][]} */
  const headers = [];
  if (client.idempotencyHeader)
    headers.push([client.idempotencyHeader, options.idempotencyKey ?? client.defaultIdempotencyKey()]);
  // openai 7 tells of `parse()` and the like in this way; 5 and 6 pass a header.
  const helper = options.__metadata?.helperMethod;
  if (typeof helper === 'string') headers.push(['x-stainless-helper-method', helper]);
  return headers;
}

/**
 * The SDK's own transport gets what only it can honour of a call's options.
 * @param {(body: any, options: any) => unknown} create @param {number} number @param {any} options
 */
function withCallOptions(create, number, options) {
  if (number !== 0) return create;
  const { fetchOptions, httpAgent, agent, query, path, defaultBaseURL, idempotencyKey } = options;
  const own = Object.entries({ fetchOptions, httpAgent, agent, query, path, defaultBaseURL, idempotencyKey });
  const extra = Object.fromEntries(own.filter(([, value]) => value !== undefined));
  return (/** @type {any} */ body, /** @type {any} */ asked) => create(body, { ...asked, ...extra });
}

module.exports = { CallSetup, create };
