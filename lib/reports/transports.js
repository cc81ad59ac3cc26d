'use strict';
/** The `fetch` by which a client's reports are sent where they go through JavaScript: that of its constructor. */

/** The number of the global `fetch`, as it is when a report is sent. */
const GLOBAL = 0;
/** A client that is gone may have reports on their way still; in milliseconds. */
const REMEMBERED = 60_000;

const clock = require('../native/clock.js');

/** @typedef {{ fetch: typeof fetch | undefined, fetchOptions: object | undefined }} Transport */

/** By number. @type {Map<number, Transport>} */
const transports = new Map();
/** Those of the clients that are made from one another. @type {WeakMap<object, { number: number, transport: Transport }[]>} */
const numbers = new WeakMap();
let lastNumber = GLOBAL;

/** @type {FinalizationRegistry<number[]>} */
const families = new FinalizationRegistry((all) => {
  clock.after(REMEMBERED, () => all.forEach((number) => transports.delete(number)));
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
  // Held by nothing but the registry, which must not hold the family.
  families.register(family, [number]);
  return number;
}

/** Sends by the transport of a number. @param {number} number @param {string} url @param {RequestInit} init @returns {Promise<Response>} */
async function send(number, url, init) {
  const { fetch: own, fetchOptions } = transports.get(number) ?? {};
  return (own ?? globalThis.fetch).call(undefined, url, { ...fetchOptions, ...init });
}

module.exports = { numberOf, send };
