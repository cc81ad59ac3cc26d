/** Makes calls and returns their outcomes. An error is a result, not a rejection. */

import { ENDPOINTS, MESSAGES } from './endpoints.mjs';
import { PRIMARY } from './upstreams.mjs';

/**
 * @import OpenAI from 'openpipe-native'
 * @import { OpenPipeCallOptions, OpenPipeErrorInfo, OpenPipeResult, OpenPipeStream } from 'openpipe-native'
 */

export { MESSAGES };

/**
 * @typedef {object} Told
 * @property {string} text What was there to read, also before an error.
 * @property {any} error
 * @property {'create' | 'iterator' | undefined} failedIn Where the error came from.
 * @property {any[]} chunks
 * @property {OpenPipeErrorInfo | (OpenPipeResult & { errors?: undefined })} info Of the answer, else of the error.
 * @property {number} ms
 */

/**
 * @typedef {object} Asking
 * @property {keyof typeof ENDPOINTS} [endpoint] Default: chat.
 * @property {boolean} [stream]
 * @property {string} [model]
 * @property {OpenPipeCallOptions} [openpipe]
 * @property {Record<string, any>} [body] More members.
 * @property {any} [options] The second argument of `create`.
 */

/**
 * Makes one call, and waits for its end.
 * @param {OpenAI} openai
 * @param {Asking} [asking]
 * @returns {Promise<Told>}
 */
export async function ask(openai, { endpoint = 'chat', stream, model = PRIMARY, openpipe, body, options } = {}) {
  const { create, body: usual, textOf: textOfAnswer, piece } = ENDPOINTS[endpoint];
  const started = performance.now();
  const since = () => performance.now() - started;
  const request = {
    model,
    ...usual,
    ...(endpoint === 'embeddings' ? {} : { stream: stream ?? false }),
    openpipe,
    ...body,
  };
  /** @type {any} */
  let answer;
  try {
    answer = await create(openai)(request, options);
  } catch (error) {
    return { text: '', chunks: [], error, failedIn: 'create', info: infoOf(error), ms: since() };
  }
  if (!stream) {
    const text = textOfAnswer(answer);
    return { text, chunks: [], error: undefined, failedIn: undefined, info: answer.openpipe, ms: since() };
  }
  const { chunks, error } = await readAll(answer);
  const failedIn = error === undefined ? undefined : 'iterator';
  const info = error === undefined ? answer.openpipe : infoOf(error);
  return { text: chunks.map(piece).join(''), chunks, error, failedIn, info, ms: since() };
}

/** @param {unknown} error */
function infoOf(error) {
  return /** @type {any} */ (error)?.openpipe;
}

/**
 * The chunks of a stream, and the error that it ended with, if any.
 * @param {AsyncIterable<any>} stream
 */
export async function readAll(stream) {
  /** @type {any[]} */
  const chunks = [];
  try {
    for await (const chunk of stream) chunks.push(chunk);
    return { chunks, error: undefined };
  } catch (error) {
    return { chunks, error: /** @type {any} */ (error) };
  }
}

/** @param {any[]} chunks */
export function textOf(chunks) {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
}

/**
 * The reason of a rejected promise. Fails if it was not rejected.
 * @param {PromiseLike<unknown>} promise
 * @returns {Promise<any>}
 */
export async function rejection(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
}

/**
 * Waits until a condition holds, for at most `ms`. Returns whether it does.
 * @param {() => boolean} holds
 * @param {number} [ms]
 */
export async function eventually(holds, ms = 5_000) {
  const end = performance.now() + ms;
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  return holds();
}

/**
 * Blocks JavaScript's thread: no timer, socket or callback runs. It sleeps, so that other tests can use the CPU core.
 * @param {number} ms
 */
export function blockEventLoop(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
