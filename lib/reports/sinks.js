'use strict';
/** Redacts reports by the functions of `openpipe.reports`, and publishes them on the diagnostics channel. */

const diagnostics = require('node:diagnostics_channel');

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { warn } = require('../native/warnings.js');

/** How long a function is kept after its last client was collected, in milliseconds: reports of that client may still be pending. */
const KEPT_FOR = 60_000;

const channel = diagnostics.channel('openpipe:report');
let isPublishing = false;

/** @typedef {(report: any) => unknown} Redact */
/** @typedef {{ redact: Redact, client: WeakRef<object>, clients: number, hasWarned: boolean }} Redactor */

/** @type {Map<number, Redactor>} */
const redactors = new Map();
/** @type {WeakMap<Redact, number>} */
const numbers = new WeakMap();
let nextNumber = 0;
/** Removes a function some time after its last client was collected. @type {FinalizationRegistry<number>} */
const clients = new FinalizationRegistry((number) => {
  clock.after(KEPT_FOR, () => {
    const redactor = redactors.get(number);
    if (redactor && --redactor.clients === 0) redactors.delete(number);
  });
});

/** The number by which the core refers to a client's function. @param {object} client @param {Redact} redact */
function numberOf(client, redact) {
  const known = numbers.get(redact);
  const number = known !== undefined && redactors.has(known) ? known : nextNumber++;
  const redactor = redactors.get(number) ?? { redact, client: new WeakRef(client), clients: 0, hasWarned: false };
  redactor.clients += 1;
  numbers.set(redact, number);
  redactors.set(number, redactor);
  clients.register(client, number);
  return number;
}

/**
 * The option `reports` of a client as the core reads it: each function is a number.
 * @param {object} client @param {{ file?: string | undefined, redact?: Redact | undefined }[] | undefined} sinks
 */
function forCore(client, sinks) {
  return sinks?.map(({ file, redact }) => ({ file, redact: redact && numberOf(client, redact) }));
}

/**
 * The redacted report as JSON; `null` where the function withholds it; `undefined` where the function failed.
 * @param {number} number @param {string} text
 */
function redacted(number, text) {
  const redactor = redactors.get(number);
  if (!redactor) return undefined;
  let problem;
  try {
    const made = redactor.redact(JSON.parse(text));
    if (made === null) return null;
    if (isReport(made)) return JSON.stringify(made);
    problem = 'returned neither a report nor null';
  } catch {
    // The error may quote the report, so its message is not shown.
    problem = 'threw';
  }
  if (!redactor.hasWarned) {
    redactor.hasWarned = true;
    warn(redactor.client.deref(), `\`redact\` of \`openpipe.reports\` ${problem}: nothing is sent`);
  }
  return undefined;
}

/** @param {unknown} made */
function isReport(made) {
  const isObject = Object.prototype.toString.call(made) === '[object Object]';
  return isObject && typeof (/** @type {any} */ (made).then) !== 'function' && JSON.stringify(made)?.[0] === '{';
}

/** Answers the core's message with a report to redact. @param {number} ask @param {number} number @param {string} text */
function answer(ask, number, text) {
  const made = redacted(number, text);
  if (made === undefined)
    native.answer(native.REPORTS, ask, { error: { names: [], message: 'redact failed', ticket: 0 } });
  else native.answer(native.REPORTS, ask, { redacted: {} }, made === null ? [] : [made]);
}

/** Called before each call: has the core pass its reports to JavaScript while the channel has a subscriber. */
function prepare() {
  if (channel.hasSubscribers === isPublishing) return;
  isPublishing = channel.hasSubscribers;
  native.publishReports(isPublishing);
}

/** @param {string} text */
function publish(text) {
  if (channel.hasSubscribers) channel.publish(JSON.parse(text));
}

module.exports = { answer, forCore, prepare, publish };
