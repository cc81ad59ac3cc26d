/** Worker threads that come and go with the addon. Arguments: a scene, a base URL. Prints what there is to know as JSON. */

import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { openDescriptors, settledMemory, threads } from '../../support/process.mjs';

const [scene = '', baseURL = ''] = isMainThread ? process.argv.slice(2) : [workerData.scene, workerData.baseURL];
/** @type {any[]} */
const messages = [{ role: 'user', content: 'Hi' }];
const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {any} [openpipe] */
async function newClient(openpipe) {
  const { default: OpenAI } = await import('openpipe-native');
  return new OpenAI({
    ...{ apiKey: 'sk', baseURL, maxRetries: 0, logLevel: 'off' },
    openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false, ...openpipe },
  });
}

/** The answers to so many calls, each with its own name, that were right. @param {string} who @param {number} count */
async function right(who, count) {
  const openai = await newClient();
  const names = Array.from({ length: count }, (_, number) => `${who}-${number}`);
  const answers = await Promise.all(
    names.map(async (model, number) => {
      if (number % 2 === 0)
        return (await openai.chat.completions.create({ model, messages })).choices[0]?.message.content;
      let text = '';
      for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true }))
        text += chunk.choices[0]?.delta.content ?? '';
      return text;
    }),
  );
  return answers.filter((text, number) => text?.endsWith(`with the model ${names[number]}.`)).length;
}

/** @param {string} does @param {import('node:worker_threads').WorkerOptions} [options] */
function startWorker(does, options) {
  const worker = new Worker(new URL(import.meta.url), { ...options, workerData: { scene: does, baseURL } });
  const [said, exited] = [once(worker, 'message'), once(worker, 'exit')];
  said.catch(() => {});
  exited.catch(() => {});
  return { worker, said: said.then(([message]) => message), exited: exited.then(([code]) => code) };
}

const underWay = () => parentPort?.postMessage('under way');

/** @type {Record<string, () => Promise<unknown>>} */
const inWorker = {
  calls: async () => parentPort?.postMessage(await right(`worker-${workerData.scene}`, 20)),
  async 'request and stream'() {
    const openai = await newClient();
    const fallback = { model: 'silence' };
    const body = { model: 'openpipe:reset', messages };
    void openai.chat.completions.create({ model: 'openpipe:silence', messages, openpipe: { fallback } });
    const movedOn = new Promise((resolve) => {
      void openai.chat.completions.create({ ...body, openpipe: { fallback, onFallback: resolve } });
    });
    const stream = await openai.chat.completions.create({ model: 'endless', messages, stream: true });
    let read = 0;
    for await (const _ of stream) if (++read === 2) void movedOn.then(underWay);
  },
  async report() {
    const openai = await newClient({ logRequest: true });
    const { openpipe } = await openai.chat.completions.create({ model: 'ok', messages });
    void openpipe.reportingFinished;
    underWay();
  },
  async 'the first call'() {
    underWay();
    const openai = await newClient();
    for (;;) await openai.chat.completions.create({ model: 'ok', messages });
  },
  async 'until memory is out'() {
    const openai = await newClient();
    underWay();
    const kept = [];
    for (;;) {
      const stream = await openai.chat.completions.create({ model: 'ok', messages, stream: true });
      for await (const chunk of stream)
        kept.push(
          chunk,
          Array.from({ length: 10_000 }, () => ({ chunk })),
        );
    }
  },
};

/** Again and again. @param {string} does @param {number} turns */
async function terminate(does, turns) {
  for (let turn = 0; turn < turns; turn += 1) {
    const { worker, said } = startWorker(does);
    await said;
    // At different points of what it does: at once, and one millisecond later with each turn.
    if (turn > 0) await pause(turn);
    await worker.terminate();
  }
  return right('main', 10);
}

/** @type {Record<string, () => Promise<unknown>>} */
const inMain = {
  'terminate 7 times in the middle of a request and of a stream': () => terminate('request and stream', 7),
  'terminate 7 times in the middle of a report': () => terminate('report', 7),
  'terminate 7 times while the addon is loaded and first called': () => terminate('the first call', 7),
  async 'terminate 8 at once, while the main thread calls'() {
    const does = ['request and stream', 'request and stream', 'report', 'the first call'];
    const started = [...does, ...does].map((each) => startWorker(each));
    const mine = right('main', 200);
    await Promise.all(started.map(({ said }) => said));
    await Promise.all(started.map(({ worker }) => worker.terminate()));
    return [await mine, await right('main', 10)];
  },
  async '8 at once'() {
    const workers = Array.from({ length: 8 }, () => startWorker('calls'));
    const mine = right('main', 20);
    const counts = await Promise.all(workers.map(({ said }) => said));
    const codes = await Promise.all(workers.map(({ exited }) => exited));
    return [await mine, ...counts, ...codes];
  },
  async 'out of memory'() {
    const { worker, exited } = startWorker('until memory is out', { resourceLimits: { maxOldGenerationSizeMb: 32 } });
    const error = once(worker, 'error').then(([error]) => error.code);
    const [code] = await Promise.all([error, exited.catch(() => 1)]);
    return [code, await right('main', 10)];
  },
  /** Loaded, used and unloaded; in the main thread never. With --expose-gc. */
  async 'load and unload'() {
    const rounds = [];
    for (let turn = 0; turn < 9; turn += 1) {
      const { said, exited } = startWorker('calls');
      const [answers] = await Promise.all([said, exited]);
      if (answers !== 20) throw new Error(`${answers} answers`);
      if (turn % 3 === 2)
        rounds.push({ ...(await settledMemory()), threads: await settledThreads(), open: openDescriptors() });
    }
    return rounds;
  },
};

/** Threads end in the background: as few as there are within two seconds. */
async function settledThreads() {
  let least = threads();
  for (let wait = 0; wait < 20; wait += 1) {
    await pause(100);
    least = Math.min(least, threads());
  }
  return least;
}

if (isMainThread) {
  console.log(JSON.stringify(await inMain[scene]?.()));
} else {
  await inWorker[scene]?.();
}
