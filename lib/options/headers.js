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
  /** @type {Map<string | number, [string, string | null][]>} */
  const kept = new Map();
  for (const [index, row] of (isList ? [...own] : Object.entries(own)).entries()) {
    const name = row?.[0];
    if (typeof name !== 'string') refuse('options.headers', 'made of names that are strings', name);
    const values = (Array.isArray(row[1]) ? row[1] : [row[1]]).filter((value) => value !== undefined);
    if (values.length === 0) continue;
    // In an object, a later name replaces the same name in another case; pairs and a `Headers` append.
    const key = isList ? index : name.toLowerCase();
    kept.delete(key);
    kept.set(
      key,
      values.map((value) => [wellFormed(name), value === null ? null : wellFormed(String(value))]),
    );
  }
  return kept.size > 0 ? [...kept.values()].flat() : undefined;
}

module.exports = { hasDefaultHeader, readHeaders };
