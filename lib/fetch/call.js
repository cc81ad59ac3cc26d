'use strict';
/** One call of `createFetch`: handles the core's messages about it and makes a `Response` or an error of them. */

const { AsyncResource } = require('node:async_hooks');

const { offAbort, onAbort } = require('../call/abort.js');
const { openpipeOf, readOnce } = require('../call/openpipe-member.js');
const { askJudge } = require('../call/judge.js');
const observers = require('../call/observers.js');
const native = require('../native/native.js');
const sinks = require('../reports/sinks.js');
const { keyHeaders } = require('../options/client-options.js');
const { Exchange } = require('./exchange.js');
const {
  bodyErrorOf,
  errorEvent,
  errorsOf,
  failedResponse,
  isHandedThrough,
  openaiError,
  rejectionOf,
} = require('./failures.js');
const { SourceRef, EventSource, bodyOf, forgetDropped, whenDropped } = require('./response-body.js');
const { responseOf } = require('./response.js');

/** @typedef {import('../call/openpipe-member.js').Meta} Meta */
/** @typedef {import('../call/errors.js').Failure} Failure */

/** The last event of a stream on the wire, where its events have no names. */
const LAST_EVENT = 'data: [DONE]\n\n';

/**
 * The setup of a call.
 * @typedef {object} Setup
 * @property {import('./door.js').Door} door
 * @property {import('./request.js').Request} request Kept until the end: the signal of a `Request` is collected with it.
 * @property {import('../options/endpoints.js').Endpoint} endpoint
 * @property {string} url The URL of the primary.
 * @property {boolean} throughFetch Whether its requests go through `fetch`.
 * @property {() => Promise<Response>} passOn Sends the request unchanged by the `fetch` below.
 * @property {(settle: import('./repeats.js').Settled) => void} keep Keeps the call's failure for a retry by an SDK.
 * @property {() => void} onEarlyAbort Called when the caller aborts during the first target's attempt.
 */

class FetchCall {
  /** @param {Setup} setup @param {(response: any) => void} resolve @param {(error: unknown) => void} reject */
  constructor(setup, resolve, reject) {
    this.setup = setup;
    this.resolve = resolve;
    this.reject = reject;
    this.id = -1;
    const { judges, onFallback } = setup.door.options;
    const mayCallBack = Boolean(onFallback) || judges.length > 0 || setup.throughFetch;
    /** The caller's async context, in which its functions are called. */
    this.scope = mayCallBack || observers.areWatching() ? new AsyncResource('OPENPIPE_FETCH') : undefined;
    /** @type {import('../call/abort.js').Waiter | undefined} */
    this.waiter = undefined;
    this.isHolding = false;
    /** Set when a stream is handed over. @type {{ ref: SourceRef, meta: Meta } | undefined} */
    this.stream = undefined;
    /** The caller has got the event `response.failed`, so no other error event is added. */
    this.hasSentFailure = false;
    /** Requests through `fetch`, by the core's number for each. @type {Map<number, Exchange> | undefined} */
    this.exchanges = setup.throughFetch ? new Map() : undefined;
  }

  /**
   * @param {{ create(body: string, options: string | null): number }} side
   * @param {string} body @param {string} options
   */
  start(side, body, options) {
    sinks.prepare();
    this.id = side.create(body, options);
    native.register(this.id, this);
    native.holdProcess();
    this.isHolding = true;
    this.waiter = { aborted: () => this.#abort() };
    onAbort(this.setup.request.signal, this.waiter);
  }

  /** @param {any[]} message @param {string} text @param {string} more */
  onMessage(message, text, more) {
    FetchCall.handlers[message[1]]?.(this, message, text, more);
  }

  /**
   * The handler of each message (src/protocol.rs), by its name.
   * @type {Record<string, (call: FetchCall, message: any[], text: string, more: string) => void>}
   */
  static handlers = {
    completion: (call, [, , , , status], text, more) => call.#completed(text, status, readOnce(more)),
    wire: (call, [, , bytes], text) => {
      call.#watchFailure(text);
      call.stream?.ref.source?.push(text, bytes);
    },
    stream: (call, _, text) => call.#handOver(JSON.parse(text)),
    end: (call, [, , meta]) => call.#ended(meta),
    failure: (call, [, , failed]) => (call.stream ? call.#broke(failed) : call.#failed(failed)),
    refused: (call, [, , why, message]) => call.#refused(why, message),
    headers: (call, [, , ask, upstream]) => call.#answerHeaders(ask, upstream),
    judge: (call, [, , ask, judging], text) => call.#inScope(() => call.#judge(ask, judging, text)),
    fallback: (call, [, , event]) => call.#inScope(() => call.#movedOn(event)),
    fetch: (call, [, , ask, to], text) => call.#exchange(ask, to, text),
    pull: (call, [, , ask, bytes]) => call.exchanges?.get(ask)?.pull(bytes),
    drop: (call, [, , ask]) => {
      call.exchanges?.get(ask)?.drop();
      call.exchanges?.delete(ask);
    },
    warning: (call, [, , message]) => call.setup.door.warn(message),
  };

  /** A handler of one of the call's messages threw: the call fails with that error. @param {unknown} error */
  fail(error) {
    native.cancel(this.id);
    this.#release();
    dropAll(this.exchanges);
    this.reject(error);
    this.stream?.ref.source?.fail(error);
  }

  // === the answer ===

  /** @param {string} body @param {number | null} status @param {() => Meta} meta */
  #completed(body, status, meta) {
    this.#done();
    this.#publish(meta, () => JSON.parse(body).usage);
    this.resolve(this.#responseOf(body, status ?? 200, meta));
  }

  /** @param {Meta} meta */
  #handOver(meta) {
    this.#release();
    const { signal } = this.setup.request;
    const { exchanges } = this;
    const ref = new SourceRef();
    const state = { ref, meta };
    this.stream = state;
    const waiter = signal && { aborted: aborterOf(this.id, ref, signal, exchanges) };
    this.waiter = waiter;
    // `close` must refer neither to the source nor to the call, so that a response which the caller drops can be garbage-collected.
    const close = closerOf(this.id, signal, waiter, exchanges);
    const source = new EventSource(this.id, ref, close);
    whenDropped(source, close);
    if (waiter) onAbort(signal, waiter);
    const { resolve } = this;
    // A promise's resolve function keeps the value that it was called with.
    this.resolve = this.reject = () => {};
    resolve(
      this.#responseOf(
        bodyOf(source),
        meta.head?.status ?? 200,
        () => meta,
        () => state.meta,
      ),
    );
  }

  /**
   * The response of the target that answered.
   * @param {string | ReadableStream} body @param {number} status
   * @param {() => Meta} meta The call's record so far. @param {() => Meta} [latest] The record of a running stream.
   */
  #responseOf(body, status, meta, latest = meta) {
    const { id } = this;
    const headers = () => meta().head?.headers ?? [];
    const { door, url } = this.setup;
    const openpipe = () => openpipeOf(id, latest);
    return responseOf({ status, headers, body, url, meta, marks: door.options.marks, openpipe });
  }

  /** @param {number} ask @param {import('../call/judge.js').Judging} judging @param {string} text */
  #judge(ask, judging, text) {
    const judge = this.setup.door.options.judges[judging.function];
    askJudge(this.id, ask, judging, judge, () => JSON.parse(text));
  }

  /** Answers with the headers of an upstream whose key a function returns. @param {number} ask @param {string} upstream */
  #answerHeaders(ask, upstream) {
    keyHeaders(this.setup.door.options, upstream).then(
      (headers) => native.answer(this.id, ask, JSON.stringify({ headers })),
      (error) =>
        native.answer(this.id, ask, JSON.stringify({ error: { ticket: 0, message: String(error?.message ?? error) } })),
    );
  }

  /** Remembers whether the caller got the event `response.failed`. @param {string} text Server-sent events. */
  #watchFailure(text) {
    // JSON has no raw line break within a string, so this text is the field of an event.
    if (this.setup.endpoint.namesEvents && text.includes('event: response.failed\n')) this.hasSentFailure = true;
  }

  // === the end of a stream ===

  /** @param {Meta} meta */
  #ended(meta) {
    const { hasStreams, namesEvents } = this.setup.endpoint;
    this.#settleStream(meta, hasStreams && !namesEvents ? LAST_EVENT : '', undefined);
  }

  /** A stream failed after it was handed over: its body ends with the upstream's own error event, then fails. @param {Meta & { failures: Failure[] }} failed */
  #broke(failed) {
    const failure = failed.failures.at(-1);
    this.#settleStream(failed, this.hasSentFailure ? '' : errorEvent(failure, this.setup.endpoint), {
      error: bodyErrorOf(failure),
    });
  }

  /** @param {Meta} meta @param {string} last @param {{ error: Error } | undefined} failure */
  #settleStream(meta, last, failure) {
    this.#done();
    const { stream } = this;
    if (!stream) return;
    stream.meta = { ...meta, head: stream.meta.head };
    this.#publish(
      () => meta,
      () => meta.usage,
    );
    const { source } = stream.ref;
    if (!source) return;
    forgetDropped(source);
    source.end(last, failure);
  }

  // === failures ===

  /** @param {Meta & { failures: Failure[] }} failed */
  #failed(failed) {
    this.#done();
    this.#publish(
      () => failed,
      () => failed.usage,
    );
    const { setup } = this;
    const settled = settledOf(this.id, setup.door, setup.url, failed, setup.request.redirect);
    setup.keep(settled);
    settled.settle(this.resolve, this.reject);
  }

  /** @param {string} why @param {string} message */
  #refused(why, message) {
    this.#done();
    // A body that is no request of the endpoint is sent by the `fetch` below.
    if (why === 'body') this.setup.passOn().then(this.resolve, this.reject);
    else this.reject(why === 'argument' ? new TypeError(message) : openaiError(message));
  }

  /** The caller aborts before there is a response. */
  #abort() {
    const progress = native.cancel(this.id);
    this.#release();
    dropAll(this.exchanges);
    // There is one attempt, and it has not ended.
    if (progress && JSON.parse(progress).attempts.length <= 1) this.setup.onEarlyAbort();
    this.reject(this.setup.request.signal?.reason);
  }

  /** @param {number} ask @param {{ url: string, headers: [string, string][] }} to @param {string} body */
  #exchange(ask, to, body) {
    const { door, request } = this.setup;
    const exchange = new Exchange(this.id, ask);
    this.exchanges?.set(ask, exchange);
    this.#inScope(() => void exchange.start(door.fetch, request.init, to, body));
  }

  // === callbacks, channels and the end ===

  /** @param {{ from: any, to: any }} event */
  #movedOn(event) {
    const { options, warn } = this.setup.door;
    observers.movedOn(event, options.onFallback, warn);
  }

  /** @param {() => Meta} meta @param {() => any} usage */
  #publish(meta, usage) {
    if (observers.isCallWatched()) this.#inScope(() => observers.publishCall(meta(), usage()));
  }

  /** Ends the call: no message for it follows. */
  #done() {
    native.unregister(this.id);
    this.#release();
  }

  /** Releases the process and the caller's signal. */
  #release() {
    if (this.isHolding) native.releaseProcess();
    this.isHolding = false;
    if (this.waiter) offAbort(this.setup.request.signal, this.waiter);
    this.waiter = undefined;
  }

  /** @template T @param {() => T} work @returns {T} */
  #inScope(work) {
    return this.scope ? this.scope.runInAsyncScope(work) : work();
  }
}

/**
 * How a call whose targets have all failed is settled, also for a retry of its request. It is kept for seconds, so it refers neither to
 * the call nor to the request, whose body may be large.
 * @param {number} id @param {import('./door.js').Door} door @param {string} url
 * @param {Meta & { failures: Failure[] }} failed @param {string | undefined} redirect
 * @returns {import('./repeats.js').Settled}
 */
function settledOf(id, door, url, failed, redirect) {
  const { failures } = failed;
  const last = failures.at(-1);
  const { marks } = door.options;
  const rejects = door.options.rejects && !isHandedThrough(last, redirect);
  const { status, headers, body } = failedResponse(failed, redirect);
  const openpipe = () => openpipeOf(id, () => failed, errorsOf(failures));
  const meta = () => ({ ...failed, head: last?.head ?? null });
  return {
    size: failures.reduce((size, failure) => size + (failure.body?.length ?? 0), body.length),
    settle: (resolve, reject) => {
      if (rejects) reject(Object.defineProperty(rejectionOf(last), 'openpipe', { get: openpipe, configurable: true }));
      else resolve(responseOf({ status, headers: () => headers, body, url, meta, marks, openpipe }));
    },
  };
}

/** Aborts all requests of a cancelled call, for which no message follows. @param {Map<number, Exchange> | undefined} exchanges */
function dropAll(exchanges) {
  for (const exchange of exchanges?.values() ?? []) exchange.drop();
  exchanges?.clear();
}

/**
 * @param {number} id @param {AbortSignal | undefined} signal @param {import('../call/abort.js').Waiter | undefined} waiter
 * @param {Map<number, Exchange> | undefined} exchanges
 */
function closerOf(id, signal, waiter, exchanges) {
  return () => {
    native.cancel(id);
    dropAll(exchanges);
    if (waiter) offAbort(signal, waiter);
  };
}

/** @param {number} id @param {SourceRef} ref @param {AbortSignal} signal @param {Map<number, Exchange> | undefined} exchanges */
function aborterOf(id, ref, signal, exchanges) {
  return () => {
    native.cancel(id);
    dropAll(exchanges);
    const { source } = ref;
    if (!source) return;
    forgetDropped(source);
    source.fail(signal.reason);
  };
}

module.exports = { FetchCall };
