/** A circuit that the main thread opens, as a worker thread finds it. Argument: a base URL. */

import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import OpenAI from 'openpipe-native';

const baseURL = isMainThread ? process.argv[2] : workerData;
const openai = new OpenAI({
  apiKey: 'sk',
  baseURL,
  logLevel: 'off',
  openpipe: { breaker: { failures: 2, openFor: 600_000 }, fallback: { model: 'ok' } },
});

async function outcome() {
  /** @type {any[]} */
  const messages = [{ role: 'user', content: 'Hi' }];
  const { openpipe } = await openai.chat.completions.create({ model: 'down', messages });
  return openpipe.attempts[0]?.outcome;
}

if (isMainThread) {
  const main = [await outcome(), await outcome()];
  const worker = new Worker(new URL(import.meta.url), { workerData: baseURL });
  const [said] = await once(worker, 'message');
  console.log(JSON.stringify({ main, worker: [said] }));
} else {
  parentPort?.postMessage(await outcome());
}
