/**
 * Calls of one endpoint, and what may be left of them when a program has nothing else to do. Arguments: the endpoint, the base URL
 * of the upstream. What it prints last is when its own work was done, as Unix time.
 */

import OpenAI from 'openpipe-native';

import { ENDPOINTS } from '../../support/endpoints.mjs';

const [endpoint = '', baseURL = ''] = process.argv.slice(2);
const { create, body } = ENDPOINTS[/** @type {keyof typeof ENDPOINTS} */ (endpoint)];
const openai = new OpenAI({ apiKey: 'sk', baseURL, maxRetries: 0, logLevel: 'off', openpipe: { apiKey: '' } });
/** @param {string} model @param {any} [more] @param {any} [options] */
const call = (model, more, options) => create(openai)({ model, ...body, ...more }, options);

await call('good');
await call('failing').then(undefined, () => {});
const aborted = new AbortController();
const waiting = call('silent', {}, { signal: aborted.signal });
aborted.abort();
await waiting.then(undefined, () => {});

if (endpoint !== 'embeddings') {
  const streamed = { stream: true };
  for await (const _ of await call('good', streamed));
  for await (const _ of await call('open', streamed)) break;
  const iterator = (await call('open', streamed))[Symbol.asyncIterator]();
  await iterator.next();
  // Nobody reads these.
  await call('open', streamed);
  await call('good', streamed);
}
console.log(`done at ${Date.now()}`);
