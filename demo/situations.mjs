/** The situations of the demo: how the primary behaves, and what the caller is promised. */

/** @import { Behaviour } from "./upstream.mjs" */

/**
 * @typedef {object} Situation
 * @property {string} id A short name, for `--only`.
 * @property {string} title
 * @property {boolean} [stream]
 * @property {Behaviour | "nobody listens"} primary
 * @property {Behaviour} [fallback] Default: a healthy upstream.
 * @property {number} [timeout] The call's, in ms.
 * @property {{ firstTokenTimeout?: number, idleTimeout?: number, holdUntil?: "finish" }} [openpipe]
 * @property {number} [blockMs] How long the event loop is blocked, shortly after the call was made; the
 *   upstreams then run in separate processes.
 * @property {string} promise What the caller is promised, in words.
 * @property {Expectation} expect The same as data, which is checked.
 */

/**
 * @typedef {object} Expectation
 * @property {"primary" | "fallback" | "nobody"} servedBy `nobody`: the call ends with an error.
 * @property {string} [primaryOutcome] The outcome of the primary's attempt.
 * @property {"whole" | "beginning" | "none"} [text] How much of the answer the caller reads. Default `whole`.
 * @property {"connection" | "both"} [error] `connection`: an `APIConnectionError` or a subclass; `both`: the
 *   fallback's error, with both in `error.openpipe.errors`.
 * @property {number} [fallbackRequests] Default: 1 if the fallback serves, else 0.
 * @property {[from: number, to: number]} [fallbackArrives] When the (first) request reaches the
 *   fallback's upstream, in ms since the call.
 * @property {number} withinMs The longest that the whole call may take.
 */

/** Between two events, so that a stream can be watched: a healthy one takes about a third of a second. */
const PACE_MS = 50;

/** What counts as "at once", on a busy machine and with the first call's loading. */
const AT_ONCE_MS = 500;

/** @type {Situation[]} */
export const situations = [
  {
    id: 'well',
    title: 'Completion: the primary is healthy',
    primary: { kind: 'answer', delayMs: 50 },
    promise: 'the primary answers; the fallback is not called.',
    expect: { servedBy: 'primary', primaryOutcome: 'ok', withinMs: 1_000 },
  },
  {
    id: 'status-500',
    title: 'Completion: the primary answers 500',
    primary: { kind: 'status', status: 500 },
    promise: 'the fallback is called at once, in place of a retry.',
    expect: { servedBy: 'fallback', primaryOutcome: 'server_error', withinMs: AT_ONCE_MS },
  },
  {
    id: 'retry-after',
    title: 'Completion: the primary answers 429 with Retry-After: 30',
    primary: { kind: 'status', status: 429, headers: { 'retry-after': '30' } },
    promise: 'the call does not wait for 30 s; the fallback is called at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'rate_limit', withinMs: AT_ONCE_MS },
  },
  {
    id: 'silent',
    title: 'Completion: the primary never answers; timeout 1 s',
    primary: { kind: 'silence' },
    timeout: 1_000,
    promise: 'the fallback is called after the timeout of 1 s.',
    expect: {
      servedBy: 'fallback',
      primaryOutcome: 'timeout',
      fallbackArrives: [990, 1_250],
      withinMs: 1_500,
    },
  },
  {
    id: 'reset',
    title: 'Completion: the primary resets the connection',
    primary: { kind: 'reset' },
    promise: 'the fallback answers at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'connection', withinMs: AT_ONCE_MS },
  },
  {
    id: 'half-body',
    title: 'Completion: the primary sends half of its body and hangs up',
    primary: { kind: 'half-body' },
    promise: 'a truncated body is a failure; the fallback is called at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'connection', withinMs: AT_ONCE_MS },
  },
  {
    id: 'stalled-body',
    title: 'Completion: headers arrive, then the body stalls; timeout 1 s',
    primary: { kind: 'stall-body' },
    timeout: 1_000,
    promise: 'the timeout covers the body too; the fallback is called after 1 s.',
    expect: {
      servedBy: 'fallback',
      primaryOutcome: 'timeout',
      fallbackArrives: [990, 1_250],
      withinMs: 1_500,
    },
  },
  {
    id: 'html',
    title: 'Completion: the primary answers 200 with a page of HTML',
    primary: { kind: 'status', status: 200, body: 'html' },
    promise: 'a 200 that holds no completion is a failure; the fallback is called at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'invalid_response', withinMs: AT_ONCE_MS },
  },
  {
    id: 'refused',
    title: "Completion: nothing listens on the primary's port",
    primary: 'nobody listens',
    promise: 'the fallback answers at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'connection', withinMs: AT_ONCE_MS },
  },
  {
    id: 'both-fail',
    title: 'Completion: the primary answers 500, and the fallback 503, every time',
    primary: { kind: 'status', status: 500 },
    fallback: { kind: 'status', status: 503 },
    promise:
      'the last target is retried twice; then the call fails with its error, and error.openpipe.errors holds both.',
    expect: {
      servedBy: 'nobody',
      primaryOutcome: 'server_error',
      text: 'none',
      error: 'both',
      fallbackRequests: 3,
      withinMs: 3_000,
    },
  },
  {
    id: 'blocked-loop',
    title: 'Completion: the primary never answers, timeout 0.5 s, and the event loop is blocked for 1.5 s',
    primary: { kind: 'silence' },
    timeout: 500,
    blockMs: 1_500,
    promise: 'the fallback is called after 0.5 s, although the event loop is blocked.',
    expect: {
      servedBy: 'fallback',
      primaryOutcome: 'timeout',
      fallbackArrives: [490, 750],
      withinMs: 2_000,
    },
  },
  {
    id: 'stream-well',
    title: 'Stream: the primary is healthy',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS },
    promise: 'the primary streams; the fallback is not called.',
    expect: { servedBy: 'primary', primaryOutcome: 'ok', withinMs: 1_500 },
  },
  {
    id: 'stream-dies-early',
    title: 'Stream: the primary dies before its first token',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS, fault: { after: 'role', how: 'reset' } },
    promise: 'the caller reads one whole stream, from the fallback.',
    expect: { servedBy: 'fallback', primaryOutcome: 'stream', withinMs: 1_500 },
  },
  {
    id: 'stream-silent',
    title: 'Stream: the primary sends only keep-alives; firstTokenTimeout 0.4 s',
    stream: true,
    primary: { kind: 'answer', fault: { after: 'role', how: 'keep-alive' } },
    openpipe: { firstTokenTimeout: 400 },
    promise: 'keep-alive comments do not count as content; the fallback is called after 0.4 s.',
    expect: {
      servedBy: 'fallback',
      primaryOutcome: 'timeout',
      fallbackArrives: [390, 650],
      withinMs: 1_500,
    },
  },
  {
    id: 'stream-hold',
    title: 'Stream: the primary dies in the middle; holdUntil "finish"',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS, fault: { after: 2, how: 'reset' } },
    openpipe: { holdUntil: 'finish' },
    promise: "the stream is held back until it has ended well, so the caller reads the fallback's text only.",
    expect: { servedBy: 'fallback', primaryOutcome: 'stream', withinMs: 1_500 },
  },
  {
    id: 'stream-dies-late',
    title: 'Stream: the primary dies in the middle, while the caller is reading',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS, fault: { after: 2, how: 'cut' } },
    promise: 'an error, never a silent end, and never the text of two models in one answer.',
    expect: {
      servedBy: 'nobody',
      text: 'beginning',
      error: 'connection',
      withinMs: 1_500,
    },
  },
  {
    id: 'stream-stalls',
    title: 'Stream: the primary stalls in the middle; idleTimeout 0.7 s',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS, fault: { after: 2, how: 'stall' } },
    openpipe: { idleTimeout: 700 },
    promise: 'an error after 0.7 s of silence; the caller does not wait for ever.',
    expect: { servedBy: 'nobody', text: 'beginning', withinMs: 2_000 },
  },
];
