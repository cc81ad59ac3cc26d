'use strict';
/**
 * Timers and a clock that fake timers do not replace. A test library replaces `setTimeout`, `Date` and others in the globals and in
 * `node:timers`, often before this package is loaded, so none of them is used here: the timer is a socket's timeout, and the next turn
 * of the event loop is a message on a port.
 */

const { AsyncResource } = require('node:async_hooks');
const { performance } = require('node:perf_hooks');

/** The functions to run in the next turn of the event loop. @type {(() => void)[]} */
let due = [];

/** @type {import('node:worker_threads').MessageChannel | undefined} */
let opened;
/** The async context of the import: a channel opened in the context of the first call would keep that context forever. */
const context = new AsyncResource('OPENPIPE_CLOCK');

/** The channel, opened at its first use so that the `import` is faster. */
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
  // A port with a listener would keep the process alive.
  made.port2.unref();
  return made;
}

/**
 * One of Node's own modules, loaded when it is needed. Not by `require` where there is another way: Jest reports an error where that is
 * called after the end of a test, and a finalizer may do so.
 * @param {'node:net' | 'node:worker_threads'} name
 * @returns {any}
 */
function builtin(name) {
  return process.getBuiltinModule ? process.getBuiltinModule(name) : require(name);
}

/** Runs a function in the next turn of the event loop. Does not keep the process alive. @param {() => void} run */
function soon(run) {
  due.push(run);
  if (due.length === 1) channel().port1.postMessage(null);
}

/**
 * Runs a function once, after a delay. Does not keep the process alive.
 * @param {number} milliseconds @param {() => void} run @returns {() => void} Cancels it.
 */
function after(milliseconds, run) {
  const socket = new (builtin('node:net').Socket)();
  // The pending timer keeps the socket from being collected.
  socket.setTimeout(milliseconds, () => {
    socket.setTimeout(0);
    run();
  });
  return () => void socket.setTimeout(0);
}

/** Keeps the process alive, or lets it end: the event loop waits for the port's handle while that is referenced. @param {boolean} on */
function hold(on) {
  const { port2 } = channel();
  if (on) port2.ref();
  else port2.unref();
}

const now = performance.now.bind(performance);
const { timeOrigin } = performance;

/** Unix time in whole milliseconds; not affected by fake timers. */
function unixTime() {
  return Math.round(timeOrigin + now());
}

module.exports = { after, hold, now, soon, unixTime };
