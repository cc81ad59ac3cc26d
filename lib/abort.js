'use strict';
/**
 * Who waits for the caller's abort. However many calls share a signal, it has one listener of ours: a server hands the same
 * signal to all the calls of a request, and Node.js takes the eleventh listener for a leak.
 */

/** @typedef {{ waiting: Set<() => void>, listener: () => void }} Entry */
/** @type {WeakMap<AbortSignal, Entry>} */
const entries = new WeakMap();

/** Calls `aborted` when the signal is, once. @param {AbortSignal | undefined} signal @param {() => void} aborted */
function onAbort(signal, aborted) {
  if (!signal) return;
  let entry = entries.get(signal);
  if (!entry) {
    const waiting = new Set();
    const listener = () => {
      entries.delete(signal);
      for (const each of waiting) each();
    };
    entry = { waiting, listener };
    entries.set(signal, entry);
    signal.addEventListener('abort', listener, { once: true });
  }
  entry.waiting.add(aborted);
}

/** Takes back what `onAbort` was given; with the last one the listener goes. @param {AbortSignal | undefined} signal @param {() => void} aborted */
function offAbort(signal, aborted) {
  const entry = signal && entries.get(signal);
  if (!entry || !entry.waiting.delete(aborted) || entry.waiting.size > 0) return;
  entries.delete(signal);
  signal.removeEventListener('abort', entry.listener);
}

module.exports = { offAbort, onAbort };
