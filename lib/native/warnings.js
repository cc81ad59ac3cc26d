'use strict';
/** Warnings go to the SDK's logger of the client, each once. */

/** The SDK's levels of logging. @type {Record<string, number>} */
const LEVELS = { off: 0, error: 200, warn: 300, info: 400, debug: 500 };
const WARN = 300;
/** The most warnings that are remembered, each by its hash: texts may come from outside, and differ each time. */
const MAX_REMEMBERED = 1024;

/** The warnings of one client, and of those that are made from it: another's cannot silence them. */
class Warnings {
  /** In the order in which they came. @type {Set<number>} */
  #given = new Set();

  /**
   * @param {any} client The client, for its `logger` and `logLevel`.
   * @param {string} message
   */
  warnOnce(client, message) {
    const hash = hashOf(message);
    if (this.#given.has(hash)) return;
    if (this.#given.size >= MAX_REMEMBERED) {
      const [oldest] = this.#given;
      this.#given.delete(/** @type {number} */ (oldest));
    }
    this.#given.add(hash);
    warn(client, message);
  }
}

/** 53 bits of it, so that two messages hardly ever share one (cyrb53). @param {string} text */
function hashOf(text) {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}

/** @param {any} client @param {string} message */
function warn(client, message) {
  if ((LEVELS[client?.logLevel ?? 'warn'] ?? WARN) < WARN) return;
  try {
    (client?.logger ?? console).warn(`openpipe-native: ${message}`);
  } catch {
    // A logger that throws must not fail a call, and nothing else could report it.
  }
}

module.exports = { LEVELS, Warnings, warn };
