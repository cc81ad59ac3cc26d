/**
 * JavaScript clients in worker threads. Arguments: a scene, the base URL of an upstream that refuses every request. Each
 * worker says when its client has been asked. What it prints last is `done`.
 */

import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import OpenAI from 'openpipe-native';

import { chunks, completion, contentChunk, never, pause, streamOf } from '../../support/custom-clients.mjs';

/** @type {any[]} */
const messages = [{ role: 'user', content: 'Hi' }];

/**
 * What the client of a worker does, by its name.
 * @type {Record<string, (body: any) => any>}
 */
const behaviours = {
  answers: async (body) => {
    await pause(10);
    return body.stream ? streamOf(chunks('from a worker')) : completion(body.model, 'from a worker');
  },
  hangs: () => {
    parentPort?.postMessage('asked');
    return never();
  },
  streams: async (body) => {
    if (!body.stream) return completion(body.model, 'and now the stream');
    return (async function* () {
      for (;;) {
        parentPort?.postMessage('asked');
        yield contentChunk('x'.repeat(1000));
        await pause(1);
      }
    })();
  },
  blocks: () => {
    parentPort?.postMessage('asked');
    for (;;);
  },
  exits: () => process.exit(3),
  throws: () => {
    throw new Error('in the client');
  },
};

/** @param {string} behaviour @param {string} baseURL */
function clientWith(behaviour, baseURL) {
  const create = /** @type {(body: any) => any} */ (behaviours[behaviour]);
  return new OpenAI({
    apiKey: 'sk',
    baseURL,
    openpipe: {
      apiKey: 'opk',
      baseUrl: baseURL,
      logRequest: false,
      fallbackClient: { chat: { completions: { create } } },
    },
  });
}

/** Both modes of one call. @param {OpenAI} openai @returns {Promise<string>} */
async function both(openai) {
  const body = { model: 'openpipe:m', messages, openpipe: { fallback: { model: 'f' } } };
  const whole = await openai.chat.completions.create(body);
  let text = `${whole.choices[0]?.message.content} / `;
  for await (const chunk of await openai.chat.completions.create({ ...body, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  return text;
}

/** @param {string} behaviour @param {string} baseURL */
function start(behaviour, baseURL) {
  return new Worker(new URL(import.meta.url), { workerData: { behaviour, baseURL } });
}

/** @param {string} scene @param {string} baseURL */
async function play(scene, baseURL) {
  switch (scene) {
    case 'answers':
    case 'throws': {
      const worker = start(scene, baseURL);
      const exited = once(worker, 'exit');
      const [said] = await once(worker, 'message');
      const [code] = await exited;
      console.log(`${said} (exit ${code})`);
      break;
    }
    case 'many': {
      const workers = Array.from({ length: 4 }, () => start('answers', baseURL));
      const ends = workers.map(async (worker) => {
        const exited = once(worker, 'exit');
        const [said] = await once(worker, 'message');
        return [said, (await exited)[0]];
      });
      console.log(JSON.stringify([await both(clientWith('answers', baseURL)), ...(await Promise.all(ends))]));
      break;
    }
    case 'exits': {
      const [code] = await once(start('exits', baseURL), 'exit');
      console.log(`exit ${code}`);
      break;
    }
    default: {
      // Terminated with calls in flight, again and again; the process goes on as if nothing had been.
      for (let round = 0; round < 3; round += 1) {
        const worker = start(scene, baseURL);
        await once(worker, 'message');
        if (round > 0) await pause(20);
        console.log(`exit ${await worker.terminate()}`);
      }
      console.log(await both(clientWith('answers', baseURL)));
    }
  }
  console.log('done');
}

if (isMainThread) {
  const [scene = '', baseURL = ''] = process.argv.slice(2);
  await play(scene, baseURL);
} else {
  const openai = clientWith(workerData.behaviour, workerData.baseURL);
  const calls = await Promise.all(Array.from({ length: 5 }, () => both(openai).catch((error) => error.message)));
  parentPort?.postMessage([...new Set(calls)].join());
}
