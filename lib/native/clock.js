'use strict';
/**
 * Timers and clocks that no test reaches. A test's clock takes the place of `setTimeout`, `Date` and their kin in the globals and in
 * `node:timers`, often before this package is loaded, so none of these is used here: a socket's timeout and a message port are
 * Node's own.
 */

const { AsyncResource } = require('node:async_hooks');
const { performance } = require('node:perf_hooks');

/** What is to run in the next turn of the event loop. @type {(() => void)[]} */
let due = [];

/** @type {import('node:worker_threads').MessageChannel | undefined} */
let opened;
/** The channel is opened in the context of the import, not in that of the first call, which it would keep for ever. */
const context = new AsyncResource('OPENPIPE_CLOCK');

/** Opened at the first use, so that an `import` does not pay for it. */
function channel() {
  return (opened ??= context.runInAsyncScope(open));
}

/** @returns {import('node:worker_threads').MessageChannel} */
function open() {
  const made = new (builtin('node:worker_threads').MessageChannel)();
  made.port2.on('message', () => {
    const now = due;
    due = [];
    for (const run of now) run();
  });
  // A listener holds the process, which this one is not to do.
  made.port2.unref();
  return made;
}

/**
 * A module of Node's own that is loaded only when it is needed. Jest reports an error where `require` is called after a test's
 * end, as a finalizer may do.
 * @param {'node:net' | 'node:worker_threads'} name
 * @returns {any}
 */
function builtin(name) {
  return process.getBuiltinModule ? process.getBuiltinModule(name) : require(name);
}

/** Runs it when all that is ready by now has run. Does not hold the process. @param {() => void} run */
function soon(run) {
  due.push(run);
  if (due.length === 1) channel().port1.postMessage(null);
}

/**
 * Runs a function once, after a delay. Does not keep the process alive.
 * @param {number} milliseconds @param {() => void} run @returns {() => void} Takes it back.
 */
function after(milliseconds, run) {
  const socket = new (builtin('node:net').Socket)();
  // Until then the timer holds the socket.
  socket.setTimeout(milliseconds, () => {
    socket.setTimeout(0);
    run();
  });
  return () => void socket.setTimeout(0);
}

/** Keeps the process alive, or lets it end: the port's handle is one that the event loop waits for. @param {boolean} on */
function hold(on) {
  const { port2 } = channel();
  if (on) port2.ref();
  else port2.unref();
}

const now = performance.now.bind(performance);
const { timeOrigin } = performance;

/** Unix time in whole milliseconds, also where a test has set another date. */
function unixTime() {
  return Math.round(timeOrigin + now());
}

module.exports = { after, hold, now, soon, unixTime };
