/** The situations of the demo: what the primary does, and what the caller is promised then. */

/** @import { Behaviour } from "./upstream.mjs" */

/**
 * @typedef {object} Situation
 * @property {string} title
 * @property {boolean} [stream]
 * @property {Behaviour | "nobody listens"} primary
 * @property {string} [primaryDoes] Told when the primary's upstream has the request.
 * @property {Behaviour} [fallback] Default: answers well.
 * @property {string} [fallbackDoes]
 * @property {number} [timeout] The call's, in ms.
 * @property {{ firstTokenTimeout?: number, holdUntil?: "finish" }} [openpipe]
 * @property {number} [blockMs] For so long JavaScript spins, soon after the call was made; the
 *   upstreams then run in processes of their own.
 * @property {string} promise In words.
 * @property {Expectation} expect The same, to be checked.
 */

/**
 * @typedef {object} Expectation
 * @property {"primary" | "fallback" | "nobody"} servedBy `nobody`: the call ends with an error.
 * @property {string} [primaryOutcome] The primary's, among the attempts; where the contract names one.
 * @property {"whole" | "beginning" | "none"} [text] What the caller reads. Default `whole`.
 * @property {"connection" | "both"} [error] `connection`: an `APIConnectionError`; `both`: the
 *   fallback's error, with both in `error.openpipe.errors`.
 * @property {number} [fallbackRequests] Default: 1 if the fallback serves, else 0.
 * @property {[from: number, to: number]} [fallbackArrives] When the (first) request reaches the
 *   fallback's upstream, in ms since the call.
 * @property {number} withinMs The whole call.
 */

/** So that a stream can be watched; a healthy one takes about a third of a second. */
const PACE_MS = 50;

/** "At once", with room for a busy machine and the first call's loading. */
const AT_ONCE_MS = 500;

/** @type {Situation[]} */
export const situations = [
  {
    title: 'Completion: all is well',
    primary: { kind: 'answer', delayMs: 50 },
    primaryDoes: 'answers well',
    promise: 'the primary answers; the fallback is not asked.',
    expect: { servedBy: 'primary', primaryOutcome: 'ok', withinMs: 1_000 },
  },
  {
    title: 'Completion: the primary answers 500',
    primary: { kind: 'status', status: 500 },
    primaryDoes: 'answers 500',
    promise: 'the fallback answers at once: it is the retry.',
    expect: { servedBy: 'fallback', primaryOutcome: 'server_error', withinMs: AT_ONCE_MS },
  },
  {
    title: 'Completion: the primary answers 429 with Retry-After: 30',
    primary: { kind: 'status', status: 429, headers: { 'retry-after': '30' } },
    primaryDoes: 'answers 429, come back in 30 s',
    promise: 'nobody waits for 30 s; the fallback answers at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'rate_limit', withinMs: AT_ONCE_MS },
  },
  {
    title: 'Completion: the primary never answers; timeout 1 s',
    primary: { kind: 'silence' },
    primaryDoes: 'says nothing',
    timeout: 1_000,
    promise: 'the fallback starts when the second is up.',
    expect: {
      servedBy: 'fallback',
      primaryOutcome: 'timeout',
      fallbackArrives: [990, 1_250],
      withinMs: 1_500,
    },
  },
  {
    title: 'Completion: the primary resets the connection',
    primary: { kind: 'reset' },
    primaryDoes: 'resets the connection',
    promise: 'the fallback answers at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'connection', withinMs: AT_ONCE_MS },
  },
  {
    title: 'Completion: the primary sends half of its body and hangs up',
    primary: { kind: 'half-body' },
    primaryDoes: 'answers 200, sends half of the body, hangs up',
    promise: 'half an answer is none; the fallback answers at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'connection', withinMs: AT_ONCE_MS },
  },
  {
    title: 'Completion: the primary answers 200 with a page of HTML',
    primary: { kind: 'status', status: 200, body: 'html' },
    primaryDoes: 'answers 200 with HTML',
    promise: 'that is no completion; the fallback answers at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'invalid_response', withinMs: AT_ONCE_MS },
  },
  {
    title: 'Completion: nobody listens where the primary should be',
    primary: 'nobody listens',
    promise: 'the fallback answers at once.',
    expect: { servedBy: 'fallback', primaryOutcome: 'connection', withinMs: AT_ONCE_MS },
  },
  {
    title: 'Completion: the primary answers 500, and the fallback 503, every time',
    primary: { kind: 'status', status: 500 },
    primaryDoes: 'answers 500',
    fallback: { kind: 'status', status: 503 },
    fallbackDoes: 'answers 503',
    promise: 'the last target has its two retries; then its error, and both in error.openpipe.errors.',
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
    title: 'Completion: the primary never answers, timeout 0.5 s, while JavaScript is busy for 1.5 s',
    primary: { kind: 'silence' },
    primaryDoes: 'says nothing',
    timeout: 500,
    blockMs: 1_500,
    promise: 'the fallback is asked when 0.5 s are up, all the same.',
    expect: {
      servedBy: 'fallback',
      primaryOutcome: 'timeout',
      fallbackArrives: [490, 750],
      withinMs: 2_000,
    },
  },
  {
    title: 'Stream: all is well',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS },
    primaryDoes: 'streams well',
    promise: 'the primary streams; the fallback is not asked.',
    expect: { servedBy: 'primary', primaryOutcome: 'ok', withinMs: 1_500 },
  },
  {
    title: 'Stream: the primary dies before its first token',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS, fault: { after: 'role', how: 'reset' } },
    primaryDoes: 'opens the stream, then resets the connection',
    promise: 'the caller reads one stream, whole, from the fallback, and one opening only.',
    expect: { servedBy: 'fallback', primaryOutcome: 'stream', withinMs: 1_500 },
  },
  {
    title: 'Stream: the primary is silent before its first token; firstTokenTimeout 0.4 s',
    stream: true,
    primary: { kind: 'answer', fault: { after: 'role', how: 'keep-alive' } },
    primaryDoes: 'opens the stream, then sends nothing but keep-alives',
    openpipe: { firstTokenTimeout: 400 },
    promise: 'keep-alives are no life; the fallback starts after 0.4 s.',
    expect: {
      servedBy: 'fallback',
      primaryOutcome: 'timeout',
      fallbackArrives: [390, 650],
      withinMs: 1_500,
    },
  },
  {
    title: 'Stream: the primary dies in the middle; holdUntil "finish"',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS, fault: { after: 2, how: 'reset' } },
    primaryDoes: 'streams half of the text, then resets the connection',
    openpipe: { holdUntil: 'finish' },
    promise: "the caller sees nothing of the half; the fallback's text arrives whole.",
    expect: { servedBy: 'fallback', primaryOutcome: 'stream', withinMs: 1_500 },
  },
  {
    title: 'Stream: the primary dies in the middle, and the caller is reading already',
    stream: true,
    primary: { kind: 'answer', paceMs: PACE_MS, fault: { after: 2, how: 'cut' } },
    primaryDoes: 'streams half of the text, then closes the connection',
    promise: 'an error, never a silent end; the texts of two models are never mixed.',
    expect: {
      servedBy: 'nobody',
      text: 'beginning',
      error: 'connection',
      withinMs: 1_500,
    },
  },
];
