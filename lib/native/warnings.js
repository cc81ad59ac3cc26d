'use strict';
/** Writes warnings to the client's logger, each once. */

/** The SDK's levels of logging. @type {Record<string, number>} */
const LEVELS = { off: 0, error: 200, warn: 300, info: 400, debug: 500 };
const WARN = 300;
/** How many warnings are remembered, each by its hash: a warning may quote outside text that differs each time. */
const MAX_REMEMBERED = 1024;

/** The warnings of one client and those made from it. */
class Warnings {
  /** The hashes of the warnings, the oldest first. @type {Set<number>} */
  #seen = new Set();

  /**
   * @param {any} client The client, for its `logger` and `logLevel`.
   * @param {string} message
   */
  warnOnce(client, message) {
    const hash = hashOf(message);
    if (this.#seen.has(hash)) return;
    if (this.#seen.size >= MAX_REMEMBERED) {
      const [oldest] = this.#seen;
      this.#seen.delete(/** @type {number} */ (oldest));
    }
    this.#seen.add(hash);
    warn(client, message);
  }
}

/** A hash of 53 bits (cyrb53), so that two messages are very unlikely to share one. @param {string} text */
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
