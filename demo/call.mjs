/** One real call through the real client, told on a timeline as it goes. */

/**
 * @import OpenAI from "openpipe-native"
 * @import { Timeline } from "./timeline.mjs"
 */

/**
 * What this demo reads of an attempt.
 *
 * @typedef {object} Attempt
 * @property {string} upstream
 * @property {string} model
 * @property {string} outcome
 * @property {number} tries
 * @property {number} [status]
 * @property {number} durationMs
 * @property {number} [firstTokenMs]
 * @property {string} [message]
 */

/**
 * What this demo reads of `completion.openpipe`, `stream.openpipe` and `error.openpipe`.
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
 * @property {string} fallbackModel
 * @property {number} [timeout] In ms.
 * @property {{ firstTokenTimeout?: number, holdUntil?: "finish" }} [openpipe]
 */

/**
 * @typedef {object} CallResult
 * @property {string} text What the caller got to read, also before an error.
 * @property {unknown} [error] What the caller got instead of an answer, or of its end.
 * @property {CallInfo | undefined} info
 * @property {number} ms Until all was over.
 */

/** @type {[{ role: "user", content: string }]} */
const MESSAGES = [{ role: 'user', content: 'Say hello in one short sentence.' }];

/**
 * Never rejects: an error is a result like any other here.
 *
 * @param {OpenAI} openai
 * @param {CallSpec} spec
 * @param {Timeline} timeline
 * @returns {Promise<CallResult>}
 */
export async function makeCall(openai, spec, timeline) {
  const what = spec.stream ? 'stream' : 'completion';
  timeline.start();
  timeline.line('call', `a ${what} from ${spec.model}, else from ${spec.fallbackModel}`, 0);
  const result = { text: '', info: /** @type {CallInfo | undefined} */ (undefined) };
  try {
    await (spec.stream ? readStream : readCompletion)(openai, spec, timeline, result);
    timeline.line('answer', quote(result.text));
    return { ...result, ms: timeline.elapsed() };
  } catch (error) {
    const ms = timeline.elapsed();
    timeline.line('error', describeError(error), ms);
    if (result.text) timeline.note('read', `${quote(result.text)} and then that error`);
    return { ...result, error, info: infoOf(error) ?? result.info, ms };
  }
}

/**
 * The constructor's `openpipe.onFallback`, for the timeline.
 *
 * @param {Timeline} timeline
 */
export function tellFallback(timeline) {
  return (/** @type {{ from: Attempt, to: { upstream: string, model: string } }} */ { from, to }) => {
    const why = from.message ? `, ${quote(from.message)}` : '';
    timeline.line('failed', `${from.model}: ${describeAttempt(from)}${why}`);
    timeline.line('fallback', `starts: ${to.model}, at ${to.upstream}`);
  };
}

/**
 * Who served the call, and what each target did.
 *
 * @param {CallResult} result
 * @param {Timeline} timeline
 */
export function tellInfo({ info, error }, timeline) {
  if (!info) return timeline.note('served by', 'unknown: nothing in .openpipe');
  timeline.note('served by', error ? 'nobody' : `${info.servedBy}, ${info.model}`);
  info.attempts.forEach((attempt, index) => {
    const where = `${attempt.model}, at ${attempt.upstream}`;
    timeline.note(index === 0 ? 'attempts' : '', `${where}: ${describeAttempt(attempt)}`);
  });
}

/**
 * @param {OpenAI} openai
 * @param {CallSpec} spec
 * @param {Timeline} _timeline
 * @param {Pick<CallResult, "text" | "info">} result Filled in as the answer comes.
 */
async function readCompletion(openai, spec, _timeline, result) {
  const completion = await openai.chat.completions.create(
    { model: spec.model, messages: MESSAGES, openpipe: openpipeOptions(spec) },
    requestOptions(spec),
  );
  result.info = infoOf(completion);
  result.text = completion.choices[0]?.message.content ?? '';
}

/** @type {typeof readCompletion} */
async function readStream(openai, spec, timeline, result) {
  const stream = await openai.chat.completions.create(
    { model: spec.model, messages: MESSAGES, stream: true, openpipe: openpipeOptions(spec) },
    requestOptions(spec),
  );
  try {
    for await (const chunk of stream) {
      const piece = chunk.choices[0]?.delta.content ?? '';
      if (piece && !result.text) timeline.line('token', `the first: ${quote(piece)}`);
      result.text += piece;
    }
  } finally {
    // Only now: the last target's own attempt ends with the stream.
    result.info = infoOf(stream);
  }
}

/** @param {CallSpec} spec */
function openpipeOptions(spec) {
  return { fallback: { model: spec.fallbackModel }, ...spec.openpipe };
}

/** @param {CallSpec} spec */
function requestOptions({ timeout }) {
  return timeout === undefined ? {} : { timeout };
}

/** @param {unknown} carrier @returns {CallInfo | undefined} */
function infoOf(carrier) {
  return /** @type {{ openpipe?: CallInfo } | null | undefined} */ (carrier)?.openpipe;
}

/** @param {Attempt} attempt */
function describeAttempt({ outcome, status, durationMs, tries, firstTokenMs }) {
  const parts = [
    outcome === 'ok' || status === undefined ? outcome : `${outcome} (${status})`,
    `after ${Math.round(durationMs)} ms`,
  ];
  if (tries > 1) parts.push(`${tries} tries`);
  if (firstTokenMs !== undefined) parts.push(`first token after ${Math.round(firstTokenMs)} ms`);
  return parts.join(', ');
}

/** @param {unknown} error */
function describeError(error) {
  if (!(error instanceof Error)) return String(error);
  return `${error.constructor.name}: ${shorten(error.message)}`;
}

/** @param {string} text */
function quote(text) {
  return `"${shorten(text)}"`;
}

/** @param {string} text */
function shorten(text) {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 90 ? `${line.slice(0, 89)}…` : line;
}
