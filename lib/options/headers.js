'use strict';
/** Reads headers in all forms that the SDK accepts. */

const { wellFormed } = require('../host-client/untrusted.js');
const { refuse } = require('./checks.js');

/** Whether the client's default headers set or remove this one. @param {any} client @param {string} name In lower case. */
function hasDefaultHeader(client, name) {
  const headers = client._options.defaultHeaders;
  if (typeof headers !== 'object' || headers === null) return false;
  if (headers.values instanceof Headers && headers.nulls instanceof Set)
    return headers.values.has(name) || headers.nulls.has(name);
  // Only names are read: a getter may return another value each time.
  const names =
    typeof headers[Symbol.iterator] === 'function' ? [...headers].map(([own]) => own) : Object.keys(headers);
  return names.some((own) => String(own).toLowerCase() === name);
}

/**
 * `options.headers` as pairs, in the order and with the meaning of the SDK's own `buildHeaders`: `null` removes a header,
 * `undefined` is ignored.
 * @param {unknown} headers
 * @returns {[string, string | null][] | undefined}
 */
function readHeaders(headers) {
  if (headers === undefined || headers === null) return undefined;
  if (typeof headers !== 'object') refuse('options.headers', 'an object, an array of pairs or a Headers', headers);
  const own = /** @type {any} */ (headers);
  // The SDK's own form of headers that may remove some: `{ values: Headers, nulls: Set }`.
  if (own.values instanceof Headers && own.nulls instanceof Set) {
    return [...own.values.entries(), ...[...own.nulls].map((name) => /** @type {[string, null]} */ ([name, null]))];
  }
  const isList = typeof own[Symbol.iterator] === 'function';
  const rows = isList ? [...own] : Object.entries(own);
  /** @type {[string, string | null][]} */
  let list = [];
  for (const row of rows) {
    const name = row?.[0];
    if (typeof name !== 'string') refuse('options.headers', 'made of names that are strings', name);
    const values = (Array.isArray(row[1]) ? row[1] : [row[1]]).filter((value) => value !== undefined);
    // In an object, a later name replaces the same name in another case; pairs and a `Headers` append.
    if (!isList && values.length > 0) list = list.filter(([earlier]) => !isSameName(earlier, name));
    for (const value of values) list.push([wellFormed(name), value === null ? null : wellFormed(String(value))]);
  }
  return list.length > 0 ? list : undefined;
}

/** Whether two header names are the same but for case. @param {string} one @param {string} other */
function isSameName(one, other) {
  return one.length === other.length && one.toLowerCase() === other.toLowerCase();
}

module.exports = { hasDefaultHeader, readHeaders };
