/**
 * The main thread and workers, all with the addon. Arguments: a scene, a base URL.
 */

import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const [scene = '', baseURL = ''] = isMainThread ? process.argv.slice(2) : [workerData.scene, workerData.baseURL];
/** @type {any[]} */
const messages = [{ role: 'user', content: 'Hi' }];

async function newClient() {
  const { default: OpenAI } = await import('openpipe-native');
  return new OpenAI({ apiKey: 'sk', baseURL, openpipe: { logRequest: false }, logLevel: 'off' });
}

/** @param {number} count */
async function complete(count) {
  const openai = await newClient();
  const calls = Array.from({ length: count }, () => openai.chat.completions.create({ model: 'ok', messages }));
  return (await Promise.all(calls)).filter(({ choices }) => choices.length === 1).length;
}

/** @param {string} does */
function startWorker(does) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { scene: does, baseURL } });
  // Listened for from the start: both may come at once.
  const [said, exited] = [once(worker, 'message'), once(worker, 'exit')];
  said.catch(() => {});
  return { worker, said: said.then(([message]) => message), exited: exited.then(([code]) => code) };
}

/** @type {Record<string, () => Promise<unknown>>} */
const inWorker = {
  completes: async () => parentPort?.postMessage(await complete(20)),
  async 'reads a stream'() {
    const openai = await newClient();
    const stream = await openai.chat.completions.create({ model: 'endless', messages, stream: true });
    let read = 0;
    for await (const _ of stream) if (++read === 2) parentPort?.postMessage('under way');
  },
  async 'waits for a request of the API'() {
    const { default: OpenPipe } = await import('openpipe-native/client');
    void new OpenPipe({ apiKey: 'op', baseUrl: baseURL }).createModel(/** @type {any} */ ({ model: 'silence' }));
    parentPort?.postMessage('under way');
  },
  async 'exits in the middle'() {
    const openai = await newClient();
    void openai.chat.completions.create({ model: 'silence', messages });
    setTimeout(() => process.exit(5), 30);
  },
};

/** @type {Record<string, () => Promise<unknown>>} */
const inMain = {
  async 'workers one after the other, and none in main'() {
    const counts = [];
    for (let turn = 0; turn < 6; turn += 1) {
      const { said, exited } = startWorker('completes');
      counts.push(await said);
      await exited;
    }
    console.log(JSON.stringify(counts));
  },
  async 'terminate in the middle of one stream'() {
    await complete(1);
    const { worker, said } = startWorker('reads a stream');
    await said;
    await worker.terminate();
    // The main thread goes on for a while: its own end would close everything.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await complete(3);
  },
  async 'terminate in a request of the API'() {
    await complete(1);
    const { worker, said } = startWorker('waits for a request of the API');
    await said;
    await new Promise((resolve) => setTimeout(resolve, 200));
    await worker.terminate();
    // As above; long enough for the test to see which of the two ends closed the connection.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
  },
  async 'a worker that exits in the middle'() {
    await complete(1);
    console.log(`exited with ${await startWorker('exits in the middle').exited}`);
    console.log(await complete(3));
  },
};

await (isMainThread ? inMain : inWorker)[scene]?.();
