/**
 * Calls whose answer can only be their own, for the load test and the soak: each has a name that no other has, which the
 * upstream puts into its answer.
 */

import OpenAI from 'openpipe-native';

/** @import { OpenPipeCallOptions } from 'openpipe-native' */

/** The time of a primary that never answers; no other call has a time that a busy machine could take. */
const NEVER_ANSWERS_MS = 1_000;

/**
 * The faults of a primary, by the upstream's names; true for those that only a timeout detects.
 * @type {[model: string, hangs?: true][]}
 */
const COMPLETION_FAULTS = [
  ['status-500'],
  ['reset'],
  ['silence', true],
  ['html'],
  ['status-429'],
  ['stall-body', true],
  ['half-body'],
  ['empty'],
  ['close'],
  ['status-503'],
  ['garbage'],
  ['status-401'],
];

/** @type {[model: string, hangs?: true][]} */
const STREAM_FAULTS = [
  ['status-500'],
  ['dies-before-content'],
  ['silence', true],
  ['html'],
  ['dies-after-headers'],
  ['stalls-before-content', true],
  ['ends-before-content'],
  ['status-429'],
  ['keep-alive', true],
  ['reset'],
  ['ends-after-headers'],
  ['empty-deltas', true],
];

/** @typedef {{ stream: boolean, primary: string, hangs: boolean, openpipe?: OpenPipeCallOptions }} Plan */

/** Every second call has a primary that fails. @param {number} number @param {boolean} stream @returns {Plan} */
export function planOf(number, stream) {
  if (number % 2 === 0) return { stream, primary: 'ok', hangs: false };
  const faults = stream ? STREAM_FAULTS : COMPLETION_FAULTS;
  const [primary, hangs = false] = faults[(number >> 1) % faults.length] ?? ['', false];
  return { stream, primary, hangs };
}

/** @param {string} url Of the upstream, which is OpenPipe and the client's own at once. */
export function newClient(url) {
  return new OpenAI({
    apiKey: 'sk',
    baseURL: url,
    logLevel: 'error',
    openpipe: { apiKey: 'opk', baseUrl: url, fallback: { model: 'ok-too' } },
  });
}

/**
 * One call to its end.
 * @param {OpenAI} openai @param {string} name @param {Plan} plan @param {AbortSignal} [signal]
 * @returns {Promise<string | undefined>} What was wrong with it.
 */
export async function callWrong(openai, name, { stream, primary, hangs, openpipe }, signal) {
  const body = {
    model: `openpipe:${primary}`,
    messages: [{ role: /** @type {const} */ ('user'), content: name }],
    user: name,
    // The fallback's time is its own: this one is for the primary.
    openpipe: { fallback: { model: 'ok-too', timeout: 300_000 }, ...openpipe },
  };
  const options = { ...(hangs ? { timeout: NEVER_ANSWERS_MS } : {}), ...(signal ? { signal } : {}) };
  const fails = primary !== 'ok';
  const expected = `${name} by ${fails ? 'ok-too' : 'openpipe:ok'}`;
  const which = `${stream ? 'stream' : 'completion'} of ${primary}`;
  try {
    const { text, openpipe: info } = stream
      ? await readStream(await openai.chat.completions.create({ ...body, stream }, options))
      : await readCompletion(openai.chat.completions.create(body, options));
    const attempts = JSON.stringify(info.attempts);
    if (text !== expected) return `${which}: ${JSON.stringify(text)}, not ${JSON.stringify(expected)} ${attempts}`;
    if (info.servedBy !== (fails ? 'fallback' : 'primary'))
      return `${which}: served by the ${info.servedBy} ${attempts}`;
    return undefined;
  } catch (error) {
    const attempts = JSON.stringify(/** @type {any} */ (error).openpipe?.attempts);
    return `${which}: ${error} ${/** @type {any} */ (error).cause ?? ''} ${attempts}`;
  }
}

/** @param {PromiseLike<any>} call */
async function readCompletion(call) {
  const { choices, openpipe } = await call;
  return { text: choices[0]?.message.content, openpipe };
}

/** @param {any} stream */
async function readStream(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return { text, openpipe: stream.openpipe };
}
