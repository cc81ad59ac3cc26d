/** A call and a stream where another global `Promise` is put in place before the first call. Arguments: an upstream's URL. */

import OpenAI from 'openpipe-native';

const [baseURL] = process.argv.slice(2);
globalThis.Promise = /** @type {any} */ (class Other extends Promise {});

const openai = new OpenAI({ apiKey: 'sk-test', baseURL, maxRetries: 0 });
const { data, response } = await openai.chat.completions.create({ model: 'gpt-4o', messages: [] }).withResponse();
console.log(response.status, data.choices[0]?.message.content);
let text = '';
const stream = await openai.chat.completions.create({ model: 'gpt-4o', messages: [], stream: true });
for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
console.log(text);
