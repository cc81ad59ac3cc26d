/** A small server in three processes, each of which calls the upstream. Argument: a base URL. Prints the outcome as JSON. */

import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';

import OpenAI from 'openpipe-native';

const [baseURL = ''] = process.argv.slice(2);
const WORKERS = 3;
const REQUESTS = 60;

const openai = new OpenAI({
  ...{ apiKey: 'sk', baseURL, maxRetries: 0, logLevel: 'off' },
  openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false },
});

/** @param {string} model */
async function answer(model) {
  const messages = [{ role: /** @type {const} */ ('user'), content: 'Hi' }];
  const body = { model: 'openpipe:status-500', messages, openpipe: { fallback: { model } } };
  return (await openai.chat.completions.create(body)).choices[0]?.message.content ?? '';
}

if (cluster.isPrimary) {
  // The addon is in use before there are workers, and meanwhile.
  const own = [await answer('primary')];
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  const exits = workers.map((worker) => once(worker, 'exit'));
  const [ports] = await Promise.all([Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))]);
  const names = Array.from({ length: REQUESTS }, (_, number) => `request-${number}`);
  const answers = await Promise.all(
    names.map(async (name) => (await fetch(`http://127.0.0.1:${ports[0]}/${name}`)).json()),
  );
  own.push(await answer('primary'));
  // One is killed with a call under way, the others end in order.
  workers[0]?.process.kill('SIGKILL');
  for (const worker of workers.slice(1)) worker.disconnect();
  const ends = await Promise.all(exits);
  const right = answers.filter(({ text }, number) => text.endsWith(`with the model ${names[number]}.`)).length;
  const pids = new Set(answers.map(({ pid }) => pid)).size;
  console.log(JSON.stringify({ own: own.length, right, pids, ends: ends.map(([code, signal]) => signal ?? code) }));
} else {
  const server = createServer(async (request, response) => {
    const text = await answer(request.url?.slice(1) ?? '');
    response.setHeader('connection', 'close');
    response.end(JSON.stringify({ pid: process.pid, text }));
  });
  if (cluster.worker?.id === 1) void openai.chat.completions.create({ model: 'silence', messages: [] }).catch(() => {});
  server.listen(0, '127.0.0.1', () => {
    process.send?.(/** @type {import('node:net').AddressInfo} */ (server.address()).port);
  });
}
