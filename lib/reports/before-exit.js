'use strict';
/** Calls functions when the process has nothing else to do, by one `beforeExit` listener for all copies of this module. */

/** The global registry by which the copies of this module find each other: test runners load it again for each file. */
const FUNCTIONS = Symbol.for('openpipe-native.lingerers');

/** Has a function called before the process ends. @param {() => void} linger */
function beforeExit(linger) {
  const shared = /** @type {any} */ (process);
  if (!shared[FUNCTIONS]) {
    /** @type {Set<() => void>} */
    const all = new Set();
    Object.defineProperty(shared, FUNCTIONS, { value: all });
    process.on('beforeExit', () => all.forEach((each) => each()));
  }
  shared[FUNCTIONS].add(linger);
}

module.exports = { beforeExit };
