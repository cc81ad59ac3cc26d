/**
 * Scenes from the life of a process that has JavaScript clients. Arguments: a scene, the base URL of an upstream that
 * refuses every request. What it prints last is `done`.
 */

import OpenAI from 'openpipe-native';

import { chunks, completion, contentChunk, gate, never, pause, ROLE, streamOf } from '../../support/custom-clients.mjs';

const [scene = '', baseURL = ''] = process.argv.slice(2);

/** @type {any[]} */
const messages = [{ role: 'user', content: 'Hi' }];
const done = () => console.log('done');

/** @param {(body: any, options: any) => any} create */
function clientWith(create) {
  const fallbackClient = { chat: { completions: { create } } };
  return new OpenAI({
    apiKey: 'sk',
    baseURL,
    maxRetries: 0,
    openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false, fallbackClient },
  });
}

/** @param {OpenAI} openai @param {number} [timeout] */
const complete = (openai, timeout) =>
  openai.chat.completions.create({ model: 'openpipe:m', messages, openpipe: { fallback: { model: 'f', timeout } } });
/** @param {OpenAI} openai @param {number} [timeout] @param {number} [idleTimeout] */
const stream = (openai, timeout, idleTimeout) =>
  openai.chat.completions.create({
    model: 'openpipe:m',
    messages,
    stream: true,
    openpipe: { fallback: { model: 'f', timeout }, idleTimeout },
  });
/** @param {PromiseLike<unknown>} call */
const failure = (call) =>
  Promise.resolve(call).then(
    () => console.log('no failure'),
    (error) => console.log(error.constructor.name),
  );

/** @type {Record<string, () => unknown>} */
const scenes = {
  async 'an unhandled rejection, which must be seen'() {
    Promise.reject(new Error('nobody handles this'));
    await pause(100);
    done();
  },
  async 'a completion that is rejected late'() {
    const late = gate();
    const openai = clientWith(() => late.opened.then(() => Promise.reject(new Error('too late'))));
    await failure(complete(openai, 100));
    late.open();
    await pause(50);
    done();
  },
  async 'a stream that is rejected late'() {
    const late = gate();
    const next = () => late.opened.then(() => Promise.reject(new Error('too late')));
    const closing = () => Promise.reject(new Error('cannot be closed'));
    const openai = clientWith(async () => ({ [Symbol.asyncIterator]: () => ({ next, return: closing }) }));
    await failure(
      (async () => {
        for await (const _chunk of await stream(openai, 100));
      })(),
    );
    late.open();
    await pause(50);
    done();
  },
  async 'a stream that is opened late and cannot be closed'() {
    const late = gate();
    const controller = {
      abort() {
        throw new Error('cannot be aborted');
      },
    };
    const iterator = {
      next: () => Promise.reject(new Error('cannot be read')),
      return: () => Promise.reject(new Error('cannot be closed')),
    };
    const openai = clientWith(() => late.opened.then(() => ({ controller, [Symbol.asyncIterator]: () => iterator })));
    await failure(stream(openai, 100));
    late.open();
    await pause(50);
    done();
  },
  async 'a response that is rejected'() {
    const openai = clientWith((body) =>
      Object.assign(Promise.resolve(completion(body.model, 'x')), {
        asResponse: () => pause(20).then(() => Promise.reject(new Error('no response'))),
      }),
    );
    await complete(openai);
    await pause(100);
    done();
  },
  async 'a call that is aborted before its client rejects'() {
    const caller = new AbortController();
    const openai = clientWith((_body, { signal }) => {
      setTimeout(() => caller.abort(), 20);
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => setTimeout(() => reject(signal.reason), 50));
      });
    });
    await failure(
      openai.chat.completions.create(
        { model: 'openpipe:m', messages, openpipe: { fallback: { model: 'f' } } },
        { signal: caller.signal },
      ),
    );
    await pause(150);
    done();
  },
  async 'a stream that is left while its client is busy'() {
    const openai = clientWith(async () =>
      (async function* () {
        yield ROLE;
        yield contentChunk('x');
        await pause(100);
        throw new Error('too late');
      })(),
    );
    for await (const chunk of await stream(openai)) if (chunk.choices[0]?.delta.content) break;
    await pause(200);
    done();
  },
  async 'a client that hangs, and then the end'() {
    await failure(complete(clientWith(never), 100));
    done();
  },
  async 'a client that nothing else waits for'() {
    // Its timer would not keep the process alive; the call does.
    const openai = clientWith(
      (body) => new Promise((resolve) => setTimeout(() => resolve(completion(body.model, 'waited for')), 300).unref()),
    );
    console.log((await complete(openai)).choices[0]?.message.content);
    done();
  },
  async 'a stream that nothing else waits for'() {
    const openai = clientWith(async () =>
      (async function* () {
        for (const chunk of chunks('waited for')) {
          await new Promise((resolve) => setTimeout(resolve, 50).unref());
          yield chunk;
        }
      })(),
    );
    for await (const chunk of await stream(openai)) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
    console.log();
    done();
  },
  async 'a stream that is dropped'() {
    const openai = clientWith(async () => streamOf([ROLE, contentChunk('x')]));
    await stream(openai);
    done();
  },
  'a call that nobody awaits': () => {
    const openai = clientWith(async (body) => {
      await pause(50);
      done();
      return completion(body.model, 'x');
    });
    void complete(openai).then(() => {});
  },
  async 'process.exit with a call in flight'() {
    let asked = 0;
    const openai = clientWith(() => {
      asked += 1;
      return never();
    });
    for (let index = 0; index < 20; index += 1) void (index % 2 ? complete(openai) : stream(openai)).then(() => {});
    while (asked < 20) await pause(5);
    process.on('exit', done);
    process.exit(7);
  },
  async 'process.exit in the client'() {
    const openai = clientWith(() => {
      done();
      process.exit(7);
    });
    await complete(openai);
  },
  async 'process.exit in the middle of a stream'() {
    const openai = clientWith(async () =>
      (async function* () {
        for (;;) {
          yield contentChunk('x'.repeat(1000));
          await pause(1);
        }
      })(),
    );
    let read = 0;
    for await (const _chunk of await stream(openai)) {
      read += 1;
      if (read < 50) continue;
      done();
      process.exit(7);
    }
  },
  async 'an error in the client that is thrown later'() {
    process.on('uncaughtException', (error) => console.log(`seen: ${error.message}`));
    const openai = clientWith((body) => {
      setTimeout(() => {
        throw new Error("the user's own");
      }, 20);
      return pause(50).then(() => completion(body.model, 'x'));
    });
    await complete(openai);
    done();
  },
};

await scenes[scene]?.();
