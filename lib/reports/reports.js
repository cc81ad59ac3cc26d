'use strict';
/** The JavaScript side of reports: `flush()`, `reportingFinished`, the end of the process, and delivery by `fetch`. */

// Fake timers of a test must neither stop reports nor speed them up.
const { after, now } = require('../native/clock.js');
const native = require('../native/native.js');
const { warn } = require('../native/warnings.js');
const sinks = require('./sinks.js');
const transports = require('./transports.js');

/** How long a process that has nothing else to do stays alive for its reports, in milliseconds. */
const PATIENCE = 5000;
/** After a `fetch` without a result the next one waits for this many turns of this many milliseconds each. */
const BREAK = { turns: 10, milliseconds: 50 };
/** So many endpoints that do not answer are remembered. */
const MANY = 1000;
/** What `fetch` has held the process for is part of the wait at its end, if it is not longer ago, in milliseconds. */
const JUST_NOW = 1000;
/** The default timeout of `flush()`, in milliseconds. */
const FLUSH_TIME = 10_000;
/** The largest unsigned 32-bit number. */
const LONGEST_FLUSH = 0xffff_ffff;
/** The largest number of redirects that a report follows, within its origin. */
const MAX_REDIRECTS = 5;

/** @typedef {{ delivered: number, dropped: number, pending: number }} Counts */

/** @type {Map<number, (counts: Counts) => void>} */
const flushes = new Map();
/** @type {Map<number, (answer: { head: any, failure: any, text: string }) => void>} */
const requests = new Map();
/** @type {Map<number, AbortController>} */
const deliveries = new Map();
let nextFlush = 0;
/** The client whose logger gets warnings of reports: the last one that was made. @type {WeakRef<object> | undefined} */
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
  flushed: ([, , flush, { delivered, dropped, pending }]) => take(flushes, flush)?.({ delivered, dropped, pending }),
  response: ([, , request, head, failure], text) => take(requests, request)?.({ head, failure, text }),
  warning: ([, , message]) => warn(client?.deref(), message),
  deliver: ([, , ask, to], text) => void deliver(ask, to, text),
  redact: ([, , ask, number], text) => sinks.answer(ask, number, text),
  report: (_message, text) => sinks.publish(text),
  drop: ([, , ask]) => take(deliveries, ask)?.abort(),
};

/** @template T @param {Map<number, T>} map @param {number} key @returns {T | undefined} */
function take(map, key) {
  const value = map.get(key);
  map.delete(key);
  return value;
}

/** Between what times `fetch` had reports to deliver, without a break; then nothing else may have kept the process alive. */
const held = { from: 0, to: -Infinity };
/** How many of them are under way, by endpoint. @type {Map<string, number>} */
const underWay = new Map();
/** The endpoints whose last delivery took all its time. @type {Set<string>} */
const hanging = new Set();

/** @param {string} url @param {number} change */
function count(url, change) {
  const deliveries = (underWay.get(url) ?? 0) + change;
  if (deliveries > 0) underWay.set(url, deliveries);
  else underWay.delete(url);
}

/**
 * A `fetch` under way keeps the process alive, whatever there is to say against it. So once one has come to nothing, the next
 * to such an endpoint waits until none of these is under way, and some turns of the event loop more, in which a process that has
 * nothing else to do finds its end (see `linger`). Turns, because a busy machine takes its time to close the connections of those
 * that came to nothing. Then one at a time tries, until an answer comes. Other endpoints do not wait for them.
 * @param {string} url
 */
async function afterBreak(url) {
  const isBusy = () => [...hanging].some((each) => underWay.has(each));
  for (let turns = 0; hanging.has(url) && turns < BREAK.turns; turns = isBusy() ? 0 : turns + 1) {
    await new Promise((/** @type {(value?: undefined) => void} */ resolve) => after(BREAK.milliseconds, resolve));
  }
}

/** @typedef {{ url: string, headers: [string, string][], transport: number }} Place */

/** @param {Place} to @param {string} body @param {AbortSignal} signal */
async function delivered(to, body, signal) {
  let { url } = to;
  for (let redirects = 0; ; redirects += 1) {
    // A redirect to another origin is not followed: neither the key nor the report may go there.
    const init = /** @type {const} */ ({ method: 'POST', headers: to.headers, body, signal, redirect: 'manual' });
    const response = await transports.send(to.transport, url, init);
    await response.arrayBuffer();
    const next = redirects < MAX_REDIRECTS ? redirectOf(response, url) : undefined;
    if (next === undefined) return response;
    url = next;
  }
}

/** Where a 307 or 308 leads within the origin. @param {Response} response @param {string} url @returns {string | undefined} */
function redirectOf(response, url) {
  const location = response.headers.get('location');
  if (![307, 308].includes(response.status) || location === null || !URL.canParse(location, url)) return undefined;
  const next = new URL(location, url);
  return next.origin === new URL(url).origin ? next.href : undefined;
}

/** @param {AbortSignal} signal @returns {Promise<never>} */
function whenAborted(signal) {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** Delivers a report through `fetch`, as it is by then. @param {number} ask @param {Place} to @param {string} body */
async function deliver(ask, to, body) {
  const controller = new AbortController();
  deliveries.set(ask, controller);
  await afterBreak(to.url);
  if (isEnding) controller.abort();
  if (underWay.size === 0) held.from = now();
  count(to.url, 1);
  const cancel = after(PATIENCE, () => {
    if (hanging.size >= MANY) hanging.clear();
    hanging.add(to.url);
    controller.abort();
  });
  let answer;
  try {
    const { signal } = controller;
    // One that is not Node's own may not listen to its signal.
    const response = await Promise.race([delivered(to, body, signal), whenAborted(signal)]);
    hanging.delete(to.url);
    answer = { response: { status: response.status, headers: [...response.headers] } };
  } catch {
    // Any error means that there is no response, which is a connection failure to the core.
    answer = { error: { names: ['FetchError'], message: 'fetch failed', ticket: 0 } };
  }
  cancel();
  deliveries.delete(ask);
  count(to.url, -1);
  held.to = now();
  native.answer(native.REPORTS, ask, answer);
}

let started = false;

/** Makes ready for reports. @param {object} [of] A client, for its logger. */
function start(of) {
  if (of) client = new WeakRef(of);
  if (started) return;
  started = true;
  native.register(native.REPORTS, receiver);
  lingerers().add(linger);
}

/** The global registry by which the copies of this module find each other: test runners load it again and again. */
const LINGERERS = Symbol.for('openpipe-native.lingerers');

/** Who lingers before the process ends: each copy of this module, with one listener for them all. @returns {Set<() => void>} */
function lingerers() {
  const shared = /** @type {any} */ (process);
  if (!shared[LINGERERS]) {
    const all = new Set();
    Object.defineProperty(shared, LINGERERS, { value: all });
    process.on('beforeExit', () => all.forEach((each) => each()));
  }
  return shared[LINGERERS];
}

let lingered = false;
/** The process has waited for its reports, and nobody has asked for them since. */
let isEnding = false;

/** The process has nothing else to do: it waits for its reports, once; and again where that left none, and more came. */
async function linger() {
  if (lingered || native.pendingReports() === 0) return;
  lingered = true;
  // What `fetch` has held it for until now is part of the wait.
  const waited = now() - held.to < JUST_NOW ? held.to - held.from : 0;
  const { pending } = await flush(undefined, Math.max(0, PATIENCE - waited));
  lingered = pending > 0;
  if (!lingered) return;
  isEnding = true;
  for (const controller of deliveries.values()) controller.abort();
}

/** Who waits for the reports of a call, by its number. @type {Map<number, Promise<void>>} */
const waits = new Map();

/**
 * Settles when the reports of a call are delivered or given up, or were waited for long enough.
 * @param {number} call
 * @returns {Promise<void>}
 */
function whenReported(call) {
  const waiting = waits.get(call);
  if (waiting) return waiting;
  isEnding = false;
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
 * Delivers what a client and those made from it have queued, or what all have.
 * @param {import('../native/native.js').Family | undefined} family
 * @param {number} [milliseconds] How long it waits; what is pending then is still delivered if it can be.
 * @returns {Promise<Counts>} The outcomes of the reports since the family's last flush; without a family, of all reports so far.
 */
function flush(family, milliseconds = FLUSH_TIME) {
  isEnding = false;
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

/**
 * Sends one request of OpenPipe's API.
 * @param {string} method @param {string} url @param {string} key @param {[string, string][]} headers @param {string} body @param {number} milliseconds
 * @returns {Promise<{ head: any, failure: any, text: string }>}
 */
function request(method, url, key, headers, body, milliseconds) {
  return new Promise((resolve) => {
    const number = native.request(method, url, key, headers, body, milliseconds);
    native.holdProcess();
    requests.set(number, (answer) => {
      native.releaseProcess();
      resolve(answer);
    });
  });
}

module.exports = { handlers, flush, request, start, whenReported };
