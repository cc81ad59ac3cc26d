/** Says whether a call goes past the global `fetch`, replaced as a program would, without a test runner's variables. */

import OpenAI from 'openpipe-native';

const [kind] = process.argv.slice(2);
let calls = 0;
/** @type {any} */
const replacement = async () => {
  calls += 1;
  throw new TypeError('fetch failed');
};
// As vi.fn() and jest.fn() mark theirs.
if (kind === 'mock') replacement._isMockFunction = true;
// As a file of `node:test` that is run by itself.
if (kind === 'node-test') await import('node:test');
// As mocha has its globals.
if (kind === 'globals') Object.assign(globalThis, { describe() {}, it() {} });
globalThis.fetch = replacement;

const openai = new OpenAI({ apiKey: 'sk-test', baseURL: 'http://127.0.0.1:1/v1', maxRetries: 0 });
await openai.chat.completions.create({ model: 'gpt-4o', messages: [] }).catch(() => {});
process.stdout.write(`requests are ${calls > 0 ? 'replaced' : 'native'}\n`);
