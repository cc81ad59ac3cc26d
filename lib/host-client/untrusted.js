'use strict';
/** Reads values of the caller's code without throwing, where a getter, a proxy or a `toJSON` may throw. */

/** @template T @param {() => T} get @returns {T | undefined} */
function read(get) {
  try {
    return get();
  } catch {
    return undefined;
  }
}

/** A text with U+FFFD for each lone surrogate, which UTF-8 cannot encode. @param {string} text @returns {string} */
function wellFormed(text) {
  return /** @type {any} */ (text).toWellFormed();
}

/** A value as well-formed text; `undefined` where it is not a string. @param {unknown} value */
function textOf(value) {
  return typeof value === 'string' ? wellFormed(value) : undefined;
}

/**
 * A value as JSON; `null` for `undefined` and functions. Where it cannot be written (a cycle, a BigInt) the error's text is returned: it
 * is not JSON, so the core refuses it.
 * @param {unknown} value
 */
function jsonOf(value) {
  try {
    return JSON.stringify(value) ?? null;
  } catch (error) {
    return read(() => String(error)) ?? 'unreadable';
  }
}

/** Values of ours as JSON, with well-formed texts. @param {unknown} value */
function jsonForCore(value) {
  return JSON.stringify(value, (_name, member) => (typeof member === 'string' ? wellFormed(member) : member));
}

module.exports = { jsonForCore, jsonOf, read, textOf, wellFormed };
