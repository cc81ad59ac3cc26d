'use strict';
/**
 * Timers and clocks that no test reaches. A test's clock takes the place of `setTimeout` and its kin in the globals and in
 * `node:timers`, often before this package is loaded, so none of these is used here: a socket's timeout and a message port are
 * Node's own.
 */

const { Socket } = require('node:net');
const { performance } = require('node:perf_hooks');
const { MessageChannel } = require('node:worker_threads');

const { port1, port2 } = new MessageChannel();
/** What is to run in the next turn of the event loop. @type {(() => void)[]} */
let due = [];

port2.on('message', () => {
  const now = due;
  due = [];
  for (const run of now) run();
});
// A listener holds the process, which this one is not to do.
port2.unref();

/** Runs it when all that is ready by now has run. Does not hold the process. @param {() => void} run */
function soon(run) {
  due.push(run);
  if (due.length === 1) port1.postMessage(null);
}

/**
 * Runs it once, after so many milliseconds. Does not hold the process.
 * @param {number} milliseconds @param {() => void} run @returns {() => void} Takes it back.
 */
function after(milliseconds, run) {
  const socket = new Socket();
  // Until then the timer holds the socket.
  socket.setTimeout(milliseconds, () => {
    socket.setTimeout(0);
    run();
  });
  return () => void socket.setTimeout(0);
}

/** Keeps the process alive, or lets it end: the port's handle is one that the event loop waits for. @param {boolean} on */
function hold(on) {
  if (on) port2.ref();
  else port2.unref();
}

module.exports = { after, hold, now: performance.now.bind(performance), soon };
