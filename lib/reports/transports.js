'use strict';
/** Numbers each `fetch` that a constructor was given, for the reports of clients whose requests go through JavaScript's `fetch`. */

/** The number of the global `fetch`, which is looked up when a report is sent. */
const GLOBAL = 0;
/** How long a transport is kept after its clients were collected, in milliseconds: their reports may still be pending. */
const KEPT_FOR = 60_000;

const clock = require('../native/clock.js');

/** @typedef {{ fetch: typeof fetch | undefined, fetchOptions: object | undefined }} Transport */

/** The transports by number. @type {Map<number, Transport>} */
const transports = new Map();
/** The transports of each family of clients. @type {WeakMap<object, { number: number, transport: Transport }[]>} */
const numbers = new WeakMap();
let lastNumber = GLOBAL;

/** @type {FinalizationRegistry<number[]>} */
const families = new FinalizationRegistry((all) => {
  clock.after(KEPT_FOR, () => all.forEach((number) => transports.delete(number)));
});

/** The number of a client's transport. @param {object} family @param {Transport} transport */
function numberOf(family, transport) {
  const { fetch, fetchOptions } = transport;
  if (!fetch && !fetchOptions) return GLOBAL;
  let known = numbers.get(family);
  if (!known) numbers.set(family, (known = []));
  const same = known.find((each) => each.transport.fetch === fetch && each.transport.fetchOptions === fetchOptions);
  if (same) return same.number;
  const number = ++lastNumber;
  known.push({ number, transport });
  transports.set(number, transport);
  // The registered value must not refer to the family, which could never be collected then.
  families.register(family, [number]);
  return number;
}

/** Sends a request by a numbered transport. @param {number} number @param {string} url @param {RequestInit} init @returns {Promise<Response>} */
async function send(number, url, init) {
  const { fetch: own, fetchOptions } = transports.get(number) ?? {};
  return (own ?? globalThis.fetch).call(undefined, url, { ...fetchOptions, ...init });
}

module.exports = { numberOf, send };
