'use strict';
/**
 * Loads the addon and opens this environment's mailbox, which receives all messages from Rust.
 */

const { AsyncResource } = require('node:async_hooks');

const clock = require('./clock.js');
const { hasTransportChanged, transportSettings } = require('./environment.js');
const { loadBinding } = require('./load-binding.js');
const { messagesOf } = require('./messages.js');
const { Numbered } = require('./numbered.js');
const { REPORTS, TEXTS } = require('./protocol.js');

const binding = loadBinding();

/**
 * Receives the messages of a call. A message is `[call, name, and more]`; some bring texts along.
 * @typedef {{ onMessage(message: any[], text: string, more: string): void, fail(error: unknown): void }} Receiver
 */

/** Called when the reports of a call are settled, by the call's number. @type {Map<number, () => void>} */
const reported = new Map();

const TOO_LONG = 'an answer is longer than a string can be';

/** The calls that wait for messages, by their number. @type {Numbered<Receiver>} */
const receivers = new Numbered();

/** @type {InstanceType<typeof binding.Mailbox> | undefined} */
let mailbox;
/** Deliveries run in the async context that the mailbox was opened in, not in that of the first call. */
const context = new AsyncResource('OPENPIPE_MAILBOX');

/**
 * Dispatches the messages of a delivery. Must not throw into Node.js: an error fails its own call, and the others still get their
 * messages.
 * @param {(string | null)[]} delivery
 */
function deliver(delivery) {
  let next = 1;
  for (const message of messagesOf(delivery[0] ?? '[]', (call, error) => failCall(receivers.get(call), error))) {
    // The texts of a call that is over are skipped as well.
    const first = next;
    next += TEXTS[message[1]] ?? 0;
    const receiver = receivers.get(message[0]);
    try {
      // A text that could not be made.
      if (next > first && (delivery[first] === null || delivery[next - 1] === null)) throw new RangeError(TOO_LONG);
      if (message[1] === 'reported') reported.get(message[0])?.();
      else
        receiver?.onMessage(
          message,
          /** @type {string} */ (delivery[first]),
          /** @type {string} */ (delivery[first + 1]),
        );
    } catch (error) {
      // Code of the user's may be in between (a subclass's `makeStatusError`): the call fails with what it threw.
      failCall(receiver, error);
    }
  }
}

/** Fails a call, whatever that meets in turn. @param {Receiver | undefined} receiver @param {unknown} error */
function failCall(receiver, error) {
  try {
    receiver?.fail(error);
  } catch {
    // The call is rejected by then, or cannot be.
  }
}

/** @returns {InstanceType<typeof binding.Mailbox>} */
function openMailbox() {
  if (mailbox === undefined) {
    mailbox = context.runInAsyncScope(
      () => new binding.Mailbox(deliver, JSON.stringify(transportSettings(process.env))),
    );
    turn();
  }
  return mailbox;
}

/** Where no thread is to be had for the calls (`RLIMIT_NPROC`), they take turns with JavaScript on this one. */
const TURN_EVERY_MS = 5;

/** Lets the calls go on where they have no thread, until they have one. Does not hold the process: the calls do. */
function turn() {
  if (mailbox?.turn()) clock.after(TURN_EVERY_MS, turn);
}

/** Adopts the settings of the environment as they stand now: they may change at any time. */
function followEnvironment() {
  if (hasTransportChanged() && mailbox !== undefined)
    mailbox.setTransport(JSON.stringify(transportSettings(process.env)));
}

/** @typedef {InstanceType<typeof binding.ClientFamily>} Family */

/** What a client has in common with those that are made from it by `withOptions`. @returns {Family} */
function newFamily() {
  return new binding.ClientFamily();
}

/** A `TypeError` of an option that the addon refused; any other error as it is. @param {any} error */
function refusalOf(error) {
  return error?.code === 'InvalidArg' ? new TypeError(error.message) : error;
}

/**
 * Makes the native side of a client. What it throws is for {@link refusalOf}.
 * @param {string} config JSON @param {Family} [family]
 */
function nativeCompletions(config, family = newFamily()) {
  const { completions } = new binding.OpenAI(openMailbox(), family, config).chat;
  return {
    /** @param {string} body @param {string | null} [options] */
    create(body, options) {
      followEnvironment();
      return completions.create(body, options);
    },
    /** Where a response lives, as JSON. @param {string} id @param {string[]} others Identities of other custom clients. */
    home: (id, others) => completions.home(id, others),
  };
}

/** What rewrites an event stream for an SDK that reads it. */
function newEventRewriter() {
  return new binding.EventRewriter();
}

/** @param {number} call @param {Receiver} receiver */
function register(call, receiver) {
  receivers.set(call, receiver);
}

/** @param {number} call */
function unregister(call) {
  receivers.delete(call);
}

/** Cancels a call in Rust and closes its connection. Returns its record as JSON. @param {number} call */
function cancel(call) {
  receivers.delete(call);
  return mailbox?.cancel(call);
}

/** Opens a stream's window by the bytes that its reader consumed. @param {number} call @param {number} bytes */
function consumed(call, bytes) {
  mailbox?.consumed(call, bytes);
}

/**
 * Answers a question of Rust's (src/protocol.rs, `Answer`).
 * @param {number} call @param {number} ask @param {unknown} answer
 * @param {string[]} [texts] What may be long: it is no part of the answer's JSON.
 */
function answer(call, ask, answer, texts = []) {
  mailbox?.answer(call, ask, JSON.stringify(answer), texts);
}

/** Calls `settled` when the reports of a call are settled. @param {number} call @param {() => void} settled */
function watchReports(call, settled) {
  reported.set(call, () => {
    reported.delete(call);
    settled();
  });
  openMailbox().watchReports(call);
}

/** Whether the reports of calls that start from now on come as messages `report`. @param {boolean} on */
function publishReports(on) {
  openMailbox().publishReports(on);
}

/** The number of reports that are not settled yet. */
function pendingReports() {
  return mailbox?.pendingReports() ?? 0;
}

/**
 * Delivers the reports of a family, or of all; a `flushed` with this number brings their outcomes.
 * @param {Family | undefined} family @param {number} flush @param {number} milliseconds
 */
function flush(family, flush, milliseconds) {
  openMailbox().flush(family, flush, milliseconds);
}

/**
 * Sends a request of OpenPipe's API; its number comes back with the `response`.
 * @param {string} method @param {string} url @param {string} key @param {[string, string][]} headers @param {string} body @param {number} milliseconds
 */
function request(method, url, key, headers, body, milliseconds) {
  followEnvironment();
  return openMailbox().request(method, url, key, JSON.stringify(headers), body, milliseconds);
}

/** How many operations keep the process alive. */
let waiting = 0;

/** Keeps the process alive until `releaseProcess` has been called as often. */
function holdProcess() {
  waiting += 1;
  // The mailbox is weak, so that an idle client lets the process end.
  if (waiting === 1) clock.hold(true);
}

/** To be called once for each `holdProcess`. */
function releaseProcess() {
  waiting -= 1;
  if (waiting === 0) clock.hold(false);
}

module.exports = {
  newFamily,
  nativeCompletions,
  refusalOf,
  newEventRewriter,
  upstreamVariables: binding.upstreamVariables,
  readClientOptions: binding.readClientOptions,
  isCredential: binding.isCredential,
  isHeaderRefusal: binding.isHeaderRefusal,
  isTransient: binding.isTransient,
  redact: binding.redact,
  version: binding.version,
  register,
  unregister,
  cancel,
  consumed,
  answer,
  REPORTS,
  watchReports,
  pendingReports,
  publishReports,
  flush,
  request,
  holdProcess,
  releaseProcess,
};
