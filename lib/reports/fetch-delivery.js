'use strict';
/**
 * Delivers reports through JavaScript's `fetch`. A pending `fetch` keeps the process alive and cannot be detached from it, so an endpoint
 * that does not answer must not be called again and again while the process wants to end.
 */

// Not the global timers: a test's fake ones must neither stop reports nor speed them up.
const { after, now } = require('../native/clock.js');
const native = require('../native/native.js');
const transports = require('./transports.js');

/** How long one delivery may take, in milliseconds. */
const TIMEOUT = 5000;
/** The pause before the next delivery to an endpoint that did not answer: this many timers of this many milliseconds each. */
const PAUSE = { turns: 10, milliseconds: 50 };
/** How many endpoints that did not answer are remembered. */
const MAX_HANGING = 1000;
/** Deliveries that ended within this time count as going on until now, in milliseconds. */
const RECENT = 1000;
/** How many redirects a report follows, within its origin. */
const MAX_REDIRECTS = 5;

/** @typedef {{ url: string, headers: [string, string][], transport: number }} Destination */

/** The deliveries that are pending, by the core's number for each. @type {Map<number, AbortController>} */
const deliveries = new Map();
/** The process is ending: new deliveries are aborted at once. */
let isEnding = false;
/** The time in which deliveries kept the process alive without a gap. */
const busy = { from: 0, to: -Infinity };
/** How many deliveries are pending, by endpoint. @type {Map<string, number>} */
const pending = new Map();
/** The endpoints whose last delivery timed out. @type {Set<string>} */
const hanging = new Set();

/** Delivers a report and passes the response to the core. @param {number} ask @param {Destination} to @param {string} body */
async function deliver(ask, to, body) {
  const controller = new AbortController();
  deliveries.set(ask, controller);
  await pauseFor(to.url);
  if (isEnding) controller.abort();
  if (pending.size === 0) busy.from = now();
  count(to.url, 1);
  const cancel = after(TIMEOUT, () => {
    if (hanging.size >= MAX_HANGING) hanging.clear();
    hanging.add(to.url);
    controller.abort();
  });
  let answer;
  try {
    const { signal } = controller;
    // A caller's own `fetch` may ignore the signal.
    const response = await Promise.race([send(to, body, signal), whenAborted(signal)]);
    hanging.delete(to.url);
    answer = { response: { status: response.status, headers: [...response.headers] } };
  } catch {
    // Any error means that there is no response, which is a connection failure to the core.
    answer = { error: { names: ['FetchError'], message: 'fetch failed', ticket: 0 } };
  }
  cancel();
  deliveries.delete(ask);
  count(to.url, -1);
  busy.to = now();
  native.answer(native.REPORTS, ask, answer);
}

/** Aborts a delivery that the core no longer wants. @param {number} ask */
function drop(ask) {
  const controller = deliveries.get(ask);
  deliveries.delete(ask);
  controller?.abort();
}

/** Aborts all deliveries, so that the process can end. */
function end() {
  isEnding = true;
  for (const controller of deliveries.values()) controller.abort();
}

/** Allows deliveries again after `end`. */
function resume() {
  isEnding = false;
}

/** How long deliveries have kept the process alive until now, in milliseconds. */
function busyTime() {
  return now() - busy.to < RECENT ? busy.to - busy.from : 0;
}

/** @param {string} url @param {number} change */
function count(url, change) {
  const number = (pending.get(url) ?? 0) + change;
  if (number > 0) pending.set(url, number);
  else pending.delete(url);
}

/**
 * Waits before a delivery to an endpoint whose last one timed out: until no such delivery is pending, and some turns of the event loop
 * more, in which `beforeExit` is emitted if the process has nothing else to do. It counts turns and not time, because a busy machine needs
 * long to close the aborted connections. Then one delivery at a time tries, until one is answered. Other endpoints do not wait.
 * @param {string} url
 */
async function pauseFor(url) {
  const isBusy = () => [...hanging].some((each) => pending.has(each));
  for (let turns = 0; hanging.has(url) && turns < PAUSE.turns; turns = isBusy() ? 0 : turns + 1) {
    await new Promise((/** @type {(value?: undefined) => void} */ resolve) => after(PAUSE.milliseconds, resolve));
  }
}

/** Sends a report and follows redirects. @param {Destination} to @param {string} body @param {AbortSignal} signal */
async function send(to, body, signal) {
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

/** The URL to which a 307 or 308 redirects within the origin. @param {Response} response @param {string} url @returns {string | undefined} */
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

module.exports = { busyTime, deliver, drop, end, resume };
