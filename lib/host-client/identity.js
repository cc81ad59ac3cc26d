'use strict';
/** The identity of a custom client's upstream, by which its circuit is found. */

const native = require('../native/native.js');
const { read, wellFormed } = require('./untrusted.js');

/** Numbers of clients, or functions, that have no URL and key. @type {WeakMap<object, string>} */
const numbers = new WeakMap();
let nextNumber = 0;

/**
 * The identity of a client's upstream: its URL and key where it has them as the SDK's clients do, else the object itself. Goes to
 * Rust, which keeps a digest of it, and nowhere else.
 * @param {any} client
 */
function identityOf(client) {
  const { baseURL, apiKey } = read(() => ({ baseURL: client.baseURL, apiKey: client.apiKey })) ?? {};
  const given = read(() => client._options.apiKey);
  const byFunction = typeof given === 'function' && !given.openpipeMissing;
  if (typeof baseURL !== 'string' || (typeof apiKey !== 'string' && !byFunction)) return numberOf(client);
  const shown = [baseURL, byFunction ? numberOf(given) : apiKey, ...credentialsOf(client)];
  // The core takes what begins with a bracket for a key that stays the same from call to call.
  return wellFormed(`${byFunction ? 'function' : ''}${JSON.stringify(shown)}`);
}

/** What proves who a client of the SDK's is beside its key: default headers and query. @param {any} client @returns {string[]} */
function credentialsOf(client) {
  const { headers, query } = defaultsOf(client);
  return [...headers.filter(([name]) => native.isCredential(name)), ...query].flat();
}

/** The default headers and query of a client of the SDK's. @param {any} client @returns {{ headers: [string, string][], query: [string, string][] }} */
function defaultsOf(client) {
  const { defaultHeaders, defaultQuery } = read(() => client._options) ?? {};
  const headers =
    read(() => [...new Headers(defaultHeaders?.values instanceof Headers ? defaultHeaders.values : defaultHeaders)]) ??
    [];
  const query = read(() => Object.entries(defaultQuery ?? {}).filter(([, value]) => typeof value === 'string')) ?? [];
  return { headers, query: /** @type {[string, string][]} */ (query) };
}

/**
 * The keys among headers and the parts of a query, by their names: some upstreams repeat them in their errors.
 * @param {{ headers: [string, string][], query: [string, string][] }} given @returns {string[]}
 */
function keysIn({ headers, query }) {
  const values = [...headers, ...query].filter(([name]) => native.isCredential(name)).map(([, value]) => value);
  // Without its scheme, too: `Bearer …`.
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
