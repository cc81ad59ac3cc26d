'use strict';
/** One call between its start and its end: what Rust says of it, and what becomes of that for the caller. */

const { AsyncResource } = require('node:async_hooks');
const diagnostics = require('node:diagnostics_channel');

const { offAbort, onAbort } = require('./abort.js');
const native = require('../native/native.js');
const sinks = require('../reports/sinks.js');
const {
  CompletionAnswer,
  ForeignAnswer,
  StreamAnswer,
  defineOpenpipe,
  openpipeOf,
  responseOf,
} = require('./answer.js');
const { abortErrorOf, errorsOf, keepMadeBySdk, rejection, streamErrorOf } = require('./errors.js');
const { HostRequest, isSdkStream } = require('../host-client/host-client.js');
const { answerFrom, askJudge } = require('./judge.js');
const { EventReader, Seat, forgetDropped, opener, whenDropped, wireBody } = require('./stream.js');
const { SDK_OPENAI, isSdkTransport } = require('../sdk/state.js');
const { warn } = require('../sdk/warnings.js');

const fallbackChannel = diagnostics.channel('openpipe:fallback');
const callChannel = diagnostics.channel('openpipe:call');

/** @typedef {import('./answer.js').Meta} Meta */
/** @typedef {import('./errors.js').Failure} Failure */
/** @typedef {import('../host-client/host-client.js').Question} Question */
/** @typedef {import('../sdk/take-over.js').CallSetup} CallSetup */

/** What there is to do for a promise that is settled. */
const settled = () => {};

class Call {
  /**
   * @param {CallSetup} setup
   * @param {(answer: any) => void} resolve With an answer, or with a promise that is rejected.
   */
  constructor(setup, resolve) {
    this.setup = setup;
    this.resolve = resolve;
    this.id = -1;
    /** The caller's async context: foreign clients, callbacks and subscribers of the channels are called in it. */
    const isWatched = fallbackChannel.hasSubscribers || callChannel.hasSubscribers;
    this.scope = setup.mayCallBack || isWatched ? new AsyncResource('OPENPIPE_CALL') : undefined;
    /** What waits for the caller's abort. @type {import('./abort.js').Waiter | undefined} */
    this.waiter = undefined;
    /** Once the stream is handed over. @type {Seat | undefined} */
    this.seat = undefined;
    /** The process is kept alive for this call. */
    this.isHolding = false;
    /** @type {{ meta: Meta } | undefined} */
    this.handedOver = undefined;
    /** @type {HostRequest | undefined} */
    this.clientStream = undefined;
    /** @type {Map<number, HostRequest> | undefined} */
    this.asks = undefined;
    /** What foreign clients returned and threw, by ticket. @type {unknown[] | undefined} */
    this.kept = undefined;
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

  /** The caller aborts before there is an answer. */
  abort() {
    const progress = native.cancel(this.id);
    this.#release();
    this.#dropAsks();
    const { sdk, client, signal } = this.setup;
    this.#reject(() => {
      const error = abortErrorOf(sdk, client, signal);
      // `null` where it had no target yet.
      return progress ? this.#told(error, JSON.parse(progress)) : error;
    });
  }

  /** Something that the call met on its way to the caller threw. @param {unknown} error */
  fail(error) {
    native.cancel(this.id);
    this.#release();
    this.#dropAsks();
    this.#reject(() => error);
    this.seat?.reader?.end(() => error);
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
   * What becomes of each message (src/protocol.rs).
   * @type {Record<string, (call: Call, message: any[], text: string, more: string) => void>}
   */
  static handlers = {
    completion: (call, [, , requestId, ticket], text, more) => call.#answered(requestId, ticket, text, more),
    events: (call, [, , bytes, events]) => call.seat?.reader?.push(events, bytes),
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
    ask: (call, [, , ask, question], text) => call.#ask(ask, question, text),
    headers: (call, [, , ask, upstream]) => call.#askHeaders(ask, upstream),
    judge: (call, [, , ask, judging], text) => call.#inScope(() => call.#judge(ask, judging, text)),
    pull: (call, [, , ask, bytes]) => call.#inScope(() => call.asks?.get(ask)?.pull(bytes)),
    drop: (call, [, , ask]) => {
      call.asks?.get(ask)?.drop();
      call.asks?.delete(ask);
    },
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
        : new ForeignAnswer(this.setup, this.id, /** @type {any} */ (this.kept?.[ticket]), metaText),
    );
  }

  /** @param {number | null} ticket @param {Meta} meta */
  #handOver(ticket, meta) {
    const { sdk, client, signal } = this.setup;
    const id = this.id;
    this.#release();
    this.#log((log) => log.ended(answeredBy(meta.attempts), meta.head));
    // From here on only a reader who waits keeps anything alive, so nothing that outlives the stream may hold the reader
    // or the stream. A function holds all that the functions beside it use: such ones are made apart, below.
    const state = { meta };
    this.handedOver = state;
    if (ticket !== null) this.clientStream = /** @type {HostRequest} */ (this.kept?.[ticket]);
    const foreign = this.clientStream;
    const controller = new AbortController();
    this.waiter = signal && { aborted: aborterOf(controller) };
    const close = closerOf(id, foreign, signal, this.waiter);
    this.seat = new Seat();
    const reader = new EventReader(id, this.seat, !foreign, controller, close);
    whenDropped(reader, close);

    const open = opener(sdk, reader);
    const adopted = foreign && adopt(foreign, open, controller);
    const stream = adopted ?? new sdk.Stream(open, controller, client);
    controller.signal.addEventListener('abort', () => reader.close(), { once: true });
    if (this.waiter) onAbort(signal, this.waiter);
    defineOpenpipe(stream, () => openpipeOf(id, () => state.meta));
    const endpoint = this.setup.endpoint.name;
    const newResponse = () =>
      responseOf(foreign?.response ?? state.meta.head, wireBody(reader, endpoint), 'text/event-stream');
    const { resolve } = this;
    // A promise's functions hold what it was resolved with.
    this.resolve = settled;
    resolve(new StreamAnswer(this.setup, stream, controller, state, newResponse, foreign ? undefined : open));
  }

  /** Chunks of a custom client, which are here already. @param {number} bytes @param {number} count */
  #keptEvents(bytes, count) {
    this.seat?.reader?.push(this.clientStream?.chunks.splice(0, count) ?? [], bytes);
  }

  /** @param {Meta} meta @param {(() => unknown) | undefined} newError */
  #streamEnd(meta, newError) {
    this.#done();
    if (this.handedOver) this.handedOver.meta = { ...meta, head: this.handedOver.meta.head };
    this.#publish(() => meta);
    // Rust drops what it has of a stream that failed only now, when this call hears of nothing any more.
    if (newError) this.clientStream?.drop();
    const reader = this.seat?.reader;
    if (!reader) return;
    forgetDropped(reader);
    reader.end(newError);
  }

  /** An error that tells how the call went, and how each target failed. @param {Error | undefined} own @param {Meta & { failures: Failure[] }} told */
  #told(own, told) {
    const { sdk, client } = this.setup;
    const errors = errorsOf(sdk, client, told.failures, (ticket) => this.kept?.[ticket]);
    const error = own ?? /** @type {Error} */ (errors.at(-1));
    defineOpenpipe(error, () => openpipeOf(this.id, () => told, errors));
    return error;
  }

  /** @param {Meta & { failures: Failure[] }} failed */
  #failed(failed) {
    const newError = () => this.#told(undefined, failed);
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

  // === who watches ===

  /** @param {{ from: any, to: any }} event */
  #movedOn(event) {
    this.#log((log) => log.movedOn(event));
    if (fallbackChannel.hasSubscribers) fallbackChannel.publish(event);
    const { onFallback, client } = this.setup;
    if (!onFallback) return;
    try {
      const returned = onFallback(event);
      Promise.resolve(returned).catch((error) => warn(client, `openpipe.onFallback rejected: ${messageOf(error)}`));
    } catch (error) {
      warn(client, `openpipe.onFallback threw: ${messageOf(error)}`);
    }
  }

  /** @param {() => Meta} meta */
  #publish(meta) {
    if (!callChannel.hasSubscribers) return;
    const { model, servedBy, attempts, durationMs, usage } = meta();
    const event = { model, servedBy, attempts, durationMs, ...(usage ? { usage } : {}) };
    this.#inScope(() => callChannel.publish(event));
  }

  /** Tells the client's logger, in the caller's async context. @param {(log: import('../sdk/logging.js').CallLog) => void} tell */
  #log(tell) {
    const { log } = this.setup;
    if (log) this.#inScope(() => tell(log));
  }

  // === JavaScript clients ===

  /** @param {number} ask @param {Question} question @param {string} body */
  #ask(ask, question, body) {
    const { setup } = this;
    const { client } = question;
    const request = this.#newRequest(ask);
    if (isSdkTransport(client)) {
      request.streamError = (error) => streamErrorOf(setup.sdk, error);
      request.keepError = (error) => keepMadeBySdk(setup.sdk, setup.client, error);
    }
    // What making the client's function throws is the client's failure like any other.
    const create = (/** @type {any} */ given, /** @type {any} */ options) =>
      setup.clientFunction(client)(given, options);
    this.#inScope(() => request.start(create, question, body, () => setup.clientKey(client)));
  }

  /** @param {number} ask @param {string} upstream */
  #askHeaders(ask, upstream) {
    const { setup } = this;
    const request = this.#newRequest(ask);
    this.#inScope(() =>
      request.tellHeaders(
        () => setup.headersOf(upstream),
        () => (upstream === 'openai' ? setup.clientKey(SDK_OPENAI) : undefined),
      ),
    );
  }

  /** @param {number} ask @param {import('./judge.js').Judging} judging @param {string} text */
  #judge(ask, judging, text) {
    const { setup } = this;
    const { ticket, requestId } = judging;
    askJudge(this.id, ask, judging, setup.judges[judging.function], () =>
      ticket === null
        ? answerFrom(text, requestId, setup.endpoint.name)
        : /** @type {any} */ (this.kept?.[ticket]).value,
    );
  }

  /** @param {number} ask */
  #newRequest(ask) {
    this.kept ??= [];
    this.asks ??= new Map();
    const kept = this.kept;
    const request = new HostRequest(this.id, ask, (value) => kept.push(value) - 1);
    this.asks.set(ask, request);
    return request;
  }

  #dropAsks() {
    for (const request of this.asks?.values() ?? []) request.drop();
    this.asks?.clear();
  }

  // === the end ===

  /** Nothing more comes of this call. */
  #done() {
    native.unregister(this.id);
    this.#release();
  }

  /** Lets go of what keeps the process alive and of the caller's signal. */
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

/** The attempt whose answer the caller gets: a refused one where no other answered. @param {Meta['attempts']} attempts */
function answeredBy(attempts) {
  return attempts.findLast(({ outcome }) => outcome === 'ok' || outcome === 'rejected');
}

/** What was thrown as text; whatever it was, this does not throw in turn. @param {unknown} error */
function messageOf(error) {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'something that has no text';
  }
}

/**
 * Ends a stream that its reader leaves, or drops. Must not hold the reader.
 * @param {number} id @param {HostRequest | undefined} foreign @param {AbortSignal | undefined} signal
 * @param {import('./abort.js').Waiter | undefined} waiter
 * @returns {() => Promise<void> | undefined}
 */
function closerOf(id, foreign, signal, waiter) {
  return () => {
    native.cancel(id);
    if (waiter) offAbort(signal, waiter);
    return foreign?.drop();
  };
}

/** What the caller's signal does to a stream. Must not hold it. @param {AbortController} controller */
function aborterOf(controller) {
  const weak = new WeakRef(controller);
  return () => weak.deref()?.abort();
}

/**
 * Hands the very stream of a client through: its chunks come by way of the reader, because some were read already.
 * @param {HostRequest} foreign @param {() => AsyncIterator<any>} open @param {AbortController} controller
 * @returns {any} `undefined` where the stream does not let itself be changed.
 */
function adopt(foreign, open, controller) {
  const stream = foreign.stream;
  try {
    if (!isSdkStream(stream)) return undefined;
    // Its own iterator is open by now.
    stream.iterator = open;
    // openai 7 puts an iterator of its own on each stream, others have theirs in a subclass: they have seen the chunks. What an
    // instrumentation puts in the place of `iterator` later is asked, as in the SDK.
    Object.defineProperty(stream, Symbol.asyncIterator, { value: iterated, writable: true, configurable: true });
    // An SDK's iterator aborts its own controller when it fails, before it says so; the reader's is the caller's alone.
    stream.controller = controller;
  } catch {
    return undefined;
  }
  foreign.handedThrough();
  return stream;
}

/** As the SDK's stream is iterated. @this {any} */
function iterated() {
  return this.iterator();
}

module.exports = { Call };
