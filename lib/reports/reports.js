'use strict';
/** The JavaScript side of reports: `flush()`, `reportingFinished`, and the wait for reports before the process ends. */

const native = require('../native/native.js');
const { warn } = require('../native/warnings.js');
const apiRequests = require('./api-request.js');
const { beforeExit } = require('./before-exit.js');
const fetchDelivery = require('./fetch-delivery.js');
const sinks = require('./sinks.js');

/** How long a process that has nothing else to do stays alive for its reports, in milliseconds. */
const LINGER_TIME = 5000;
/** The default timeout of `flush()`, in milliseconds. */
const FLUSH_TIME = 10_000;
/** The largest unsigned 32-bit number. */
const LONGEST_FLUSH = 0xffff_ffff;
/** @typedef {{ delivered: number, dropped: number, pending: number }} Counts */

/** The calls of `flush` that wait for their counts. @type {Map<number, (counts: Counts) => void>} */
const flushes = new Map();
let nextFlush = 0;
/** The client whose logger gets the warnings of reports: the one that was made last. @type {WeakRef<object> | undefined} */
let client;

const receiver = {
  /** @param {unknown} error */
  fail(error) {
    warn(client?.deref(), `reports: ${String(error)}`);
  },

  /** @param {any[]} message @param {string} text */
  onMessage(message, text) {
    handlers[message[1]]?.(message, text);
  },
};

/** The handler of each message (src/protocol.rs), by its name. @type {Record<string, (message: any[], text: string) => void>} */
const handlers = {
  flushed: ([, , flush, { delivered, dropped, pending }]) => {
    const resolve = flushes.get(flush);
    flushes.delete(flush);
    resolve?.({ delivered, dropped, pending });
  },
  response: ([, , request, head, failure], text) => apiRequests.respond(request, { head, failure, text }),
  warning: ([, , message]) => warn(client?.deref(), message),
  deliver: ([, , ask, to], text) => void fetchDelivery.deliver(ask, to, text),
  redact: ([, , ask, number], text) => sinks.answer(ask, number, text),
  report: (_message, text) => sinks.publish(text),
  drop: ([, , ask]) => fetchDelivery.drop(ask),
};

let started = false;

/** Starts handling the core's messages about reports. @param {object} [logging] The client whose logger gets warnings. */
function start(logging) {
  if (logging) client = new WeakRef(logging);
  if (started) return;
  started = true;
  native.register(native.REPORTS, receiver);
  beforeExit(linger);
}

/** The process has waited, or is waiting, for its reports; false again after a wait that left none pending. */
let hasLingered = false;

/** Keeps a process that has nothing else to do alive for its reports, once; and once more for reports that come after a complete wait. */
async function linger() {
  if (hasLingered || native.pendingReports() === 0) return;
  hasLingered = true;
  // The time for which pending deliveries have kept the process alive already is part of the wait.
  const { pending } = await flush(undefined, Math.max(0, LINGER_TIME - fetchDelivery.busyTime()));
  hasLingered = pending > 0;
  if (hasLingered) fetchDelivery.end();
}

/** The promises of `whenReported`, by the call's number. @type {Map<number, Promise<void>>} */
const waits = new Map();

/**
 * Settles when the reports of a call are delivered or dropped, or after the core's timeout for this wait.
 * @param {number} call
 * @returns {Promise<void>}
 */
function whenReported(call) {
  const waiting = waits.get(call);
  if (waiting) return waiting;
  fetchDelivery.resume();
  const reported = new Promise((/** @type {(value: void) => void} */ resolve) => {
    native.holdProcess();
    native.watchReports(call, () => {
      native.releaseProcess();
      waits.delete(call);
      resolve();
    });
  });
  waits.set(call, reported);
  return reported;
}

/**
 * Delivers the queued reports of a family (a client and those made from it), or of all clients.
 * @param {import('../native/native.js').Family | undefined} family
 * @param {number} [milliseconds] How long it waits at most; reports that are pending then are still delivered later.
 * @returns {Promise<Counts>} The outcomes of the reports since the family's last flush; without a family, of all reports so far.
 */
function flush(family, milliseconds = FLUSH_TIME) {
  fetchDelivery.resume();
  return new Promise((resolve) => {
    const number = nextFlush++;
    native.holdProcess();
    flushes.set(number, (counts) => {
      native.releaseProcess();
      resolve(counts);
    });
    native.flush(family, number, Math.min(milliseconds, LONGEST_FLUSH));
  });
}

module.exports = { flush, handlers, start, whenReported };
