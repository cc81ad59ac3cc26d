'use strict';
/** Where the client's own upstream is, and by which key and headers it is called. */

const native = require('../native/native.js');

/** A request for the SDK to build, from which its URL and headers are taken. */
function keyed() {
  return { method: 'post', path: '/chat/completions', body: {}, __security: { bearerAuth: true } };
}

/** @param {string} url */
function hasPassword(url) {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
}

/**
 * Where the SDK would send a request.
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
 * Where the client's own upstream is: its base URL, with the query that the SDK adds. A subclass may build URLs that have none in
 * common; then only that of chat completions is known, and other calls bring theirs along.
 * @param {string} url That of chat completions.
 */
function placeOf(url) {
  const base = url.replace(/\/chat\/completions(?=$|[?#])/, '');
  return base === url ? { url } : { url, baseUrl: base };
}

/**
 * The SDK's error, or one in its place that does not repeat the refused URL or header: they may hold a password or a key.
 * @param {any} error @param {any} client
 */
function withoutSecret(error, client) {
  if (error?.code === 'ERR_INVALID_URL') return new TypeError('`baseURL` is not a valid URL');
  if (!(error instanceof TypeError) || !native.isHeaderRefusal(error.message)) return error;
  const options = isHeaderValue(client.apiKey) ? '`defaultHeaders`, `organization` or `project`' : '`apiKey`';
  return new TypeError(`${options} holds a character that an HTTP header cannot carry`);
}

/** Whether HTTP has a way to write it: no control character, none beyond Latin-1. @param {unknown} value */
function isHeaderValue(value) {
  return typeof value !== 'string' || /^[\t\x20-\x7e\x80-\xff]*$/.test(value.trim());
}

/** Whether the client has some way to prove who it is to its own upstream. @param {any} client */
function hasKey(client) {
  if (client.apiKey || client.adminAPIKey || client._provider || client._workloadIdentityAuth) return true;
  if (typeof client._options.apiKey === 'function') return !client._options.apiKey.openpipeMissing;
  const headers = client._options.defaultHeaders;
  return headers ? declaresKey(headers) : false;
}

/** Whether the user sets, or expressly removes, the header with the key. @param {any} headers */
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

module.exports = { hasKey, hasPassword, keyed, placeOf, urlOf, withoutSecret };
