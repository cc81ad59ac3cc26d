'use strict';
/**
 * Answers an SDK's own retry with the failure that it retries: otherwise each retry would run the whole chain again (contract.md,
 * section 11).
 */

const { createHash } = require('node:crypto');

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { header } = require('./request.js');

/** How long a failure is kept, in milliseconds. */
const KEPT = 2000;
/** The largest number of failures that are kept, and of their characters in all. */
const MAX_FAILURES = 64;
const MAX_CHARACTERS = 4 * 1024 * 1024;

/** How a failed call was settled. @typedef {{ settle(resolve: (response: Response) => void, reject: (error: unknown) => void): void, size: number }} Settled */

class Repeats {
  /** The failures of the last two seconds, the oldest first. @type {Map<string, Settled & { until: number }>} */ #failures =
    new Map();
  #characters = 0;
  /** A timer that removes old failures is running. */
  #isTimerSet = false;
  #kept;

  /** @param {number} [kept] How long a failure is kept, in milliseconds. */
  constructor(kept = KEPT) {
    this.#kept = kept;
  }

  /** @param {string} key @param {Settled} settled */
  keep(key, settled) {
    this.#delete(key);
    this.#removeOld(clock.now());
    this.#failures.set(key, { ...settled, until: clock.now() + this.#kept });
    this.#characters += settled.size;
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= MAX_FAILURES && this.#characters <= MAX_CHARACTERS) break;
      this.#delete(oldest);
    }
    this.#removeOldLater();
  }

  /** Sets a timer that removes the failures when their time is up. */
  #removeOldLater() {
    if (this.#isTimerSet || this.#failures.size === 0) return;
    this.#isTimerSet = true;
    clock.after(this.#kept, () => {
      this.#isTimerSet = false;
      this.#removeOld(clock.now());
      // For failures that were kept meanwhile.
      this.#removeOldLater();
    });
  }

  /** The failure of a request with this key, if it is recent. @param {string} key @returns {Settled | undefined} */
  find(key) {
    const failure = this.#failures.get(key);
    return failure && failure.until > clock.now() ? failure : undefined;
  }

  /** @param {number} now */
  #removeOld(now) {
    for (const [key, { until }] of this.#failures) if (until <= now) this.#delete(key);
  }

  /** @param {string} key */
  #delete(key) {
    this.#characters -= this.#failures.get(key)?.size ?? 0;
    this.#failures.delete(key);
  }
}

/** Whether the headers say that this is an SDK's retry. @param {[string, string][]} headers */
function isRetry(headers) {
  return Number(header(headers, 'x-stainless-retry-count')) > 0;
}

/** The identity of a request: its URL, credentials and body. @param {string} url @param {[string, string][]} headers @param {string} body */
function keyOf(url, headers, body) {
  // Other headers may differ from one retry to the next.
  const own = headers.filter(([name]) => native.isCredential(name));
  return createHash('sha256')
    .update(JSON.stringify([url, own]))
    .update(body)
    .digest('base64');
}

module.exports = { Repeats, isRetry, keyOf };
