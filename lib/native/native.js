'use strict';
/**
 * Loads the addon and opens this environment's mailbox, which receives all messages from the core.
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
 * Receives the messages of a call. A message is `[call, name, …]`, and some have one or two long texts beside it (`TEXTS`).
 * @typedef {{ onMessage(message: any[], text: string, more: string): void, fail(error: unknown): void }} Receiver
 */

/** The functions to call when the reports of a call are settled, by the call's number. @type {Map<number, () => void>} */
const reported = new Map();

const TOO_LONG = 'an answer is longer than a string can be';

/** The receivers of open calls, by the call's number. @type {Numbered<Receiver>} */
const receivers = new Numbered();

/** @type {InstanceType<typeof binding.Mailbox> | undefined} */
let mailbox;
/** The async context of deliveries: that of the import, as that of the first call would be kept forever. */
const context = new AsyncResource('OPENPIPE_MAILBOX');

/**
 * Dispatches the messages of a delivery. Must not throw into Node.js: an error fails its own call, and the others still get their
 * messages.
 * @param {(string | null)[]} delivery
 */
function deliver(delivery) {
  let next = 1;
  for (const message of messagesOf(delivery[0] ?? '[]', (call, error) => failCall(receivers.get(call), error))) {
    // Counted for calls that are over as well.
    const first = next;
    next += TEXTS[message[1]] ?? 0;
    const receiver = receivers.get(message[0]);
    try {
      // `null` is a text that is longer than a string can be.
      if (next > first && (delivery[first] === null || delivery[next - 1] === null)) throw new RangeError(TOO_LONG);
      if (message[1] === 'reported') reported.get(message[0])?.();
      else
        receiver?.onMessage(
          message,
          /** @type {string} */ (delivery[first]),
          /** @type {string} */ (delivery[first + 1]),
        );
    } catch (error) {
      // The caller's code may throw (a subclass's `makeStatusError`): the call fails with its error.
      failCall(receiver, error);
    }
  }
}

/** Fails a call; never throws. @param {Receiver | undefined} receiver @param {unknown} error */
function failCall(receiver, error) {
  try {
    receiver?.fail(error);
  } catch {
    // Nothing more can be done for this call, and an error here must not reach Node.js.
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

/** How often calls run on JavaScript's thread where no thread can be started for them (`RLIMIT_NPROC`), in milliseconds. */
const TURN_EVERY_MS = 5;

/** Runs the calls on this thread until they have one of their own. Does not keep the process alive; open calls do. */
function turn() {
  if (mailbox?.turn()) clock.after(TURN_EVERY_MS, turn);
}

/** Applies the present settings of connections, which the program may change at any time. */
function followEnvironment() {
  if (hasTransportChanged() && mailbox !== undefined)
    mailbox.setTransport(JSON.stringify(transportSettings(process.env)));
}

/** @typedef {InstanceType<typeof binding.ClientFamily>} Family */

/** The native state that a client shares with those made from it by `withOptions`. @returns {Family} */
function newFamily() {
  return new binding.ClientFamily();
}

/** A `TypeError` of an option that the addon refused; any other error as it is. @param {any} error */
function refusalOf(error) {
  return error?.code === 'InvalidArg' ? new TypeError(error.message) : error;
}

/**
 * Makes the native side of a client. Pass its errors through {@link refusalOf}.
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
    /** The home of a stored response, as JSON. @param {string} id @param {string[]} others Identities of other custom clients. */
    home: (id, others) => completions.home(id, others),
  };
}

/** The core's decoder that rewrites server-sent events for an SDK. */
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

/** Cancels a call and closes its connection. Returns the call's record as JSON. @param {number} call */
function cancel(call) {
  receivers.delete(call);
  return mailbox?.cancel(call);
}

/** Credits consumed bytes to a stream's window (back-pressure). @param {number} call @param {number} bytes */
function consumed(call, bytes) {
  mailbox?.consumed(call, bytes);
}

/**
 * Answers a message of the core that needs an answer (src/protocol.rs, `Answer`).
 * @param {number} call @param {number} ask @param {unknown} answer
 * @param {string[]} [texts] Long texts, which cross the boundary beside the answer's JSON.
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

/** Sets whether reports of calls that start from now on are sent as messages `report`. @param {boolean} on */
function publishReports(on) {
  openMailbox().publishReports(on);
}

/** The number of reports that are not settled yet. */
function pendingReports() {
  return mailbox?.pendingReports() ?? 0;
}

/**
 * Delivers the reports of a family, or of all clients; a message `flushed` with this number has their outcomes.
 * @param {Family | undefined} family @param {number} flush @param {number} milliseconds
 */
function flush(family, flush, milliseconds) {
  openMailbox().flush(family, flush, milliseconds);
}

/**
 * Sends a request of OpenPipe's API. Returns its number, which the message `response` has too.
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
  // The mailbox's own threadsafe function does not keep the process alive, so that an idle client lets it end.
  if (waiting === 1) clock.hold(true);
}

/** Undoes one call of `holdProcess`. */
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
