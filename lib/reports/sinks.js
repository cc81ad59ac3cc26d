'use strict';
/** Redacts reports by the functions of `openpipe.reports`, and publishes them on the diagnostics channel. */

const diagnostics = require('node:diagnostics_channel');

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { warn } = require('../native/warnings.js');

/** A client that is gone may have reports on their way still; in milliseconds. */
const REMEMBERED = 60_000;

const channel = diagnostics.channel('openpipe:report');
let isPublishing = false;

/** @typedef {(report: any) => unknown} Redact */
/** @typedef {{ redact: Redact, client: WeakRef<object>, clients: number, hasWarned: boolean }} Redactor */

/** @type {Map<number, Redactor>} */
const redactors = new Map();
/** @type {WeakMap<Redact, number>} */
const numbers = new WeakMap();
let nextNumber = 0;
/** A function is let go some time after the last client that has it. @type {FinalizationRegistry<number>} */
const clients = new FinalizationRegistry((number) => {
  clock.after(REMEMBERED, () => {
    const redactor = redactors.get(number);
    if (redactor && --redactor.clients === 0) redactors.delete(number);
  });
});

/** The number by which Rust knows a function of a client. @param {object} client @param {Redact} redact */
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
 * The sinks of a client as the core reads them.
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
    // The error may quote the report, so that its message is not shown.
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

/** Answers the core, which has a report to redact. @param {number} ask @param {number} number @param {string} text */
function answer(ask, number, text) {
  const made = redacted(number, text);
  if (made === undefined)
    native.answer(native.REPORTS, ask, { error: { names: [], message: 'redact failed', ticket: 0 } });
  else native.answer(native.REPORTS, ask, { redacted: {} }, made === null ? [] : [made]);
}

/** Before a call starts: has the core hand over its reports, where somebody listens to the channel. */
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
