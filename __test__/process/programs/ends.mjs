/**
 * Programs that end, each in its own way, with something under way. Arguments: a scene, the base URL of the upstream, that of
 * OpenPipe. What each prints last is when its own work was done, as Unix time.
 */

import OpenAI from 'openpipe-native';

const [scene = '', baseURL = '', baseUrl = ''] = process.argv.slice(2);
/** @type {any[]} */
const messages = [{ role: 'user', content: 'Hi' }];
const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
const done = () => console.log(`done at ${Date.now()}`);

/** @param {any} [openpipe] @param {any} [more] */
const newClient = (openpipe, more) =>
  new OpenAI({
    ...{ apiKey: 'sk', baseURL, maxRetries: 0, logLevel: 'off', ...more },
    openpipe: { apiKey: 'opk', baseUrl, logRequest: false, ...openpipe },
  });
const openai = newClient();

/** @param {string} model @param {any} [more] @returns {any} */
const call = (model, more) => openai.chat.completions.create({ model, messages, ...more });

/** Everything that can be under way at once; resolves when it is. */
async function busy() {
  void call('silence');
  void call('openpipe:reset', { openpipe: { fallback: [{ model: 'silence' }] } });
  void call('silence', { stream: true, openpipe: { fallback: { model: 'ok' } } });
  void call('stalls-mid-stream', { stream: true, openpipe: { fallback: { model: 'ok' }, holdUntil: 'finish' } });
  void newClient({ transport: 'fetch' }).chat.completions.create({ model: 'silence', messages });
  const read = (async () => {
    const stream = await call('stalls-mid-stream', { stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) return;
  })();
  const iterator = (await call('stalls-mid-stream', { stream: true }))[Symbol.asyncIterator]();
  await iterator.next();
  void iterator
    .next()
    .then(() => iterator.next())
    .then(() => iterator.next());
  await read;
  await pause(50);
}

/** @type {Record<string, () => unknown>} */
const scenes = {
  // === by itself ===

  async 'through fetch'() {
    await newClient({ transport: 'fetch' }).chat.completions.create({ model: 'ok', messages });
    done();
  },
  async 'a JavaScript client that answers'() {
    const completion = { id: 'c', object: 'chat.completion', choices: [{ index: 0, message: { content: 'x' } }] };
    const client = { chat: { completions: { create: async () => completion } } };
    await call('openpipe:reset', { openpipe: { fallback: { model: 'f', client } } });
    done();
  },
  async 'many clients that are closed'() {
    for (let made = 0; made < 20; made += 1) {
      const client = newClient({ logRequest: true });
      await client.chat.completions.create({ model: 'openpipe:ok', messages });
      await client.close();
    }
    done();
  },
  async 'a flush of nothing'() {
    await openai.flush();
    done();
  },
  async 'a report that was waited for'() {
    const client = newClient({ logRequest: true });
    const { openpipe } = await client.chat.completions.create({ model: 'ok', messages });
    await openpipe.reportingFinished;
    done();
  },
  async 'streams that were left in every way'() {
    for await (const _ of await call('stalls-mid-stream', { stream: true })) break;
    (await call('stalls-mid-stream', { stream: true })).controller.abort();
    const stream = await call('stalls-mid-stream', { stream: true });
    const [one, two] = stream.tee();
    for await (const _ of one) break;
    for await (const _ of two) break;
    stream.controller.abort();
    await (await call('stalls-mid-stream', { stream: true })).toReadableStream().cancel();
    done();
  },

  // === process.exit() ===

  async 'exit with everything under way'() {
    await busy();
    done();
    process.exit(3);
  },
  async 'exit in onFallback'() {
    const onFallback = () => {
      done();
      process.exit(3);
    };
    await call('openpipe:reset', { openpipe: { fallback: { model: 'ok' }, onFallback } });
  },
  async 'exit in a JavaScript client'() {
    const create = () => {
      done();
      process.exit(3);
    };
    const client = /** @type {any} */ ({ chat: { completions: { create } } });
    await call('openpipe:reset', { openpipe: { fallback: { model: 'f', client } } });
  },
  async 'exit, and a call when it is too late'() {
    process.on('exit', () => {
      void call('ok');
      void call('ok', { stream: true });
      void openai.flush();
      void openai.close();
      done();
    });
    await busy();
    process.exit(3);
  },
  async 'exit while a name is looked up'() {
    const nowhere = newClient(undefined, { baseURL: 'http://no-such-name.invalid/v1' });
    void nowhere.chat.completions.create({ model: 'ok', messages }).catch(() => {});
    await pause(5);
    done();
    process.exit(3);
  },
  'exit in the same tick as the first call'() {
    for (let count = 0; count < 100; count += 1) void call('ok', { stream: count % 2 === 0 });
    done();
    process.exit(3);
  },
  async 'exit while reports are on their way'() {
    const client = newClient({ logRequest: true });
    await Promise.all(Array.from({ length: 50 }, () => client.chat.completions.create({ model: 'ok', messages })));
    await pause(100);
    done();
    process.exit(3);
  },

  // === nobody planned it ===

  async 'an exception with everything under way'() {
    await busy();
    done();
    throw new Error('nobody catches this');
  },
  async 'a rejection that nobody handles'() {
    void call('silence');
    void call('status-400');
  },
  async 'a rejection of a stream that nobody handles'() {
    void call('silence');
    void (async () => {
      for await (const _ of await call('dies-mid-stream', { stream: true }));
    })();
  },
  async 'exceptions that are caught, and calls that go on'() {
    let caught = 0;
    process.on('uncaughtException', () => (caught += 1));
    for (let count = 0; count < 20; count += 1) {
      const { choices } = await call('ok');
      setImmediate(() => {
        throw new Error(`nobody but the process catches this: ${choices.length}`);
      });
    }
    for await (const _ of await call('ok', { stream: true })) {
      process.nextTick(() => {
        throw new Error('between two events');
      });
    }
    await pause(20);
    console.log(caught >= 21 ? 'caught' : `caught ${caught}`);
    done();
  },
  async 'a message to those who watch that throws'() {
    const { subscribe } = await import('node:diagnostics_channel');
    let caught = 0;
    process.on('uncaughtException', () => (caught += 1));
    subscribe('openpipe:call', () => {
      throw new Error('a subscriber throws');
    });
    await call('ok');
    for await (const _ of await call('ok', { stream: true }));
    await pause(20);
    console.log(`caught ${caught}`);
    done();
  },

  // === signals, from outside ===

  async 'wait with everything under way'() {
    await busy();
    done();
    await pause(60_000);
  },
  async 'stop in order'() {
    const client = newClient({ logRequest: true });
    const stop = new AbortController();
    process.once('SIGTERM', async () => {
      stop.abort();
      await client.close();
      done();
    });
    await client.chat.completions.create({ model: 'ok', messages });
    const stream = await client.chat.completions.create(
      { model: 'stalls-mid-stream', messages, stream: true },
      { signal: stop.signal },
    );
    console.log('ready');
    for await (const _ of stream);
  },
};

const play = scenes[scene];
if (!play) throw new RangeError(`no such scene: ${scene}`);
await play();
