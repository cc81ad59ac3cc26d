/** Makes one call with a client and records what the caller gets. */

import { setTimeout as sleep } from 'node:timers/promises';

/**
 * @import { Situation } from "./situations.mjs"
 */

/**
 * The members of an attempt that the demo uses.
 *
 * @typedef {object} Attempt
 * @property {string} upstream
 * @property {string} model
 * @property {string} outcome
 * @property {number} tries
 * @property {number} [status]
 * @property {number} startedAt
 * @property {number} durationMs
 * @property {number} [firstTokenMs]
 * @property {string} [message]
 */

/**
 * The members that the demo uses of `completion.openpipe`, `stream.openpipe` and `error.openpipe`.
 *
 * @typedef {object} CallInfo
 * @property {string} servedBy With an error: the last target.
 * @property {string} model
 * @property {readonly Attempt[]} attempts
 * @property {readonly unknown[]} [errors]
 */

/**
 * @typedef {object} CallSpec
 * @property {boolean} stream
 * @property {string} model
 * @property {number} [timeout] In ms.
 * @property {Record<string, unknown>} [openpipe] Left out for a client that does not know it.
 * @property {boolean} [isInBody] Whether `openpipe` goes into the body, where the package of that name expects it.
 */

/**
 * @typedef {object} CallResult
 * @property {"answer" | "error" | "waiting"} end `waiting`: the call had not ended when the demo gave up.
 * @property {string} text The text that the caller read, also before an error.
 * @property {unknown} [error] The error of the call or of its stream.
 * @property {unknown} [notACompletion] A result that was returned as a completion but is not one.
 * @property {CallInfo | undefined} info
 * @property {number} startedAt Unix ms.
 * @property {number} ms Until the call or its stream ended.
 */

/** @type {[{ role: "user", content: string }]} */
const MESSAGES = [{ role: 'user', content: 'Say hello in one short sentence.' }];

/** The time in which the request is sent, before JavaScript blocks. */
const BEFORE_BLOCKING_MS = 50;

/**
 * Never rejects: an error is a result like any other here.
 *
 * @param {any} openai A client of this package, of `openai` or of `openpipe`.
 * @param {CallSpec} spec
 * @param {{ blockMs?: number | undefined, giveUpMs: number }} limits
 * @returns {Promise<CallResult>}
 */
export async function makeCall(openai, spec, { blockMs, giveUpMs }) {
  const result = { text: '', info: /** @type {CallInfo | undefined} */ (undefined), startedAt: Date.now() };
  const zero = performance.now();
  const elapsed = () => performance.now() - zero;
  const read = spec.stream ? readStream : readCompletion;
  /** @type {Promise<CallResult>} */
  const call = read(openai, spec, result).then(
    (rest) => ({ ...result, ...rest, end: 'answer', ms: elapsed() }),
    (error) => ({ ...result, error, info: infoOf(error) ?? result.info, end: 'error', ms: elapsed() }),
  );
  if (blockMs) await blockEventLoop(blockMs);
  const giveUp = new AbortController();
  /** @type {Promise<CallResult>} */
  const tooLate = sleep(giveUpMs, undefined, { signal: giveUp.signal }).then(
    () => ({ ...result, end: 'waiting', ms: elapsed() }),
    () => ({ ...result, end: 'waiting', ms: elapsed() }),
  );
  try {
    return await Promise.race([call, tooLate]);
  } finally {
    giveUp.abort();
  }
}

/** The `openpipe` options of a situation's call. @param {Situation} situation */
export function openpipeOf({ openpipe = {} }, /** @type {string} */ fallbackModel) {
  return { fallback: { model: fallbackModel }, ...openpipe };
}

/**
 * @param {any} openai
 * @param {CallSpec} spec
 * @param {Pick<CallResult, "text" | "info">} result Filled while the answer arrives.
 */
async function readCompletion(openai, spec, result) {
  const completion = await openai.chat.completions.create(bodyOf(spec), optionsOf(spec));
  result.info = infoOf(completion);
  if (!Array.isArray(completion?.choices)) return { notACompletion: completion };
  result.text = completion.choices[0]?.message.content ?? '';
  return {};
}

/** @type {typeof readCompletion} */
async function readStream(openai, spec, result) {
  const stream = await openai.chat.completions.create({ ...bodyOf(spec), stream: true }, optionsOf(spec));
  try {
    for await (const chunk of stream) result.text += chunk.choices[0]?.delta.content ?? '';
  } finally {
    // After the loop, because the last target's attempt ends with the stream.
    result.info = infoOf(stream);
  }
  return {};
}

/** @param {CallSpec} spec */
function bodyOf({ model, openpipe, isInBody }) {
  return { model, messages: MESSAGES, ...(openpipe && isInBody && { openpipe }) };
}

/** @param {CallSpec} spec */
function optionsOf({ timeout, openpipe, isInBody }) {
  return { ...(timeout !== undefined && { timeout }), ...(openpipe && !isInBody && { openpipe }) };
}

/** @param {unknown} carrier @returns {CallInfo | undefined} */
function infoOf(carrier) {
  return /** @type {{ openpipe?: CallInfo } | null | undefined} */ (carrier)?.openpipe;
}

/** Blocks the event loop, as a synchronous call does: no timer, socket or callback runs. @param {number} ms */
async function blockEventLoop(ms) {
  await sleep(BEFORE_BLOCKING_MS);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
