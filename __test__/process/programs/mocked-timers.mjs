/**
 * What a program does whose test has put a clock of its own in the place of Node.js's, before the package is loaded: one
 * call, and nothing else that keeps the process. Arguments: the URL of an upstream; `custom` for a custom client's stream.
 */

import { mock } from 'node:test';

mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] });
const { default: OpenAI } = await import('openpipe-native');

const [baseURL, kind] = process.argv.slice(2);
const model = 'gpt-4o';
const chunk = (/** @type {object} */ delta, /** @type {string | null} */ finish_reason = null) => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model,
  choices: [{ index: 0, delta, finish_reason }],
});
const custom = /** @type {any} */ ({
  chat: {
    completions: {
      create: async function* () {
        yield chunk({ content: 'custom' });
        yield chunk({}, 'stop');
      },
    },
  },
});

const openai = new OpenAI({
  apiKey: 'sk-test',
  baseURL,
  maxRetries: 0,
  ...(kind === 'custom' ? { openpipe: { fallbackClient: custom } } : {}),
});
if (kind === 'custom') {
  const stream = await openai.chat.completions.create({
    model,
    messages: [],
    stream: true,
    openpipe: { fallback: { model } },
  });
  let text = '';
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
  console.log(text);
} else {
  const completion = await openai.chat.completions.create({ model, messages: [] });
  console.log(completion.choices[0]?.message.content);
}
