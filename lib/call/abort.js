'use strict';
/**
 * Calls functions when a caller's signal is aborted. All calls that share a signal share one listener: a server often passes one
 * signal to all the calls of a request, and Node.js warns of a leak at the eleventh listener.
 */

/**
 * A waiter. Its function is removed when it no longer waits: V8 may keep the set that it was in for a while (see numbered.js),
 * which must not keep a call in memory.
 * @typedef {{ aborted: (() => void) | undefined }} Waiter
 */
/** @typedef {{ waiting: Set<Waiter>, listener: () => void }} Entry */
/** @type {WeakMap<AbortSignal, Entry>} */
const entries = new WeakMap();

/** Has a waiter's function called once, when the signal is aborted. @param {AbortSignal | undefined} signal @param {Waiter} waiter */
function onAbort(signal, waiter) {
  if (!signal) return;
  let entry = entries.get(signal);
  if (!entry) {
    /** @type {Set<Waiter>} */
    const waiting = new Set();
    const listener = () => {
      entries.delete(signal);
      for (const each of waiting) {
        try {
          each.aborted?.();
        } catch {
          // An error of one waiter must not affect the others, and nothing would catch what a listener throws.
        }
      }
    };
    entry = { waiting, listener };
    entries.set(signal, entry);
    signal.addEventListener('abort', listener, { once: true });
  }
  entry.waiting.add(waiter);
}

/** Removes a waiter; the last one removes the listener too. @param {AbortSignal | undefined} signal @param {Waiter} waiter */
function offAbort(signal, waiter) {
  waiter.aborted = undefined;
  const entry = signal && entries.get(signal);
  if (!entry || !entry.waiting.delete(waiter) || entry.waiting.size > 0) return;
  entries.delete(signal);
  signal.removeEventListener('abort', entry.listener);
}

module.exports = { offAbort, onAbort };
