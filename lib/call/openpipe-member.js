'use strict';
/** The member `openpipe` of completions, streams and errors: attempts, upstream, model and duration of the call. */

const { inspect } = require('node:util');

const { whenReported } = require('../reports/reports.js');

/**
 * How a call with an answer went, as the core reports it (crates/core/src/call/events.rs).
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

/** Reads it when it is first needed: most callers never look. @param {string} text JSON of a {@link Meta} @returns {() => Meta} */
function readOnce(text) {
  /** @type {Meta | undefined} */
  let meta;
  return () => (meta ??= /** @type {Meta} */ (JSON.parse(text)));
}

/** The key under which an object keeps the function that makes its `openpipe`. */
const maker = Symbol('openpipe-native.maker');

/**
 * One accessor for all objects: a function of its own would give each object a hidden class of its own, which costs more than the
 * rest of a completion.
 * @type {PropertyDescriptor & ThisType<any>}
 */
const openpipeAccessor = {
  configurable: true,
  enumerable: false,
  get() {
    const made = this[maker]?.();
    // Not where the object has been frozen or sealed since.
    Reflect.defineProperty(this, 'openpipe', { value: made, configurable: true, enumerable: false, writable: true });
    return made;
  },
  set(value) {
    Object.defineProperty(this, 'openpipe', { value, configurable: true, enumerable: false, writable: true });
  },
};

/**
 * Puts `openpipe` on what the caller gets: not enumerable, so that logs and snapshots stay what the API sent; made when it
 * is first looked at; left out where the object does not take it.
 * @param {object} value
 * @param {() => object} make
 */
function defineOpenpipe(value, make) {
  try {
    if (!Object.isExtensible(value)) return;
    Object.defineProperty(value, maker, { value: make, enumerable: false, configurable: true, writable: true });
    Object.defineProperty(value, 'openpipe', openpipeAccessor);
  } catch {
    // An object that does not take it is handed on as it is.
  }
}

/**
 * What `openpipe` says of a call; of a stream as it is at the moment of looking.
 * @param {number} call
 * @param {() => Meta} meta
 * @param {unknown[]} [errors] Of a call that failed: every target's error.
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
  // One alias leads to the whole call: it does not change while a stream runs.
  const { alias } = meta();
  if (alias !== undefined) Object.assign(member, { alias });
  // What is printed are values, not accessors; a promise has none.
  const shown = () => ({ ...member, reportingFinished: undefined });
  Object.defineProperty(member, 'toJSON', { value: shown, enumerable: false });
  Object.defineProperty(member, inspect.custom, { value: () => ({ ...member }), enumerable: false });
  return member;
}

module.exports = { defineOpenpipe, openpipeOf, readOnce };
