/**
 * Calls that are under way while the process is stopped, and what becomes of each.
 * Arguments: the base URL of the upstream, the transport.
 */

import OpenAI from 'openpipe-native';

const [baseURL, transport] = process.argv.slice(2);
const openai = new OpenAI({ apiKey: 'sk-0123456789', baseURL, openpipe: /** @type {any} */ ({ transport }) });
/** @type {[{ role: 'user', content: string }]} */
const messages = [{ role: 'user', content: 'hi' }];
const fallback = { model: 'fallback' };

/** @param {string} name @param {any} openpipe @param {any} options */
async function completion(name, openpipe, options) {
  const answer = await openai.chat.completions.create({ model: name, messages, openpipe }, options);
  return answer.choices[0]?.message.content;
}

/** @param {string} name @param {any} openpipe @param {any} options */
async function stream(name, openpipe, options) {
  let text = '';
  for await (const chunk of await openai.chat.completions.create(
    { model: name, messages, stream: true, openpipe },
    options,
  )) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  return text;
}

const short = { timeout: 1_500, maxRetries: 0 };
const all = await Promise.allSettled([
  completion('completion', {}, short),
  completion('completion-with-fallback', { fallback }, short),
  stream('stream', { idleTimeout: 1_500 }, {}),
  stream('held', { fallback, idleTimeout: 1_500, holdUntil: 'finish' }, {}),
]);
console.log(JSON.stringify(all.map((each) => (each.status === 'fulfilled' ? each.value : String(each.reason)))));
