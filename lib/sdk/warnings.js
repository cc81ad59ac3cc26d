'use strict';
/** Warnings go to the SDK's logger of the client, each once. */

const { LEVELS } = require('./logging.js');

const WARN = 300;
/** Messages already given in this process (contract.md, section 2: "once"). */
/** @type {Set<string>} */
const given = new Set();
/** So that a name which changes with every call does not fill the memory. */
const MAX_REMEMBERED = 1000;

/**
 * @param {any} client The client, for its `logger` and `logLevel`.
 * @param {string} message
 */
function warnOnce(client, message) {
  if (given.has(message) || given.size >= MAX_REMEMBERED) return;
  given.add(message);
  warn(client, message);
}

/** @param {any} client @param {string} message */
function warn(client, message) {
  if ((LEVELS[client?.logLevel ?? 'warn'] ?? WARN) < WARN) return;
  try {
    (client?.logger ?? console).warn(`openpipe-native: ${message}`);
  } catch {
    // A logger that throws must not fail a call, and there is no other place to tell of it.
  }
}

module.exports = { warn, warnOnce };
