/**
 * Programs that end, each in its own way, with a report that is not delivered yet. Arguments: a scene, the base URL of the
 * upstream, that of OpenPipe. What it prints last is when its own work was done, as Unix time.
 */

import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const [scene = '', baseURL = '', baseUrl = ''] = isMainThread ? process.argv.slice(2) : workerData;
const model = 'own-model';
/** @type {any[]} */
const messages = [{ role: 'user', content: 'Count to 10' }];
const done = () => {
  console.log(`done at ${Date.now()}`);
  parentPort?.postMessage('done');
};

async function newClient() {
  const { default: OpenAI } = await import('openpipe-native');
  return new OpenAI({ apiKey: 'sk', baseURL, maxRetries: 0, logLevel: 'off', openpipe: { apiKey: 'opk', baseUrl } });
}

/** @param {string} does */
function startWorker(does) {
  return new Worker(new URL(import.meta.url), { workerData: [does, baseURL, baseUrl] });
}

/** @param {any} [body] @returns {Promise<any>} */
async function call(body) {
  const openai = await newClient();
  return openai.chat.completions.create({ model, messages, ...body });
}

/** @type {Record<string, () => Promise<unknown>>} */
const scenes = {
  async 'a completion'() {
    await call();
    done();
  },
  async 'a call that nobody awaits'() {
    void (await newClient()).chat.completions.create({ model, messages }).then(done);
  },
  async 'a stream'() {
    for await (const _ of await call({ stream: true }));
    done();
  },
  async 'a stream that is left early'() {
    for await (const _ of await call({ stream: true, model: 'endless' })) break;
    done();
  },
  async 'a stream that is aborted unread'() {
    (await call({ stream: true, model: 'endless' })).controller.abort();
    done();
  },
  async 'a stream that fails'() {
    try {
      for await (const _ of await call({ stream: true, model: 'dies-mid-stream' }));
    } catch {
      done();
    }
  },
  async 'a call that fails'() {
    await call({ model: 'status-400' }).catch(done);
  },
  async 'a hundred calls'() {
    const openai = await newClient();
    const calls = Array.from({ length: 100 }, () => openai.chat.completions.create({ model, messages }));
    await Promise.all(calls);
    done();
  },
  async 'two calls, two seconds apart'() {
    await call();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await call();
    done();
  },
  async 'a client that is closed'() {
    const openai = await newClient();
    await openai.chat.completions.create({ model, messages });
    void openai.close();
    done();
  },
  async 'a last call, made when all else is done'() {
    await call();
    process.once('beforeExit', () => void call({ user: 'the last one' }).then(done));
  },
  async 'a call after the wait for another'() {
    await call();
    let turns = 0;
    process.on('beforeExit', () => {
      // The first time is when the wait for the first report begins, the second when it is over.
      if (++turns === 2) void call({ user: 'the last one' }).then(done);
    });
  },
  async 'a call that OpenPipe serves'() {
    await call({ model: 'openpipe:m' });
    done();
  },
  async 'a call that is not to be logged'() {
    await call({ openpipe: { logRequest: false } });
    done();
  },
  async 'no call'() {
    await newClient();
    done();
  },
  async "a request of OpenPipe's own API"() {
    const { default: OpenPipe } = await import('openpipe-native/client');
    void new OpenPipe({ apiKey: 'opk', baseUrl }).report({}).then(({ status }) => {
      console.log(status);
      done();
    });
  },

  async 'process.exit() after a call'() {
    await call();
    done();
    process.exit(3);
  },
  async 'process.exit() while it waits for the report'() {
    await call();
    setTimeout(() => {
      done();
      process.exit(3);
    }, 1_000).unref();
  },
  async 'process.exit() while reportingFinished is awaited'() {
    const { openpipe } = await call();
    setTimeout(() => {
      done();
      process.exit(3);
    }, 500);
    await openpipe.reportingFinished;
  },
  async 'an uncaught exception'() {
    await call();
    done();
    setTimeout(() => {
      throw new Error('nobody catches this');
    }, 0);
  },

  async 'a worker'() {
    startWorker('a completion');
  },
  async 'three workers and the main thread'() {
    for (let count = 0; count < 3; count += 1) startWorker('a hundred calls');
    await call();
  },
  async 'process.exit() in a worker'() {
    const [code] = await once(startWorker('process.exit() after a call'), 'exit');
    process.exitCode = code;
  },
  async 'a worker that is terminated'() {
    const worker = startWorker('a completion');
    await once(worker, 'message');
    // What it printed is still on its way here.
    setTimeout(() => void worker.terminate(), 300);
  },
};

await scenes[scene]?.();
