'use strict';
/** One call of the class: handles the core's messages about it and makes the SDK's values and errors of them. */

const { AsyncResource } = require('node:async_hooks');

const native = require('../native/native.js');
const { warn } = require('../native/warnings.js');
const sinks = require('../reports/sinks.js');
const { offAbort, onAbort } = require('./abort.js');
const { CompletionAnswer, CustomAnswer, StreamAnswer } = require('./answer.js');
const { abortErrorOf, errorsOf, rejection } = require('./errors.js');
const { aborterOf, adopt, closerOf } = require('./hand-over.js');
const { HostRequests } = require('./host-requests.js');
const observers = require('./observers.js');
const { defineOpenpipe, openpipeOf } = require('./openpipe-member.js');
const { responseOf } = require('./response.js');
const { EventReader, ReaderRef, forgetDropped, opener, whenDropped, wireBody } = require('./stream.js');

/** @typedef {import('./openpipe-member.js').Meta} Meta */
/** @typedef {import('./errors.js').Failure} Failure */
/** @typedef {import('../host-client/host-request.js').HostRequest} HostRequest */
/** @typedef {import('../sdk/take-over.js').CallSetup} CallSetup */

/** Replaces a promise's resolve function once it has been called. */
const alreadyResolved = () => {};

class Call {
  /**
   * @param {CallSetup} setup
   * @param {(answer: any) => void} resolve With an answer, or with a promise that is rejected.
   */
  constructor(setup, resolve) {
    this.setup = setup;
    this.resolve = resolve;
    this.id = -1;
    /** The caller's async context: custom clients, callbacks and subscribers of the channels are called in it. */
    this.scope = setup.mayCallBack || observers.areWatching() ? new AsyncResource('OPENPIPE_CALL') : undefined;
    /** Waits for the caller's signal to be aborted. @type {import('./abort.js').Waiter | undefined} */
    this.waiter = undefined;
    /** Set when the stream is handed over. @type {ReaderRef | undefined} */
    this.readerRef = undefined;
    /** The process is kept alive for this call. */
    this.isHolding = false;
    /** @type {{ meta: Meta } | undefined} */
    this.handedOver = undefined;
    /** @type {HostRequest | undefined} */
    this.clientStream = undefined;
    /** The core's requests to custom clients and to functions of the caller. @type {HostRequests | undefined} */
    this.requests = undefined;
  }

  /**
   * @param {{ create(body: string, options: string | null): number }} completions The native side.
   * @param {string} body
   * @param {string | null} options
   */
  start(completions, body, options) {
    const { signal } = this.setup;
    sinks.prepare();
    this.id = completions.create(body, options);
    native.register(this.id, this);
    native.holdProcess();
    this.isHolding = true;
    if (signal) {
      this.waiter = { aborted: () => this.abort() };
      onAbort(signal, this.waiter);
    }
  }

  /** The caller's signal was aborted before there is an answer. */
  abort() {
    const progress = native.cancel(this.id);
    this.#release();
    this.requests?.dropAll();
    const { sdk, client, signal } = this.setup;
    this.#reject(() => {
      const error = abortErrorOf(sdk, client, signal);
      // `null` where it had no target yet.
      return progress ? this.#withRecord(error, JSON.parse(progress)) : error;
    });
  }

  /** A handler of one of the call's messages threw: the call fails with that error. @param {unknown} error */
  fail(error) {
    native.cancel(this.id);
    this.#release();
    this.requests?.dropAll();
    this.#reject(() => error);
    this.readerRef?.reader?.end(() => error);
  }

  /** @param {() => unknown} newError */
  #reject(newError) {
    this.resolve(rejection(newError));
  }

  /** @param {any[]} message @param {string} text @param {string} more */
  onMessage(message, text, more) {
    Call.handlers[message[1]]?.(this, message, text, more);
  }

  /**
   * The handler of each message (src/protocol.rs), by its name.
   * @type {Record<string, (call: Call, message: any[], text: string, more: string) => void>}
   */
  static handlers = {
    completion: (call, [, , requestId, ticket], text, more) => call.#answered(requestId, ticket, text, more),
    events: (call, [, , bytes, events]) => call.readerRef?.reader?.push(events, bytes),
    kept: (call, [, , bytes, count]) => call.#keptEvents(bytes, count),
    stream: (call, [, , ticket], text) => call.#handOver(ticket, JSON.parse(text)),
    end: (call, [, , meta]) => call.#streamEnd(meta, undefined),
    failure: (call, [, , failed]) => call.#failed(failed),
    refused: (call, [, , why, message]) => {
      call.#done();
      call.#reject(() => call.#refusal(why, message));
    },
    fallback: (call, [, , event]) => call.#inScope(() => call.#movedOn(event)),
    warning: (call, [, , message]) => call.setup.warnOnce(message),
    ask: (call, [, , ask, question], text) => call.#inScope(() => call.#hostRequests().start(ask, question, text)),
    headers: (call, [, , ask, upstream]) => call.#inScope(() => call.#hostRequests().answerHeaders(ask, upstream)),
    judge: (call, [, , ask, judging], text) => call.#inScope(() => call.#hostRequests().judge(ask, judging, text)),
    pull: (call, [, , ask, bytes]) => call.#inScope(() => call.requests?.pull(ask, bytes)),
    drop: (call, [, , ask]) => call.requests?.drop(ask),
  };

  // === the answer ===

  /** @param {string | null} requestId @param {number | null} ticket @param {string} text @param {string} metaText */
  #answered(requestId, ticket, text, metaText) {
    this.#done();
    this.#publish(() => JSON.parse(metaText));
    this.#log((log) => {
      const { attempts, head } = JSON.parse(metaText);
      log.ended(answeredBy(attempts), head);
    });
    this.resolve(
      ticket === null
        ? new CompletionAnswer(this.setup, this.id, requestId, text, metaText)
        : new CustomAnswer(this.setup, this.id, /** @type {any} */ (this.requests?.kept[ticket]), metaText),
    );
  }

  /** @param {number | null} ticket @param {Meta} meta */
  #handOver(ticket, meta) {
    const { sdk, client, signal } = this.setup;
    const id = this.id;
    this.#release();
    this.#log((log) => log.ended(answeredBy(meta.attempts), meta.head));
    // From here on only a waiting reader keeps the stream alive: nothing that outlives the stream may refer to it or its reader. A
    // closure keeps every variable that any closure of the same function uses, so those that live longer are made in hand-over.js.
    const state = { meta };
    this.handedOver = state;
    if (ticket !== null) this.clientStream = /** @type {HostRequest} */ (this.requests?.kept[ticket]);
    const clientStream = this.clientStream;
    const controller = new AbortController();
    this.waiter = signal && { aborted: aborterOf(controller) };
    const close = closerOf(id, clientStream, signal, this.waiter);
    this.readerRef = new ReaderRef();
    const reader = new EventReader(id, this.readerRef, !clientStream, controller, close);
    whenDropped(reader, close);

    const open = opener(sdk, reader);
    const adopted = clientStream && adopt(clientStream, open, controller);
    const stream = adopted ?? new sdk.Stream(open, controller, client);
    controller.signal.addEventListener('abort', () => reader.close(), { once: true });
    if (this.waiter) onAbort(signal, this.waiter);
    defineOpenpipe(stream, () => openpipeOf(id, () => state.meta));
    const { namesEvents } = this.setup.endpoint;
    const newResponse = () =>
      responseOf(clientStream?.response ?? state.meta.head, wireBody(reader, namesEvents), 'text/event-stream');
    const { resolve } = this;
    // A promise's resolve function keeps the value that it was called with.
    this.resolve = alreadyResolved;
    resolve(new StreamAnswer(this.setup, stream, controller, state, newResponse, clientStream ? undefined : open));
  }

  /** Pushes chunks of a custom client, which were kept on this side. @param {number} bytes @param {number} count */
  #keptEvents(bytes, count) {
    this.readerRef?.reader?.push(this.clientStream?.chunks.splice(0, count) ?? [], bytes);
  }

  /** @param {Meta} meta @param {(() => unknown) | undefined} newError */
  #streamEnd(meta, newError) {
    this.#done();
    if (this.handedOver) this.handedOver.meta = { ...meta, head: this.handedOver.meta.head };
    this.#publish(() => meta);
    // The core's own `drop` of a failed stream would arrive after this message, when the call is unregistered.
    if (newError) this.clientStream?.drop();
    const reader = this.readerRef?.reader;
    if (!reader) return;
    forgetDropped(reader);
    reader.end(newError);
  }

  /** An error with the call's record and each target's error as `openpipe`. @param {Error | undefined} own @param {Meta & { failures: Failure[] }} record */
  #withRecord(own, record) {
    const { sdk, client } = this.setup;
    const errors = errorsOf(sdk, client, record.failures, (ticket) => this.requests?.kept[ticket]);
    const error = own ?? /** @type {Error} */ (errors.at(-1));
    defineOpenpipe(error, () => openpipeOf(this.id, () => record, errors));
    return error;
  }

  /** @param {Meta & { failures: Failure[] }} failed */
  #failed(failed) {
    const newError = () => this.#withRecord(undefined, failed);
    const last = failed.attempts.at(-1);
    if (this.handedOver) {
      this.#log((log) => log.brokeOff(last));
      this.#streamEnd(failed, newError);
      return;
    }
    this.#log((log) => log.ended(last, failed.failures.at(-1)?.head));
    this.#done();
    this.#publish(() => failed);
    this.#reject(newError);
  }

  /** @param {string} why @param {string} message */
  #refusal(why, message) {
    if (why === 'argument' || why === 'body') return new TypeError(message);
    return new this.setup.sdk.OpenAIError(message);
  }

  // === callbacks, channels and the log ===

  /** @param {{ from: any, to: any }} event */
  #movedOn(event) {
    const { onFallback, client } = this.setup;
    this.#log((log) => log.movedOn(event));
    observers.movedOn(event, onFallback, (message) => warn(client, message));
  }

  /** @param {() => Meta} meta */
  #publish(meta) {
    if (!observers.isCallWatched()) return;
    const record = meta();
    this.#inScope(() => observers.publishCall(record, record.usage));
  }

  /** Writes to the client's logger, in the caller's async context. @param {(log: import('../sdk/logging.js').CallLog) => void} write */
  #log(write) {
    const { log } = this.setup;
    if (log) this.#inScope(() => write(log));
  }

  #hostRequests() {
    return (this.requests ??= new HostRequests(this.setup, this.id));
  }

  // === the end ===

  /** Ends the call: no message for it follows. */
  #done() {
    native.unregister(this.id);
    this.#release();
  }

  /** Releases the process and the caller's signal. */
  #release() {
    if (this.isHolding) native.releaseProcess();
    this.isHolding = false;
    if (this.waiter) offAbort(this.setup.signal, this.waiter);
    this.waiter = undefined;
  }

  /** @template T @param {() => T} work @returns {T} */
  #inScope(work) {
    return this.scope ? this.scope.runInAsyncScope(work) : work();
  }
}

/** The attempt whose answer the caller gets: one that `reject` refused where there is no other answer. @param {Meta['attempts']} attempts */
function answeredBy(attempts) {
  return attempts.findLast(({ outcome }) => outcome === 'ok' || outcome === 'rejected');
}

module.exports = { Call };
