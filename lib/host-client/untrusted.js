'use strict';
/** Reads values of code that is not ours: a getter, a proxy or a `toJSON` that throws must not throw here. */

/** @template T @param {() => T} get @returns {T | undefined} */
function read(get) {
  try {
    return get();
  } catch {
    return undefined;
  }
}

/**
 * A string without lone surrogates, which Rust cannot read; `undefined` where the value is not a string.
 * @param {unknown} value
 */
function wellFormed(value) {
  return typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : undefined;
}

/**
 * A value as JSON; `null` where JSON does not know such a thing. What cannot be written, because it is circular or holds a
 * BigInt, is passed as a text that is not JSON, which the core refuses.
 * @param {unknown} value
 */
function jsonOf(value) {
  try {
    return JSON.stringify(value) ?? null;
  } catch (error) {
    return read(() => String(error)) ?? 'unreadable';
  }
}

module.exports = { jsonOf, read, wellFormed };
