'use strict';
/**
 * The behaviours of an upstream: how it answers a request, or fails to. They are plain data, so that they can be sent to a child process.
 */

/**
 * @typedef {string | Uint8Array} Bytes A string is sent as UTF-8.
 */

/**
 * Members of every behaviour.
 *
 * @typedef {object} Common
 * @property {number} [delayMs] Pause before anything is sent, in ms. Default 0.
 * @property {number} [failFirst] How many of the first requests for a model, since the start or the last `reset()`, get `failWith`
 *   instead. Default 0.
 * @property {Behaviour} [failWith] Default: a 500.
 */

/**
 * A good answer: a completion, or where the request's body asks for it a stream.
 *
 * @typedef {object} AnswerMembers
 * @property {"answer"} kind
 * @property {string} [content] Default: a sentence that names the upstream and the model.
 * @property {number} [status] Default 200.
 * @property {Record<string, string>} [headers] Added to, or in place of, the usual ones.
 * @property {"gzip" | "br" | "deflate"} [encoding] Content encoding. Default none.
 * @property {number} [deltas] Streams: how many events the content is split into. Default 4.
 * @property {number} [paceMs] Streams: pause between two events, in ms. Default 0.
 * @property {StreamFault} [fault] Streams: where and how the stream fails. Completions ignore it.
 *
 * @typedef {Common & AnswerMembers} Answer
 */

/**
 * @typedef {object} StreamFault
 * @property {StreamPoint} after The last point that the stream reaches before the fault.
 * @property {StreamFailure} how
 * @property {number} [everyMs] `keep-alive`, `empty-deltas`: time between two of them. Default 50.
 */

/**
 * A point in a stream: a number is that many content events (1 = the first one). `usage` exists
 * only where the request asks for it by `stream_options.include_usage`.
 *
 * @typedef {"headers" | "role" | number | "finish" | "usage" | "done"} StreamPoint
 */

/**
 * - `reset`: the connection is reset.
 * - `cut`: the connection is closed without the end of the body (no last chunk).
 * - `end`: the body ends cleanly, without the rest of the stream.
 * - `stall`: nothing more is sent, the connection stays open. After `done`: an end that never closes.
 * - `error-event`: `data: {"error": …}`, then a clean end.
 * - `malformed-event`: an event that is not JSON, then the rest of the stream.
 * - `keep-alive`: comments, forever.
 * - `empty-deltas`: events without content, forever.
 *
 * @typedef {"reset" | "cut" | "end" | "stall" | "error-event" | "malformed-event" | "keep-alive" | "empty-deltas"} StreamFailure
 */

/**
 * Any status with any body: errors, and a 2xx that is not a good answer.
 *
 * @typedef {object} StatusMembers
 * @property {"status"} kind
 * @property {number} status
 * @property {Record<string, string>} [headers] E.g. `retry-after`, `x-should-retry`, `location`.
 * @property {"error" | "html" | "empty" | { json: unknown } | { bytes: Bytes }} [body] Default
 *   `error`: JSON in the shape of OpenAI's errors. `bytes` come without a content type.
 * @property {{ message?: string, type?: string, code?: string | null, param?: string | null }} [error]
 *   Members of that error body.
 *
 * @typedef {Common & StatusMembers} Status
 */

/**
 * - `silence`: reads the request and never answers.
 * - `reset`: resets the connection in place of a response.
 * - `close`: closes the connection in place of a response.
 * - `half-body`: announces the whole body, sends half of it, destroys the connection.
 * - `stall-body`: announces the whole body, sends half of it, and then nothing.
 * - `garbage`: sends bytes that are not HTTP, then closes.
 *
 * @typedef {Common & { kind: "silence" | "reset" | "close" | "half-body" | "stall-body" | "garbage" }} Mishap
 */

/**
 * These chunks, exactly, on the socket itself: they include the response's head.
 *
 * @typedef {object} RawMembers
 * @property {"raw"} kind
 * @property {Bytes | Bytes[]} bytes
 * @property {number} [paceMs] Pause between two chunks, in ms. Default 0.
 * @property {"end" | "reset" | "hang"} [then] Default `end`.
 *
 * @typedef {Common & RawMembers} Raw
 */

/**
 * These chunks, exactly, as the body of an event stream: split where the caller splits them.
 *
 * @typedef {object} SseMembers
 * @property {"sse"} kind
 * @property {Bytes[]} sse
 * @property {number} [paceMs] Pause between two chunks, in ms. Default 0.
 * @property {Record<string, string>} [headers]
 * @property {"end" | "reset" | "hang"} [then] Default `end`.
 *
 * @typedef {Common & SseMembers} Sse
 */

/** @typedef {Answer | Status | Mishap | Raw | Sse} Behaviour */

/**
 * The built-in behaviours, by the model that a request names.
 *
 * @type {Readonly<Record<string, Behaviour>>}
 */
const namedBehaviours = Object.freeze({
  ok: { kind: 'answer' },
  slow: { kind: 'answer', delayMs: 2_000, paceMs: 100 },
  gzip: { kind: 'answer', encoding: 'gzip' },
  flaky: { kind: 'answer', failFirst: 2 },

  silence: { kind: 'silence' },
  reset: { kind: 'reset' },
  close: { kind: 'close' },
  'half-body': { kind: 'half-body' },
  'stall-body': { kind: 'stall-body' },
  garbage: { kind: 'garbage' },
  html: { kind: 'status', status: 200, body: 'html' },
  empty: { kind: 'status', status: 200, body: 'empty' },

  'dies-after-headers': { kind: 'answer', fault: { after: 'headers', how: 'reset' } },
  'dies-before-content': { kind: 'answer', fault: { after: 'role', how: 'reset' } },
  'dies-mid-stream': { kind: 'answer', fault: { after: 2, how: 'reset' } },
  'ends-after-headers': { kind: 'answer', fault: { after: 'headers', how: 'end' } },
  'ends-before-content': { kind: 'answer', fault: { after: 'role', how: 'end' } },
  'ends-mid-stream': { kind: 'answer', fault: { after: 2, how: 'end' } },
  'stalls-after-headers': { kind: 'answer', fault: { after: 'headers', how: 'stall' } },
  'stalls-before-content': { kind: 'answer', fault: { after: 'role', how: 'stall' } },
  'stalls-mid-stream': { kind: 'answer', fault: { after: 2, how: 'stall' } },
  'error-event': { kind: 'answer', fault: { after: 2, how: 'error-event' } },
  'malformed-event': { kind: 'answer', fault: { after: 2, how: 'malformed-event' } },
  'done-stays-open': { kind: 'answer', fault: { after: 'done', how: 'stall' } },
  'no-done': { kind: 'answer', fault: { after: 'finish', how: 'end' } },
  'keep-alive': { kind: 'answer', fault: { after: 'role', how: 'keep-alive' } },
  'empty-deltas': { kind: 'answer', fault: { after: 'role', how: 'empty-deltas' } },
});

/** OpenPipe's prefixes say where a model is served, so they are ignored here. */
const ROUTING_PREFIX = /^(openpipe|openai|anthropic|gemini):/;

/**
 * The behaviour for a model's name, with or without a routing prefix: the caller's own, else one of
 * {@link namedBehaviours}, else that of `status-NNN`, else a good answer.
 *
 * @param {string} model
 * @param {Readonly<Record<string, Behaviour>>} own
 * @returns {Behaviour}
 */
function behaviourOfModel(model, own) {
  const name = model.replace(ROUTING_PREFIX, '');
  for (const [table, key] of /** @type {const} */ ([
    [own, model],
    [own, name],
    [namedBehaviours, name],
  ])) {
    const found = Object.hasOwn(table, key) ? table[key] : undefined;
    if (found) return found;
  }
  const status = /^status-(\d{3})$/.exec(name)?.[1];
  return status ? { kind: 'status', status: Number(status) } : { kind: 'answer' };
}

module.exports = { namedBehaviours, behaviourOfModel };
