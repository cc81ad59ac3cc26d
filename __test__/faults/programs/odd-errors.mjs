/**
 * Error bodies that are deep or odd, each with a call that fails by it alone, and with one whose fallback hangs until the caller
 * aborts; another call has the same signal. Argument: the transport. Prints what did not end as it should; anything uncaught ends
 * the process.
 */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';

import OpenAI from 'openpipe-native';

const deep = (/** @type {number} */ depth, open = '[', close = ']', core = '') =>
  open.repeat(depth) + core + close.repeat(depth);

/** @type {Record<string, string | Buffer>} */
const BODIES = {
  'arrays 5,000 deep': `{"error":${deep(5_000)}}`,
  'arrays 100,000 deep': `{"error":${deep(100_000)}}`,
  'objects 5,000 deep': `{"error":${deep(5_000, '{"a":', '}', '1')}}`,
  'a message 5,000 deep': `{"error":{"message":${deep(5_000)},"code":"x","type":"y","param":"z"}}`,
  'a code 5,000 deep': `{"error":{"message":"m","code":${deep(5_000)},"type":${deep(5_000)},"param":${deep(5_000)}}}`,
  'deep without `error`': deep(20_000),
  'deep and cut short': '{"error":'.repeat(5_000),
  'a member `__proto__`': '{"error":{"__proto__":{"status":200},"constructor":1,"toString":2,"valueOf":3,"message":"m"}}',
  'members that promises have': '{"error":{"then":1,"catch":2,"stack":3,"name":4,"cause":{"then":5}}}',
  'a getter’s name': '{"error":{"openpipe":{"attempts":1},"status":"x","headers":7,"requestID":[]}}',
  'lone surrogates': '{"error":{"message":"\\ud800","code":"\\udfff\\u0000"}}',
  'no UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  'a text': '"over capacity"',
  'a number': '5',
  'null': 'null',
  'an empty array': '[]',
  'an array of one': '[{"error":{"message":"m","code":503}}]',
  'nothing': '',
  'HTML': '<html><script>1</script></html>',
  'a message of 20 kB': JSON.stringify({ error: { message: 'x'.repeat(1_000_000) } }),
  '2,000 members': JSON.stringify({ error: Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`n${n}`, n])) }),
  'gzip': gzipSync(`{"error":${deep(5_000)}}`),
  'what says to be gzip': 'no gzip',
}; // prettier-ignore
const STATUSES = [401, 503];

const server = createServer(async (req, res) => {
  let text = '';
  for await (const part of req) text += part;
  const { model } = JSON.parse(text);
  if (model === 'hangs') return;
  const [status, name] = JSON.parse(model);
  const headers = name.includes('gzip') ? { 'content-encoding': 'gzip' } : {};
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(BODIES[name]);
});
// On a busy machine a connection is not to be closed while it waits for its next request.
server.keepAliveTimeout = 0;
await once(server.listen(0, '127.0.0.1'), 'listening');
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());

const openai = new OpenAI({
  apiKey: 'sk-0123456789',
  baseURL: `http://127.0.0.1:${port}/v1`,
  maxRetries: 0,
  timeout: 30_000,
  logLevel: 'off',
  openpipe: /** @type {any} */ ({ transport: process.argv[2] }),
});
/** @type {[{ role: 'user', content: string }]} */
const messages = [{ role: 'user', content: 'hi' }];
/** @param {string} model @param {any} [openpipe] @param {AbortSignal} [signal] @returns {Promise<any>} */
const failure = (model, openpipe, signal) =>
  openai.chat.completions.create({ model, messages, openpipe }, { signal }).then(
    () => 'an answer',
    (error) => error,
  );

/** @type {string[]} */
const wrong = [];
let count = 0;
/** @param {string} name @param {number} status */
async function tryOne(name, status) {
  count += 1;
  const where = `${status} ${name}`;
  const model = JSON.stringify([status, name]);
  const alone = await failure(model);
  if (!(alone instanceof OpenAI.APIError)) wrong.push(`${where}: ${alone?.constructor?.name ?? alone}`);
  else if (alone.status !== status) wrong.push(`${where}: the status is ${alone.status}`);
  if (alone?.openpipe?.attempts?.[0]?.status !== status) wrong.push(`${where}: no attempts`);
  try {
    String(alone?.message);
    String(alone?.stack);
  } catch {
    wrong.push(`${where}: the error cannot be shown`);
  }

  const controller = new AbortController();
  const fallback = { model: 'hangs' };
  const moved = new Promise((resolve) => {
    const onFallback = () => resolve(undefined);
    const calls = [
      failure(model, { fallback, onFallback }, controller.signal),
      failure('hangs', undefined, controller.signal),
    ];
    all.push(Promise.all(calls).then((errors) => {
      for (const error of errors) if (!(error instanceof OpenAI.APIUserAbortError)) wrong.push(`${where}, aborted: ${error}`);
    })); // prettier-ignore
  });
  await moved;
  controller.abort();
}
/** @type {Promise<unknown>[]} */
const all = [];
await Promise.all(Object.keys(BODIES).flatMap((name) => STATUSES.map((status) => tryOne(name, status))));
await Promise.all(all);
console.log(JSON.stringify({ count, wrong }));
server.closeAllConnections();
server.close();
