/** Makes calls and tells what became of them, without rejecting: an error is a result like any other here. */

import { PRIMARY } from './upstreams.mjs';

/**
 * @import OpenAI from 'openpipe-native'
 * @import { OpenPipeCallOptions, OpenPipeErrorInfo, OpenPipeResult, OpenPipeStream } from 'openpipe-native'
 */

/** @type {[{ role: 'user', content: string }]} */
export const MESSAGES = [{ role: 'user', content: 'Count to 10' }];

/**
 * An endpoint to a test: how it is called, and what its answers say.
 * @typedef {object} EndpointCall
 * @property {(openai: OpenAI) => (body: any, options: any) => PromiseLike<any>} create
 * @property {Record<string, unknown>} body
 * @property {(answer: any) => string} textOf
 * @property {(chunk: any) => string} piece The text of a chunk.
 * @property {(chunk: any) => boolean} opens A chunk that there is once in a stream.
 * @property {(chunk: any) => boolean} ends
 */

/** Every endpoint of the engine. @type {Record<'chat' | 'completions' | 'responses' | 'embeddings', EndpointCall>} */
export const ENDPOINTS = {
  chat: {
    create: (openai) => (body, options) => openai.chat.completions.create(body, options),
    body: { messages: MESSAGES },
    textOf: (answer) => answer.choices[0]?.message.content ?? '',
    piece: (chunk) => chunk.choices[0]?.delta.content ?? '',
    opens: ({ choices }) => Boolean(choices[0]?.delta.role),
    ends: ({ choices }) => Boolean(choices[0]?.finish_reason),
  },
  completions: {
    create: (openai) => (body, options) => openai.completions.create(body, options),
    body: { prompt: 'Count to 10' },
    textOf: (answer) => answer.choices[0]?.text,
    piece: (chunk) => chunk.choices[0]?.text,
    opens: ({ choices }) => choices[0]?.text === '' && !choices[0].finish_reason,
    ends: ({ choices }) => Boolean(choices[0]?.finish_reason),
  },
  responses: {
    create: (openai) => (body, options) => openai.responses.create(body, options),
    body: { input: 'Count to 10' },
    textOf: (answer) => answer.output_text,
    piece: ({ type, delta }) => (type === 'response.output_text.delta' ? delta : ''),
    opens: ({ type }) => type === 'response.created',
    ends: ({ type }) => type === 'response.completed',
  },
  embeddings: {
    create: (openai) => (body, options) => openai.embeddings.create(body, options),
    body: { input: 'Count to 10' },
    textOf: (answer) => String.fromCharCode(...answer.data[0].embedding),
    piece: () => '',
    opens: () => false,
    ends: () => false,
  },
};

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
 * One call, to its end.
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
 * Whatever a stream gives, and the error that it ended with, if it did.
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
 * What a promise was rejected with. Fails where it was not.
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
 * Waits until something is so, at most for `ms`, and tells whether it is.
 * @param {() => boolean} holds
 * @param {number} [ms]
 */
export async function eventually(holds, ms = 5_000) {
  const end = performance.now() + ms;
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  return holds();
}
