'use strict';
/** Calls `onFallback`, and publishes calls on the diagnostics channels. */

const diagnostics = require('node:diagnostics_channel');

const fallbackChannel = diagnostics.channel('openpipe:fallback');
const callChannel = diagnostics.channel('openpipe:call');

/** Whether a channel of calls has a subscriber. */
function areWatching() {
  return fallbackChannel.hasSubscribers || callChannel.hasSubscribers;
}

/** Whether the channel of finished calls has a subscriber. */
function isCallWatched() {
  return callChannel.hasSubscribers;
}

/**
 * Reports that a call moves on to another target. An error of the callback is a warning and has no effect on the call.
 * @param {{ from: any, to: any }} event @param {((event: any) => unknown) | undefined} onFallback
 * @param {(message: string) => void} warn
 */
function movedOn(event, onFallback, warn) {
  if (fallbackChannel.hasSubscribers) fallbackChannel.publish(event);
  if (!onFallback) return;
  try {
    const returned = onFallback(event);
    Promise.resolve(returned).catch((error) => warn(`openpipe.onFallback rejected: ${messageOf(error)}`));
  } catch (error) {
    warn(`openpipe.onFallback threw: ${messageOf(error)}`);
  }
}

/**
 * Reports that a call is over.
 * @param {{ model: string, servedBy: string, attempts: object[], durationMs: number }} meta @param {any} usage
 */
function publishCall({ model, servedBy, attempts, durationMs }, usage) {
  callChannel.publish({ model, servedBy, attempts, durationMs, ...(usage ? { usage } : {}) });
}

/** The message of a thrown value. Never throws, whatever the value is. @param {unknown} error */
function messageOf(error) {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'a value that cannot be converted to text';
  }
}

module.exports = { areWatching, isCallWatched, messageOf, movedOn, publishCall };
