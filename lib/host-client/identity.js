'use strict';
/** The identity of a custom client's upstream, which is the key of its circuit breaker. */

const native = require('../native/native.js');
const { read, wellFormed } = require('./untrusted.js');

/** The numbers of clients and functions that are identified by the object itself. @type {WeakMap<object, string>} */
const numbers = new WeakMap();
let nextNumber = 0;

/**
 * The identity of a client's upstream: URL and key where the client has them as the SDK's clients do, else a number for the object. It
 * is passed to the core only, which keeps a digest of it.
 * @param {any} client
 */
function identityOf(client) {
  const { baseURL, apiKey } = read(() => ({ baseURL: client.baseURL, apiKey: client.apiKey })) ?? {};
  const given = read(() => client._options.apiKey);
  const isFunction = typeof given === 'function' && !given.openpipeMissing;
  if (typeof baseURL !== 'string' || (typeof apiKey !== 'string' && !isFunction)) return numberOf(client);
  const parts = [baseURL, isFunction ? numberOf(given) : apiKey, ...credentialsOf(client)];
  // To the core, an identity that starts with a bracket has a key that is the same for each call.
  return wellFormed(`${isFunction ? 'function' : ''}${JSON.stringify(parts)}`);
}

/** The credentials of an SDK's client beside its key: in default headers, and the default query. @param {any} client @returns {string[]} */
function credentialsOf(client) {
  const { headers, query } = defaultsOf(client);
  return [...headers.filter(([name]) => native.isCredential(name)), ...query].flat();
}

/** The default headers and query of an SDK's client. @param {any} client @returns {{ headers: [string, string][], query: [string, string][] }} */
function defaultsOf(client) {
  const { defaultHeaders, defaultQuery } = read(() => client._options) ?? {};
  const headers =
    read(() => [...new Headers(defaultHeaders?.values instanceof Headers ? defaultHeaders.values : defaultHeaders)]) ??
    [];
  const query = read(() => Object.entries(defaultQuery ?? {}).filter(([, value]) => typeof value === 'string')) ?? [];
  return { headers, query: /** @type {[string, string][]} */ (query) };
}

/**
 * The values of headers and query parameters whose names say that they are keys, to be redacted in errors.
 * @param {{ headers: [string, string][], query: [string, string][] }} given @returns {string[]}
 */
function keysIn({ headers, query }) {
  const values = [...headers, ...query].filter(([name]) => native.isCredential(name)).map(([, value]) => value);
  // Also without the scheme, such as `Bearer`.
  return values.flatMap((value) => [value, value.replace(/^\S+ /, '')]);
}

/** @param {object} object */
function numberOf(object) {
  let number = numbers.get(object);
  if (number === undefined) {
    number = `${require('node:worker_threads').threadId}:${nextNumber++}`;
    numbers.set(object, number);
  }
  return number;
}

module.exports = { defaultsOf, identityOf, keysIn };
