/** One call through a client, and what the caller gets of it. */

import { setTimeout as sleep } from 'node:timers/promises';

/**
 * @import { Situation } from "./situations.mjs"
 */

/**
 * What the demo reads of an attempt.
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
 * What the demo reads of `completion.openpipe`, `stream.openpipe` and `error.openpipe`.
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
 * @property {boolean} [isInBody] Whether `openpipe` stands in the body, as the package of that name wants it.
 */

/**
 * @typedef {object} CallResult
 * @property {"answer" | "error" | "waiting"} end `waiting`: it had not ended when the demo gave up.
 * @property {string} text What the caller got to read, also before an error.
 * @property {unknown} [error] What the caller got instead of an answer, or of its end.
 * @property {unknown} [notACompletion] What was handed over as a completion and is none.
 * @property {CallInfo | undefined} info
 * @property {number} startedAt Unix ms.
 * @property {number} ms Until all was over.
 */

/** @type {[{ role: "user", content: string }]} */
const MESSAGES = [{ role: 'user', content: 'Say hello in one short sentence.' }];

/** For the request to be on its way before JavaScript blocks. */
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

/** @param {Situation} situation The options of its call. */
export function openpipeOf({ openpipe = {} }, /** @type {string} */ fallbackModel) {
  return { fallback: { model: fallbackModel }, ...openpipe };
}

/**
 * @param {any} openai
 * @param {CallSpec} spec
 * @param {Pick<CallResult, "text" | "info">} result Filled in as the answer comes.
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
    // Only now: the last target's own attempt ends with the stream.
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

/** No timer, no socket and no callback of JavaScript runs meanwhile, as in a synchronous call that waits. @param {number} ms */
async function blockEventLoop(ms) {
  await sleep(BEFORE_BLOCKING_MS);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
