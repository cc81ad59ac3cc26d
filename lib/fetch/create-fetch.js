'use strict';
/** `createFetch`: a `fetch` whose calls of a model's API run through the engine (contract.md, section 11). */

const { FetchCall } = require('./call.js');
const { Door } = require('./door.js');
const { markOurs } = require('../native/replaced-fetch.js');
const { openpipeOfBody, parseHeader, readOwn } = require('./options.js');
const { endpointOfRequest } = require('./ours.js');
const { openaiError } = require('./failures.js');
const { isRetry, keyOf } = require('./repeats.js');
const { readBody } = require('./request-body.js');
const {
  OPTIONS_HEADER, header, headersOf, isRequest, needsFetch, readRequest, upstreamHeaders, withoutPassword,
} = require('./request.js'); // prettier-ignore

/** @typedef {import('./request.js').Request} Request */

const RETRIED_BY_SDK =
  'an SDK retried a request all of whose targets had just failed, and got the same failure again. The targets have retries ' +
  'of their own: set the SDK’s `maxRetries` to 0.';
const ABORTED_EARLY =
  'a signal aborted a call during the attempt of its first target. If that was the timeout of an SDK, no fallback ever ' +
  'runs: make the SDK’s `timeout` longer than those of all targets together, or set `timeout` in createFetch.';

/** @param {any} [options] */
function createFetch(options) {
  const door = new Door(options);
  /** @param {unknown} input @param {any} [init] @returns {Promise<Response>} */
  const fetch = (input, init) => run(door, input, init);
  markOurs(fetch);
  const methods = { flush: (/** @type {any} */ options) => door.flush(options), close: () => door.close() };
  for (const [name, value] of Object.entries(methods))
    Object.defineProperty(fetch, name, { value, configurable: true });
  // Early releases of Node.js 20 lack `Symbol.asyncDispose`.
  if (Symbol.asyncDispose)
    Object.defineProperty(fetch, Symbol.asyncDispose, { value: methods.close, configurable: true });
  return fetch;
}

/** Never throws: any error is a rejection. @param {Door} door @param {unknown} input @param {any} init @returns {Promise<Response>} */
function run(door, input, init) {
  try {
    const request = readRequest(input, init);
    const endpoint = endpointOfRequest(request, door.options.match);
    if (endpoint === undefined) return passOn(door, request, undefined);
    const { signal } = request;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const body = readBody(request.body, signal);
    if (body instanceof Promise) return body.then((read) => call(door, request, endpoint, read));
    return call(door, request, endpoint, body);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * @param {Door} door @param {Request} request @param {import('../options/endpoints.js').Endpoint} endpoint
 * @param {import('./request-body.js').ReadBody} body @returns {Promise<Response>}
 */
function call(door, request, endpoint, { text, again }) {
  if (text === undefined) return passOn(door, request, again);
  if (door.isClosed) throw openaiError('this fetch is closed: it takes no more calls');
  door.warnOfLateMock();
  const headers = headersOf(request);
  const own = optionsOf(door, headers, text);
  const sent = upstreamHeaders(headers);
  const url = withoutPassword(request.url, sent);

  const throughFetch = door.isThroughFetch || needsFetch(request.init);
  const key = isRetry(headers) ? keyOf(url, sent, text) : undefined;
  const failure = key === undefined ? undefined : door.repeats.find(key);
  if (failure) {
    door.warn(RETRIED_BY_SDK);
    return new Promise((resolve, reject) => failure.settle(resolve, reject));
  }
  return new Promise((resolve, reject) => {
    const started = new FetchCall(
      {
        door,
        request,
        endpoint,
        url,
        throughFetch,
        passOn: () => passOn(door, request, again),
        keep: (settled) => door.repeats.keep(key ?? keyOf(url, sent, text), settled),
        onEarlyAbort: () => door.hasFallback(own.fallback) && door.warn(ABORTED_EARLY),
      },
      resolve,
      reject,
    );
    const options = {
      timeout: own.timeout,
      maxRetries: own.maxRetries,
      endpoint: endpoint.name,
      request: { url, headers: sent },
      throughHost: throughFetch,
      // A redirect to another origin is never followed, whatever `redirect` says.
      refusesRedirects: (request.redirect ?? 'follow') !== 'follow',
      patience: patienceOf(headers),
      commitLast: true,
      wireEvents: true,
    };
    const json = JSON.stringify(options);
    started.start(door.side, text, [json.slice(0, -1), ...own.members].join(',') + '}');
  });
}

/** The call's own options: those of its header `x-openpipe`, and those of its body that `allowInBody` allows. @param {Door} door @param {[string, string][]} headers @param {string} text */
function optionsOf(door, headers, text) {
  const inHeader = header(headers, OPTIONS_HEADER);
  const inBody = openpipeOfBody(text);
  return readOwn(inHeader === undefined ? undefined : parseHeader(inHeader), inBody, door.options.allowed, door.warn);
}

/** How long an SDK waits for the whole call, in milliseconds; its header has whole seconds. @param {[string, string][]} headers */
function patienceOf(headers) {
  const seconds = Number(header(headers, 'x-stainless-timeout'));
  return seconds > 0 ? seconds * 1000 : undefined;
}

/**
 * Sends a request that the engine does not take by the `fetch` below: unchanged, except that the header `x-openpipe` is removed and a body
 * that was read is replaced.
 * @param {Door} door @param {Request} request @param {unknown} again @returns {Promise<Response>}
 */
async function passOn(door, { input, init }, again) {
  const { fetch } = door;
  const headers = headersOf(/** @type {any} */ ({ input, init }));
  const hasOptions = header(headers, OPTIONS_HEADER) !== undefined;
  if (!hasOptions && again === undefined) return init === undefined ? fetch(input) : fetch(input, init);
  const changed = { ...init };
  if (hasOptions) changed.headers = headers.filter(([name]) => name !== OPTIONS_HEADER);
  if (again !== undefined) Object.assign(changed, { body: again, duplex: 'half' });
  // A `Request` whose body was read cannot be sent, so its members are passed instead.
  if (!isRequest(input) || again === undefined) return fetch(input, changed);
  const { method, signal, redirect, url } = /** @type {any} */ (input);
  return fetch(url, { method, signal, redirect, headers, ...changed });
}

module.exports = { createFetch };
