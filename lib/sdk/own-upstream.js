'use strict';
/** The client's own upstream: its URL, and whether the client has a key for it. */

const native = require('../native/native.js');

/** A request with authentication, which the SDK builds so that its URL and headers can be read. */
function requestWithKey() {
  return { method: 'post', path: '/chat/completions', body: {}, __security: { bearerAuth: true } };
}

/** @param {string} url */
function hasPassword(url) {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
}

/**
 * The URL to which the SDK would send a request.
 * @param {any} client @param {string} path @param {unknown} [query] @param {unknown} [base] @returns {string}
 */
function urlOf(client, path, query, base) {
  try {
    return client.buildURL(path, query, base);
  } catch (error) {
    throw withoutSecret(error, client);
  }
}

/**
 * The client's base URL, with the query that the SDK adds, from the URL of chat completions. Where a subclass's `buildURL` makes URLs
 * that do not end in the endpoint's path there is no base URL: calls to other endpoints then pass a URL of their own.
 * @param {string} url The URL of chat completions.
 */
function placeOf(url) {
  const base = url.replace(/\/chat\/completions(?=$|[?#])/, '');
  return base === url ? { url } : { url, baseUrl: base };
}

/**
 * The SDK's error, or a replacement where it would repeat the refused URL or header, which may hold a password or a key.
 * @param {any} error @param {any} client
 */
function withoutSecret(error, client) {
  if (error?.code === 'ERR_INVALID_URL') return new TypeError('`baseURL` is not a valid URL');
  if (!(error instanceof TypeError) || !native.isHeaderRefusal(error.message)) return error;
  const options = isHeaderValue(client.apiKey) ? '`defaultHeaders`, `organization` or `project`' : '`apiKey`';
  return new TypeError(`${options} holds a character that an HTTP header cannot carry`);
}

/** Whether a value can be an HTTP header's: no control characters, none beyond Latin-1. @param {unknown} value */
function isHeaderValue(value) {
  return typeof value !== 'string' || /^[\t\x20-\x7e\x80-\xff]*$/.test(value.trim());
}

/** Whether the client has credentials for its own upstream. @param {any} client */
function hasKey(client) {
  if (client.apiKey || client.adminAPIKey || client._provider || client._workloadIdentityAuth) return true;
  if (typeof client._options.apiKey === 'function') return !client._options.apiKey.openpipeMissing;
  const headers = client._options.defaultHeaders;
  return headers ? declaresKey(headers) : false;
}

/** Whether default headers set the header with the key, or remove it. @param {any} headers */
function declaresKey(headers) {
  const pairs =
    headers.values instanceof Headers
      ? headers.values
      : typeof headers[Symbol.iterator] === 'function'
        ? headers
        : Object.entries(headers);
  for (const [name] of pairs) if (/^(authorization|api-key)$/i.test(String(name))) return true;
  return false;
}

module.exports = { hasKey, hasPassword, requestWithKey, placeOf, urlOf, withoutSecret };
