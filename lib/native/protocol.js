'use strict';
/**
 * The names of the core's messages (src/protocol.rs), with the number of texts that each has beside it. Tests compare this table with the
 * enum in src/protocol.rs and with the handlers in JavaScript (`__test__/process/deliveries.test.mjs`).
 */

/** @type {Readonly<Record<string, number>>} */
const TEXTS = Object.freeze({
  refused: 0,
  warning: 0,
  fallback: 0,
  completion: 2,
  stream: 1,
  events: 0,
  wire: 1,
  kept: 0,
  end: 0,
  failure: 0,
  ask: 1,
  fetch: 1,
  headers: 0,
  pull: 0,
  judge: 1,
  drop: 0,
  reported: 0,
  flushed: 0,
  deliver: 1,
  redact: 1,
  report: 1,
  response: 1,
});

/** The number in place of a call's in messages about reports, and in all others that are not about a call (src/post.rs). */
const REPORTS = 0xffff_ffff;

module.exports = { REPORTS, TEXTS };
