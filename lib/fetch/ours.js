'use strict';
/** Which requests the engine takes: POSTs to one of its endpoints (contract.md, section 11). The `fetch` below sends all others. */

const { endpointBelow } = require('../options/endpoints.js');

/** @typedef {import('../options/endpoints.js').Endpoint} Endpoint */

/** Methods of strings that the `URL` for `match` gets as well, so that `match` may treat it as either. */
const TEXT_METHODS = /** @type {const} */ (['startsWith', 'endsWith', 'includes']);

/**
 * The endpoint of a URL, by the end of its path.
 * @param {string} url @returns {Endpoint | undefined}
 */
function endpointOf(url) {
  const [place] = url.split(/[?#]/, 1);
  const path = /** @type {string} */ (place).replace(/\/$/, '');
  return endpointBelow(path);
}

/**
 * The endpoint of a request; `undefined` where the engine does not take it.
 * @param {import('./request.js').Request} request
 * @param {((url: URL) => unknown) | undefined} match
 * @returns {Endpoint | undefined}
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
