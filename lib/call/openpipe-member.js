'use strict';
/** The member `openpipe` of completions, streams and errors: attempts, upstream, model and duration of the call. */

const { inspect } = require('node:util');

const { whenReported } = require('../reports/reports.js');

/**
 * The record of an answered call, as the core reports it (crates/core/src/call/events.rs).
 * @typedef {object} Meta
 * @property {{ status: number, headers: [string, string][], url: string, redirected?: boolean } | null} head
 * @property {'primary' | 'fallback'} servedBy
 * @property {string} upstream
 * @property {string} [alias]
 * @property {string} model
 * @property {import('../../types.js').Attempt[]} attempts
 * @property {number} durationMs
 * @property {any} [usage]
 */

/** A function that parses the record when it is first called: most callers never read it. @param {string} text JSON of a {@link Meta} @returns {() => Meta} */
function readOnce(text) {
  /** @type {Meta | undefined} */
  let meta;
  return () => (meta ??= /** @type {Meta} */ (JSON.parse(text)));
}

/** The key under which an object keeps the function that makes its `openpipe`. */
const maker = Symbol('openpipe-native.maker');

/**
 * One accessor shared by all objects: an accessor for each object would give each a hidden class of its own in V8, which costs more
 * than the rest of a completion.
 * @type {PropertyDescriptor & ThisType<any>}
 */
const openpipeAccessor = {
  configurable: true,
  enumerable: false,
  get() {
    const made = this[maker]?.();
    // Returns false, and does not throw, where the object has been frozen or sealed.
    Reflect.defineProperty(this, 'openpipe', { value: made, configurable: true, enumerable: false, writable: true });
    return made;
  },
  set(value) {
    Object.defineProperty(this, 'openpipe', { value, configurable: true, enumerable: false, writable: true });
  },
};

/**
 * Defines `openpipe` on an object that the caller gets: not enumerable, so that logs and snapshots show only what the API sent, and
 * made when it is first read. Does nothing where the object cannot be extended.
 * @param {object} value
 * @param {() => object} make
 */
function defineOpenpipe(value, make) {
  try {
    if (!Object.isExtensible(value)) return;
    Object.defineProperty(value, maker, { value: make, enumerable: false, configurable: true, writable: true });
    Object.defineProperty(value, 'openpipe', openpipeAccessor);
  } catch {
    // A proxy that refuses the member is returned as it is.
  }
}

/**
 * The value of `openpipe`. Its members are accessors: those of a running stream give the state at the time they are read.
 * @param {number} call
 * @param {() => Meta} meta
 * @param {unknown[]} [errors] The error of each target, where the call failed.
 */
function openpipeOf(call, meta, errors) {
  const member = {
    get servedBy() {
      return meta().servedBy;
    },
    get upstream() {
      return meta().upstream;
    },
    get model() {
      return meta().model;
    },
    get attempts() {
      return meta().attempts;
    },
    get reportingFinished() {
      return whenReported(call);
    },
    ...(errors ? { errors } : {}),
  };
  // A value and no accessor, as the alias of a call does not change.
  const { alias } = meta();
  if (alias !== undefined) Object.assign(member, { alias });
  // JSON and `console.log` get the accessors' values; the promise is left out of JSON.
  const shown = () => ({ ...member, reportingFinished: undefined });
  Object.defineProperty(member, 'toJSON', { value: shown, enumerable: false });
  Object.defineProperty(member, inspect.custom, { value: () => ({ ...member }), enumerable: false });
  return member;
}

module.exports = { defineOpenpipe, openpipeOf, readOnce };
