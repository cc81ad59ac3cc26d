/**
 * Scenes from the life of a process. Arguments: a scene, a base URL. Models are those of the upstream's named behaviours.
 * What it prints last is when it was done, as Unix time.
 */

import { getEventListeners } from 'node:events';

import OpenAI from 'openpipe-native';

const [scene = '', baseURL = ''] = process.argv.slice(2);

const newClient = () =>
  new OpenAI({ apiKey: 'sk', baseURL, openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false } });
const openai = newClient();
/** @type {any[]} */
const messages = [{ role: 'user', content: 'Hi' }];

/** @param {string} model @param {any} [more] */
const complete = (model, more = {}) => openai.chat.completions.create({ model, messages, openpipe: more.openpipe });
/** @param {string} model @param {any} [more] */
const stream = (model, more = {}) =>
  openai.chat.completions.create({ model, messages, stream: true, openpipe: more.openpipe });
const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
const done = () => console.log(`done at ${Date.now()}`);

/** @type {Record<string, () => Promise<unknown>>} */
const scenes = {
  async 'a completion'() {
    console.log((await complete('ok')).choices[0]?.message.content);
    done();
  },
  async 'a stream'() {
    for await (const chunk of await stream('ok')) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
    done();
  },
  async 'a stream that is broken off'() {
    for await (const _ of await stream('stalls-mid-stream')) break;
    done();
  },
  async 'a stream that is done, on a connection that stays open'() {
    for await (const _ of await stream('done-stays-open'));
    done();
  },
  async 'a call that falls back'() {
    const { openpipe } = await complete('reset', { openpipe: { fallback: { model: 'ok' } } });
    console.log(openpipe.servedBy);
    done();
  },
  async 'a call that fails'() {
    await complete('status-400').catch((error) => console.log(error.status));
    done();
  },
  async 'a call that is aborted'() {
    const controller = new AbortController();
    const call = openai.chat.completions.create({ model: 'silence', messages }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await call.catch((error) => console.log(error.message));
    done();
  },
  async 'no call'() {
    for (let count = 0; count < 10; count += 1) newClient();
    done();
  },
  async 'a client that is kept, idle'() {
    await complete('ok');
    Object.assign(globalThis, { kept: openai });
    done();
  },

  async 'a call that nobody awaits'() {
    void complete('slow').then(({ choices }) => console.log(choices[0]?.message.content));
  },
  async 'a stream that is waited for'() {
    void (async () => {
      let text = '';
      for await (const chunk of await stream('slow')) text += chunk.choices[0]?.delta.content ?? '';
      console.log(text);
    })();
  },
  async 'a timeout that is waited for'() {
    void openai.chat.completions
      .create({ model: 'silence', messages }, { timeout: 700, maxRetries: 0 })
      .catch((error) => console.log(error.constructor.name));
  },

  async 'exit at once'() {
    void complete('silence');
    process.exit(3);
  },
  async 'exit in the middle of a request'() {
    void complete('silence');
    void complete('reset', { openpipe: { fallback: [{ model: 'silence' }] } });
    void stream('silence', { openpipe: { fallback: { model: 'ok' } } });
    await pause(150);
    process.exit(3);
  },
  async 'exit in the middle of a stream'() {
    void stream('keep-alive', { openpipe: { fallback: { model: 'ok' } } });
    void stream('stalls-mid-stream', { openpipe: { fallback: { model: 'ok' }, holdUntil: 'finish' } });
    for await (const chunk of await stream('stalls-mid-stream')) {
      if (chunk.choices[0]?.delta.content) process.exit(3);
    }
  },
  async 'exit as the answer comes'() {
    await Promise.race(Array.from({ length: 50 }, () => complete('ok')));
    process.exit(3);
  },
  async 'an uncaught exception'() {
    void complete('silence');
    for await (const _ of await stream('stalls-mid-stream')) throw new Error('nobody catches this');
  },
  async 'an exception in a callback'() {
    void complete('ok').then(() => {
      setTimeout(() => {
        throw new Error('nobody catches this');
      });
    });
    void complete('silence');
  },
  async 'a signal'() {
    void complete('silence');
    await pause(150);
    process.kill(process.pid, 'SIGTERM');
    await pause(10_000);
  },

  /** Aborts in the middle of a request, one after the other, all with one signal more. */
  async 'a thousand aborts'() {
    const shared = new AbortController().signal;
    let aborted = 0;
    for (let count = 0; count < 1_000; count += 1) {
      const own = new AbortController();
      const signal = AbortSignal.any([shared, own.signal]);
      const body = /** @type {any} */ ({ model: 'silence', messages, stream: count % 2 === 0 });
      const call = openai.chat.completions.create(body, { signal });
      setTimeout(() => own.abort(), count % 3);
      await call.catch((error) => {
        if (error instanceof OpenAI.APIUserAbortError) aborted += 1;
      });
      if (getEventListeners(signal, 'abort').length > 0) console.log('a listener was left');
    }
    for (let count = 0; count < 200; count += 1) {
      await openai.chat.completions.create({ model: 'status-400', messages }, { signal: shared }).catch(() => {});
    }
    const atOnce = Array.from({ length: 50 }, () =>
      openai.chat.completions.create({ model: 'ok', messages }, { signal: shared }),
    );
    await Promise.all(atOnce);
    console.log(`aborted ${aborted}, listeners ${getEventListeners(shared, 'abort').length}`);
    done();
  },

  /** With --expose-gc: a stream that was handed over, and to which there are no references. */
  async 'a stream that is dropped'() {
    const drop = async () => void (await stream('stalls-mid-stream'));
    const dropRead = async () => {
      const iterator = (await stream('stalls-mid-stream'))[Symbol.asyncIterator]();
      await iterator.next();
    };
    const { signal } = new AbortController();
    const dropSignalled = async () =>
      void (await openai.chat.completions.create({ model: 'stalls-mid-stream', messages, stream: true }, { signal }));
    await drop();
    await dropRead();
    await dropSignalled();
    console.log('dropped');
    for (let round = 0; round < 20; round += 1) {
      await pause(50);
      globalThis.gc?.();
    }
    console.log(`listeners ${getEventListeners(signal, 'abort').length}`);
    // The signal is held to the end, as that of a server may be.
    await pause(500);
  },

  /** With --expose-gc: a stream that is being read is not dropped, although only its reader refers to it. */
  async 'a stream that is read slowly'() {
    let text = '';
    const collect = setInterval(() => globalThis.gc?.(), 100);
    for await (const chunk of await stream('slow')) text += chunk.choices[0]?.delta.content ?? '';
    clearInterval(collect);
    console.log(text);
  },

  /** With --expose-gc: streams to which only their readers refer, when their signal is aborted. */
  async 'streams that are aborted while they are read'() {
    const controller = new AbortController();
    const { signal } = controller;
    // A promise holds what it was resolved with, so none is kept.
    const start = () =>
      openai.chat.completions.create({ model: 'stalls-mid-stream', messages, stream: true }, { signal });
    const ways = {
      async 'for await'() {
        for await (const _ of await start());
      },
      async iterator() {
        const iterator = (await start())[Symbol.asyncIterator]();
        while (!(await iterator.next()).done);
      },
      async body() {
        for await (const _ of /** @type {any} */ ((await start().asResponse()).body));
      },
    };
    const readings = Object.entries(ways).map(([name, read]) =>
      read().then(
        () => console.log(`${name} ended`),
        (error) => console.log(`${name} ${error.constructor.name}`),
      ),
    );
    for (let round = 0; round < 15; round += 1) {
      await pause(20);
      globalThis.gc?.();
    }
    controller.abort();
    await Promise.all(readings);
    done();
  },

  /** With --expose-gc: the memory of a kept completion beyond its own data. */
  async 'completions that are kept'() {
    const kept = [];
    for (let count = 0; count < 40; count += 1) {
      const completion = /** @type {any} */ (await complete('large'));
      completion.choices = [];
      kept.push(completion);
    }
    globalThis.gc?.();
    const before = process.memoryUsage();
    for (let count = 0; count < 100; count += 1) {
      const completion = /** @type {any} */ (await complete('large'));
      completion.choices = [];
      kept.push(completion);
    }
    await pause(10);
    globalThis.gc?.();
    const after = process.memoryUsage();
    console.log(`${Math.round((after.heapUsed - before.heapUsed) / 100)} bytes each, ${kept.length} kept`);
    done();
  },

  /** With --expose-gc: the memory of dropped completions after collections of the young generation. */
  async 'completions that are let go'() {
    // As that by which a server ends.
    const { signal } = new AbortController();
    const call = () => openai.chat.completions.create({ model: 'large', messages }, { signal });
    const make = async (/** @type {number} */ count) => {
      for (let made = 0; made < count; made += 4) {
        await Promise.all([call(), call(), call(), call()]);
        await pause(0);
        globalThis.gc?.({ type: 'minor' });
        globalThis.gc?.({ type: 'minor' });
      }
      return process.memoryUsage().heapUsed;
    };
    const before = await make(200);
    console.log(`${Math.round(((await make(200)) - before) / 200)} bytes each`);
    done();
  },

  /** With --expose-gc: the memory after many clients were dropped. */
  async 'many clients'() {
    const make = async (/** @type {number} */ count) => {
      for (let made = 0; made < count; made += 1) {
        const client = newClient().withOptions({ timeout: 1_000 + made });
        const model = made % 2 === 0 ? 'ok' : 'openpipe:ok';
        await client.chat.completions.create({ model, messages });
        if (made % 10 === 0)
          for await (const _ of await client.chat.completions.create({ model, messages, stream: true }));
      }
      for (let round = 0; round < 5; round += 1) {
        await pause(10);
        globalThis.gc?.();
      }
      return process.memoryUsage();
    };
    await make(100);
    const before = await make(100);
    const after = await make(400);
    console.log(JSON.stringify({ heap: after.heapUsed - before.heapUsed, rss: after.rss - before.rss }));
    done();
  },
};

const play = scenes[scene];
if (!play) throw new RangeError(`no such scene: ${scene}`);
await play();
