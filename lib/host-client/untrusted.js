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
 * A text as Rust can read it: half a surrogate pair is none to it. `undefined` where the value is no text.
 * @param {unknown} value
 */
function wellFormed(value) {
  return typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : undefined;
}

/**
 * A value as JSON; `null` where JSON does not know such a thing. What cannot be written, because it is circular or holds a
 * BigInt, is told as a text that is no JSON: Rust refuses it as such.
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
