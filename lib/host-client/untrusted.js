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

/** A text with U+FFFD for each lone surrogate, as Rust cannot read those. @param {string} text @returns {string} */
function wellFormed(text) {
  return /** @type {any} */ (text).toWellFormed();
}

/** A value as well-formed text; `undefined` where it is not a string. @param {unknown} value */
function textOf(value) {
  return typeof value === 'string' ? wellFormed(value) : undefined;
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

module.exports = { jsonOf, read, textOf, wellFormed };
