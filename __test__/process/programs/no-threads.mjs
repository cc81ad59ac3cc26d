/**
 * Calls of a process that can have no further thread: natively, as a stream, and one whose fallback is a client of JavaScript.
 * Argument: the base URL of an upstream. Says first that it is up: at some limits Node.js itself is not.
 */

import OpenAI from 'openpipe-native';

console.log('up');
const [baseURL = ''] = process.argv.slice(2);
/** @type {[{ role: 'user', content: string }]} */
const messages = [{ role: 'user', content: 'hi' }];
const choices = [{ index: 0, message: { role: 'assistant', content: 'of the custom client' }, finish_reason: 'stop' }];
const client = { chat: { completions: { create: async () => ({ id: 'c', choices }) } } };

const openai = new OpenAI({ apiKey: 'sk-0123456789', baseURL, maxRetries: 0, timeout: 10_000, logLevel: 'off' });
/** @param {any} openpipe @param {boolean} [stream] */
async function outcome(openpipe, stream = false) {
  try {
    const answer = /** @type {any} */ (
      await openai.chat.completions.create({ model: 'm', messages, stream, openpipe }, { timeout: 10_000 })
    );
    if (!stream) return answer.choices[0].message.content;
    let text = '';
    for await (const part of answer) text += part.choices[0]?.delta.content ?? '';
    return text;
  } catch (error) {
    return /** @type {any} */ (error).constructor.name;
  }
}
// A name that is looked up, and an address that is not.
const byName = baseURL.replace('127.0.0.1', 'localhost');
const outcomes = {
  fallback: await outcome({ fallback: { model: 'f', client } }),
  byName: await (async () => {
    const named = new OpenAI({ apiKey: 'sk-0123456789', baseURL: byName, maxRetries: 0, logLevel: 'off' });
    const openpipe = /** @type {any} */ ({ fallback: { model: 'f', client } });
    const answer = await named.chat.completions.create({ model: 'm', messages, openpipe });
    return answer.choices[0]?.message.content;
  })().catch((error) => error.constructor.name),
  alone: await outcome({}),
  stream: await outcome({}, true),
};
console.log(JSON.stringify(outcomes));
