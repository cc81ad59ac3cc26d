'use strict';
/** Which requests the engine answers: POSTs to one of its endpoints (contract.md, section 11). Everything else is passed on. */

/** The endpoints by the end of their path; the longer one first, where one ends as the other. @type {[string, string][]} */
const ENDPOINTS = [
  ['/chat/completions', 'chat'],
  ['/completions', 'completions'],
  ['/responses', 'responses'],
  ['/embeddings', 'embeddings'],
];

/** Methods of a text that the `URL` which `match` is called with has too, so that it can be read either way. */
const TEXT_METHODS = /** @type {const} */ (['startsWith', 'endsWith', 'includes']);

/**
 * The endpoint that a URL is of, by the end of its path.
 * @param {string} url @returns {string | undefined}
 */
function endpointOf(url) {
  const [place] = url.split(/[?#]/, 1);
  const path = /** @type {string} */ (place).replace(/\/$/, '');
  return ENDPOINTS.find(([end]) => path.endsWith(end))?.[1];
}

/**
 * The endpoint of a request, or `undefined` where the request is not ours.
 * @param {import('./request.js').Request} request
 * @param {((url: URL) => unknown) | undefined} match
 */
function endpointOfRequest(request, match) {
  if (request.method.toUpperCase() !== 'POST' || !/^https?:\/\//i.test(request.url)) return undefined;
  const endpoint = endpointOf(request.url);
  if (endpoint === undefined || !match) return endpoint;
  return match(readableUrl(request.url)) ? endpoint : undefined;
}

/** @param {string} text */
function readableUrl(text) {
  const url = new URL(text);
  for (const name of TEXT_METHODS) {
    const value = (/** @type {string} */ part) => url.href[name](part);
    Object.defineProperty(url, name, { value });
  }
  return url;
}

module.exports = { endpointOfRequest };
