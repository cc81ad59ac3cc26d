/**
 * More calls than there are descriptors for, and then one when there are enough again. Argument: a base URL. Prints what
 * came of it as JSON.
 */

import { closeSync, openSync } from 'node:fs';

import OpenAI from 'openpipe-native';

const [baseURL = ''] = process.argv.slice(2);
const openai = new OpenAI({ apiKey: 'sk', baseURL, maxRetries: 0, logLevel: 'off', openpipe: { logRequest: false } });
/** @type {any} */
const body = { model: 'ok', messages: [] };
await openai.chat.completions.create(body);

const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch (error) {
  if (/** @type {any} */ (error).code !== 'EMFILE') throw error;
}
const calls = Array.from({ length: 50 }, () =>
  openai.chat.completions.create({ ...body, model: 'slow' }).catch((error) => error),
);
const outcomes = (await Promise.all(calls)).map((each) =>
  each instanceof Error ? each.constructor.name : 'an answer',
);
const causes = (await Promise.all(calls)).flatMap((each) =>
  each instanceof Error ? [/** @type {any} */ (each.cause)?.message] : [],
);
for (const descriptor of taken) closeSync(descriptor);
const after = await openai.chat.completions.create(body);
console.log(
  JSON.stringify({ outcomes: [...new Set(outcomes)], causes: [...new Set(causes)], after: after.choices.length }),
);
