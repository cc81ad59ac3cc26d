'use strict';
/** Checks of arguments that are not passed to the core, and how error messages show a value. */

/** The longest string that a message repeats: a longer one may be a key. */
const MAX_SHOWN = 16;

/** A value as an error message shows it; only the length of a string that may be a key. @param {unknown} value */
function shown(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'string':
      return value.length > MAX_SHOWN ? `a string of ${value.length} characters` : JSON.stringify(value);
    case 'object':
      return 'an object';
    default:
      return `a ${typeof value}`;
  }
}

/** @param {string} option @param {string} takes @param {unknown} got @returns {never} */
function refuse(option, takes, got) {
  throw new TypeError(`\`${option}\` must be ${takes}, got ${shown(got)}`);
}

/** @param {unknown} value @returns {value is Record<string, any>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {string} option @param {unknown} value @returns {number | 'Infinity' | undefined} */
function milliseconds(option, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !(value > 0)) refuse(option, 'a positive number of milliseconds or Infinity', value);
  return value === Infinity ? 'Infinity' : value;
}

/** @param {string} option @param {unknown} value @returns {number | undefined} */
function retries(option, value) {
  if (value === undefined || value === null) return undefined;
  if (!Number.isInteger(value) || /** @type {number} */ (value) < 0) refuse(option, 'a whole number from 0', value);
  return Math.min(/** @type {number} */ (value), 0xffff_ffff);
}

/** @param {string} option @param {unknown} value @returns {((...given: any[]) => any) | undefined} */
function functionOf(option, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'function') refuse(option, 'a function', value);
  return /** @type {any} */ (value);
}

/** The `timeout` of `flush(options)`, in milliseconds. @param {unknown} options @returns {number | undefined} */
function flushTime(options) {
  if (options === undefined || options === null) return undefined;
  if (!isObject(options)) refuse('options', 'an object', options);
  const timeout = milliseconds('options.timeout', /** @type {Record<string, any>} */ (options).timeout);
  return timeout === 'Infinity' ? Infinity : timeout;
}

module.exports = { flushTime, functionOf, isObject, milliseconds, refuse, retries, shown };
