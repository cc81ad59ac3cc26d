/**
 * The memory of clients and calls without references. Run with --expose-gc. Arguments: a scene, the base URL of
 * an upstream that refuses every request. Prints a line of JSON.
 */

import { getEventListeners, once, setMaxListeners } from 'node:events';

import OpenAI from 'openpipe-native';

import { startUpstream } from '../../../demo/upstream.mjs';
import { chunks, completion, contentChunk, pause, ROLE, streamOf } from '../../support/custom-clients.mjs';

const [scene = '', baseURL = ''] = process.argv.slice(2);
const gc = /** @type {() => void} */ (globalThis.gc);
/** @type {any[]} */
const messages = [{ role: 'user', content: 'Hi' }];
/** The first two warm up; those after must leave nothing. */
const ROUNDS = 4;

/** @param {any} fallbackClient */
function clientWith(fallbackClient) {
  return new OpenAI({
    apiKey: 'sk',
    baseURL,
    openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false, fallbackClient },
  });
}

/** A client of the user's, new with each call, that answers. */
function answering() {
  return {
    weight: 'x'.repeat(100),
    chat: {
      completions: {
        create: async (/** @type {any} */ body) =>
          body.stream ? streamOf(chunks('short and fine')) : completion(body.model, 'short and fine'),
      },
    },
  };
}

/** @param {OpenAI} openai @param {boolean} stream @param {object} [options] */
async function call(openai, stream, options) {
  const answer = /** @type {any} */ (
    await openai.chat.completions.create(
      { model: 'openpipe:m', messages, stream, openpipe: { fallback: { model: 'f' } } },
      options,
    )
  );
  if (stream) for await (const _chunk of answer);
  return answer;
}

async function collect() {
  for (let turn = 0; turn < 5; turn += 1) {
    gc();
    await pause(10);
  }
}

/** @param {(round: number) => Promise<void>} play */
async function rounds(play) {
  const after = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await play(round);
    await collect();
    const { heapUsed, rss } = process.memoryUsage();
    after.push({ heapUsed, rss });
  }
  return after;
}

/** How many of these are still there. @param {WeakRef<object>[]} refs */
const alive = (refs) => refs.filter((ref) => ref.deref() !== undefined).length;

/** @type {Record<string, () => Promise<unknown>>} */
const scenes = {
  async 'clients that are made and dropped'() {
    /** @type {WeakRef<object>[]} */
    const refs = [];
    const after = await rounds(async () => {
      for (let index = 0; index < 250; index += 1) {
        const fallbackClient = answering();
        const openai = clientWith(fallbackClient);
        if (index % 10 === 0) await call(openai, index % 20 === 0);
        if (index % 20 === 0) refs.push(new WeakRef(fallbackClient), new WeakRef(openai));
      }
    });
    return { after, watched: refs.length, alive: alive(refs) };
  },
  async 'calls that fall back'() {
    const openai = clientWith(answering());
    // One for all of them: what each call puts on it, it has to take off again.
    const { signal } = new AbortController();
    setMaxListeners(0, signal);
    /** @type {WeakRef<object>[]} */
    const refs = [];
    const after = await rounds(async () => {
      for (let done = 0; done < 500; done += 50) {
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, index) => call(openai, index % 2 === 0, index % 4 === 0 ? { signal } : {})),
        );
        refs.push(...answers.slice(0, 4).map((answer) => new WeakRef(answer)));
      }
    });
    return { after, watched: refs.length, alive: alive(refs), listeners: getEventListeners(signal, 'abort').length };
  },
  async 'calls that fail'() {
    const thrown = /** @type {WeakRef<object>[]} */ ([]);
    const create = () => {
      const error = new Error('no');
      if (thrown.length < 100) thrown.push(new WeakRef(error));
      return Promise.reject(error);
    };
    const openai = clientWith({ chat: { completions: { create } } });
    const after = await rounds(async () => {
      for (let done = 0; done < 500; done += 50) {
        await Promise.allSettled(Array.from({ length: 50 }, (_, index) => call(openai, index % 2 === 0)));
      }
    });
    return { after, watched: thrown.length, alive: alive(thrown) };
  },
  async 'streams that are dropped unread'() {
    const upstream = await startUpstream({
      behaviour: () => ({ kind: 'answer', fault: { after: 2, how: 'stall' } }),
    });
    const origin = new URL(upstream.url).origin;
    const own = { apiKey: 'k', baseURL: upstream.url };
    // Only here: to load five SDKs takes longer than most scenes do.
    const [{ OpenAI: OpenAI6 }, { OpenAI: OpenAI5 }, { Groq }, { Together }, { Cerebras }] = await Promise.all([
      import('openai'),
      import('openai5'),
      import('groq-sdk'),
      import('together-ai'),
      import('@cerebras/cerebras_cloud_sdk'),
    ]);
    const outcomes = /** @type {Record<string, string>} */ ({});
    for (const [name, client] of /** @type {[string, any][]} */ ([
      ['openai 6', new OpenAI6(own)],
      ['openai 5', new OpenAI5(own)],
      ['groq-sdk', new Groq({ ...own, baseURL: origin })],
      ['together-ai', new Together(own)],
      ['@cerebras/cerebras_cloud_sdk', new Cerebras({ ...own, baseURL: origin, warmTCPConnection: false })],
      ['no client', undefined],
    ])) {
      upstream.reset();
      const openai = new OpenAI({
        ...own,
        openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false, fallbackClient: client },
      });
      // Each in a function of its own, so that nothing of it stays on the stack.
      await (async () => {
        const stream = await openai.chat.completions.create({
          model: 'openpipe:m',
          messages,
          stream: true,
          openpipe: { fallback: { model: 'f' } },
        });
        const iterator = stream[Symbol.asyncIterator]();
        await iterator.next();
      })();
      const request = await upstream.arrival(1);
      for (let turn = 0; turn < 100 && request.outcome === 'open'; turn += 1) {
        gc();
        await pause(20);
      }
      outcomes[name] = request.outcome;
    }
    await upstream.close();
    return outcomes;
  },
  async 'a generator whose stream is dropped unread'() {
    const stopped = new AbortController();
    const create = async (/** @type {any} */ _body, /** @type {any} */ { signal }) => {
      signal.addEventListener('abort', () => stopped.abort());
      return (async function* () {
        yield ROLE;
        yield contentChunk('x');
        await once(signal, 'abort');
      })();
    };
    const openai = clientWith({ chat: { completions: { create } } });
    await (async () => {
      const stream = await openai.chat.completions.create({
        model: 'openpipe:m',
        messages,
        stream: true,
        openpipe: { fallback: { model: 'f' } },
      });
      await stream[Symbol.asyncIterator]().next();
    })();
    for (let turn = 0; turn < 100 && !stopped.signal.aborted; turn += 1) {
      gc();
      await pause(20);
    }
    return { aborted: stopped.signal.aborted };
  },
};

console.log(JSON.stringify(await scenes[scene]?.()));
process.exit();
