'use strict';
/**
 * The messages from Rust (src/protocol.rs): how many texts each brings along. A test there compares this table with the
 * messages, one in `__test__/process/deliveries.test.mjs` with those that handle them.
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

/** The number under which everything about reports comes, and what is of no call (src/post.rs). */
const REPORTS = 0xffff_ffff;

module.exports = { REPORTS, TEXTS };
