/**
 * What must work on every runtime. Arguments: a case, a base URL whose models behave as upstream.mjs says.
 *
 * It prints `passed` when the case is over, and must then end by itself. Only what all runtimes have is used here, and
 * what a user's program would use.
 */

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import cluster from 'node:cluster';
import { subscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIUserAbortError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import OpenAI from 'openpipe-native';
import { createFetch } from 'openpipe-native/fetch';

/** @import { ClientOptions, OpenPipeOptions } from 'openpipe-native' */

/** Longer than this the event loop is blocked in the case of that name. */
const BLOCKED_MS = 4_000;
const TIMEOUT_MS = 300;

const [name = '', baseURL = ''] = isMainThread ? process.argv.slice(2) : [workerData.name, workerData.baseURL];
/** @type {OpenAI.ChatCompletionMessageParam[]} */
const messages = [{ role: 'user', content: 'Hi' }];

/** @param {OpenPipeOptions} [openpipe] @param {ClientOptions} [more] */
const client = (openpipe = {}, more = {}) =>
  new OpenAI({
    apiKey: 'sk',
    baseURL,
    logLevel: 'off',
    ...more,
    openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false, ...openpipe },
  });

/** @param {AsyncIterable<OpenAI.ChatCompletionChunk>} stream */
async function textOf(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

/** Asks for a chat completion by a `fetch`. @param {typeof globalThis.fetch} fetch @returns {(body: object, more?: object) => Promise<any>} */
const posting =
  (fetch) =>
  (body, more = {}) =>
    fetch(`${baseURL}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer sk' },
      body: JSON.stringify({ messages, ...body }),
      ...more,
    });

/** @param {Promise<unknown>} promise @returns {Promise<any>} */
const failure = (promise) =>
  promise.then(
    (value) => assert.fail(`it was answered: ${JSON.stringify(value)}`),
    (error) => error,
  );

/** @type {Record<string, () => Promise<void>>} */
const cases = {
  async completion() {
    const call = client().chat.completions.create({ model: 'good', messages });
    const { data, response, request_id } = await call.withResponse();
    assert.equal(data.choices[0]?.message.content, 'Hello');
    assert.equal(response.status, 200);
    assert.equal(request_id, /** @type {any} */ (data)._request_id);
    assert.equal(data.openpipe.servedBy, 'primary');
  },

  async stream() {
    const openai = client();
    assert.equal(
      await textOf(await openai.chat.completions.create({ model: 'good', messages, stream: true })),
      'Hello',
    );
    const [one, other] = (await openai.chat.completions.create({ model: 'good', messages, stream: true })).tee();
    assert.deepEqual(await Promise.all([textOf(one), textOf(other)]), ['Hello', 'Hello']);
    const readable = (
      await openai.chat.completions.create({ model: 'good', messages, stream: true })
    ).toReadableStream();
    assert.match(await new Response(readable).text(), /"content":/);
    for await (const _ of await openai.chat.completions.create({ model: 'stalls', messages, stream: true })) break;
  },

  async 'parse and tools'() {
    // Only here: to load them takes as long as many a case.
    const [{ zodResponseFormat }, { z }] = await Promise.all([import('openai/helpers/zod'), import('zod')]);
    const openai = client();
    const parsed = await openai.chat.completions.parse({
      model: 'json',
      messages,
      response_format: zodResponseFormat(z.object({ answer: z.number() }), 'answer'),
    });
    assert.deepEqual(parsed.choices[0]?.message.parsed, { answer: 42 });

    /** @type {unknown[]} */
    const asked = [];
    const runner = openai.chat.completions.runTools({
      model: 'tools',
      messages,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Tells the weather',
            parameters: { type: 'object', properties: { city: { type: 'string' } } },
            parse: JSON.parse,
            function: (/** @type {unknown} */ place) => {
              asked.push(place);
              return 'sunny';
            },
          },
        },
      ],
    });
    assert.equal(await runner.finalContent(), 'It is sunny');
    assert.deepEqual(asked, [{ city: 'Bern' }]);

    const helper = openai.chat.completions.stream({ model: 'good', messages });
    assert.equal((await helper.finalChatCompletion()).choices[0]?.message.content, 'Hello');
  },

  async fallback() {
    /** @type {string[]} */
    const moves = [];
    const openai = client({
      fallback: { model: 'good' },
      onFallback: ({ from, to }) => void moves.push(`${from.outcome} ${to.model}`),
    });
    const completion = await openai.chat.completions.create({ model: 'openpipe:status-500', messages });
    assert.equal(completion.choices[0]?.message.content, 'Hello');
    assert.equal(completion.openpipe.servedBy, 'fallback');
    const stream = await openai.chat.completions.create({ model: 'openpipe:dies', messages, stream: true });
    assert.equal(await textOf(stream), 'Hello');
    assert.deepEqual(moves, ['server_error good', 'stream good']);
  },

  async 'custom client as fallback'() {
    const context = new AsyncLocalStorage();
    /** @type {unknown[]} */
    const seen = [];
    /** @param {any} body */
    const create = async (body) => {
      seen.push(context.getStore());
      if (body.stream) {
        return (async function* () {
          yield { choices: [{ index: 0, delta: { content: 'Hel' } }] };
          yield { choices: [{ index: 0, delta: { content: 'lo' }, finish_reason: 'stop' }] };
        })();
      }
      if (body.model === 'throws') throw Object.assign(new Error('mine'), { own: true });
      return {
        id: 'x',
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' } }],
      };
    };
    const openai = client({ fallbackClient: { chat: { completions: { create } } }, fallback: { model: 'theirs' } });
    await context.run('caller', async () => {
      const completion = await openai.chat.completions.create({ model: 'openpipe:status-500', messages });
      assert.equal(completion.choices[0]?.message.content, 'Hello');
      const stream = await openai.chat.completions.create({ model: 'openpipe:status-500', messages, stream: true });
      assert.equal(await textOf(stream), 'Hello');
      const openpipe = { fallback: { model: 'throws' } };
      const error = await failure(openai.chat.completions.create({ model: 'openpipe:status-500', messages, openpipe }));
      assert.equal(error.own, true);
    });
    assert.deepEqual(seen, ['caller', 'caller', 'caller']);
  },

  async abort() {
    const controller = new AbortController();
    const call = client({ fallback: { model: 'good' } }).chat.completions.create(
      { model: 'openpipe:silence', messages },
      { signal: controller.signal },
    );
    setTimeout(() => controller.abort(), 100);
    assert.ok((await failure(call)) instanceof APIUserAbortError);

    const stream = await client().chat.completions.create({ model: 'stalls', messages, stream: true });
    setTimeout(() => stream.controller.abort(), 100);
    assert.equal(await textOf(stream), 'Hel');
  },

  async timeout() {
    const short = { timeout: TIMEOUT_MS, maxRetries: 0 };
    const openai = client();
    const error = await failure(openai.chat.completions.create({ model: 'silence', messages }, short));
    assert.ok(error instanceof APIConnectionTimeoutError);
    const openpipe = { fallback: { model: 'good', timeout: 20_000 } };
    const completion = await openai.chat.completions.create({ model: 'openpipe:silence', messages, openpipe }, short);
    assert.equal(completion.openpipe.attempts[0]?.outcome, 'timeout');
    assert.equal(completion.openpipe.servedBy, 'fallback');
  },

  async 'blocked event loop'() {
    const openai = client({ fallback: { model: 'good', timeout: 20_000 } });
    // What is loaded and connected with the first call is not what this is about.
    await openai.chat.completions.create({ model: 'openpipe:good', messages });
    const call = openai.chat.completions.create({ model: 'openpipe:silence', messages }, { timeout: TIMEOUT_MS });
    await new Promise((resolve) => setTimeout(resolve, 20));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS);
    const { attempts } = (await call).openpipe;
    assert.equal(attempts.length, 2);
    const late = (attempts[1]?.startedAt ?? Infinity) - (attempts[0]?.startedAt ?? 0);
    assert.ok(late < BLOCKED_MS - 500, `the fallback started ${late} ms after the primary`);
  },

  async errors() {
    const openai = client({}, { maxRetries: 0 });
    const missing = await failure(openai.chat.completions.create({ model: 'status-404', messages }));
    assert.ok(missing instanceof NotFoundError && missing instanceof OpenAI.NotFoundError && missing instanceof Error);
    assert.equal(missing.status, 404);
    assert.ok(
      (await failure(openai.chat.completions.create({ model: 'status-429', messages }))) instanceof RateLimitError,
    );
    const nowhere = client({}, { maxRetries: 0, baseURL: 'http://127.0.0.1:1/v1' });
    const refused = await failure(nowhere.chat.completions.create({ model: 'good', messages }));
    assert.ok(refused instanceof APIConnectionError);
    assert.equal(/** @type {any} */ (refused.cause)?.code, 'ECONNREFUSED');
    const stream = await openai.chat.completions.create({ model: 'dies', messages, stream: true });
    assert.ok((await failure(textOf(stream))) instanceof APIConnectionError);
    assert.ok((await failure(openai.chat.completions.create(/** @type {any} */ (undefined)))) instanceof TypeError);
  },

  async CommonJS() {
    const require = createRequire(import.meta.url);
    const Client = require('openpipe-native');
    const sdk = require('openai');
    const openai = new Client({ apiKey: 'sk', baseURL, maxRetries: 0, openpipe: { logRequest: false } });
    assert.ok(openai instanceof sdk.OpenAI);
    const completion = await openai.chat.completions.create({ model: 'good', messages });
    assert.equal(completion.choices[0]?.message.content, 'Hello');
    assert.ok(
      (await failure(openai.chat.completions.create({ model: 'status-404', messages }))) instanceof sdk.NotFoundError,
    );
  },

  async 'reports are flushed'() {
    const openai = client({ logRequest: true, tags: { case: name } });
    const completion = await openai.chat.completions.create({ model: 'good', messages });
    await textOf(await openai.chat.completions.create({ model: 'good', messages, stream: true }));
    const flushed = await openai.flush();
    assert.deepEqual({ ...flushed }, { delivered: 2, dropped: 0, pending: 0 });
    await completion.openpipe.reportingFinished;
    await openai.close();
    await failure(openai.chat.completions.create({ model: 'good', messages }));
  },

  /** The runner looks whether the report has come when the process has ended. */
  async 'reports at a natural exit'() {
    await client({ logRequest: true, tags: { case: name } }).chat.completions.create({ model: 'good', messages });
  },

  /** The runner checks its output. */
  async 'a call that nobody awaits'() {
    void client()
      .chat.completions.create({ model: 'later', messages })
      .then(({ choices }) => console.log(`answered ${choices[0]?.message.content}`));
  },

  async 'transport: fetch'() {
    /** @type {string[]} */
    const urls = [];
    const { fetch } = globalThis;
    globalThis.fetch = (input, init) => {
      urls.push(String(input));
      return fetch(input, init);
    };
    const openai = client({ transport: 'fetch', fallback: { model: 'good' } });
    const completion = await openai.chat.completions.create({ model: 'openpipe:status-500', messages });
    assert.equal(completion.openpipe.servedBy, 'fallback');
    assert.equal(
      await textOf(await openai.chat.completions.create({ model: 'good', messages, stream: true })),
      'Hello',
    );
    assert.equal(urls.length, 3);
  },

  async createFetch() {
    const fetch = createFetch({ fallback: { model: 'good' }, timeout: TIMEOUT_MS, logLevel: 'off' });
    const ask = posting(fetch);
    const answered = await ask({ model: 'status-500' });
    assert(answered instanceof Response);
    assert.equal((await answered.clone().json()).choices[0].message.content, 'Hello');
    assert.equal(answered.headers.get('x-openpipe-served-by'), 'fallback');
    const [one, other] = (await ask({ model: 'silence', stream: true })).body?.tee() ?? [];
    const texts = await Promise.all([one, other].map((body) => new Response(body).text()));
    assert.match(texts[0] ?? '', /data: \[DONE\]\n\n$/);
    assert.equal(texts[0], texts[1]);
    const stream = await ask({ model: 'good', stream: true });
    await stream.body?.cancel();
    const controller = new AbortController();
    const { signal } = controller;
    setTimeout(() => controller.abort('gone'), 50);
    assert.equal(await failure(ask({ model: 'silence' }, { signal })), 'gone');
    const { fetch: below } = globalThis;
    const through = createFetch({ fetch: below, transport: 'fetch', logLevel: 'off' });
    const openai = new OpenAI({ apiKey: 'sk', baseURL, maxRetries: 0, fetch: through });
    assert.equal(
      await textOf(await openai.chat.completions.create({ model: 'good', messages, stream: true })),
      'Hello',
    );
    await fetch.close();
    assert.equal((await failure(ask({ model: 'good' }))).name, 'OpenAIError');
  },

  /** All forms of a body, and endpoints without fallbacks. */
  async 'createFetch, requests'() {
    const { createFetch: fromCjs } = createRequire(import.meta.url)('openpipe-native/fetch');
    const fetch = fromCjs({ logLevel: 'off' });
    const url = `${baseURL}/chat/completions`;
    const text = JSON.stringify({ model: 'good', messages });
    const bytes = new TextEncoder().encode(text);
    const streamed = () => new Blob([bytes]).stream();
    const headers = { 'content-type': 'application/json', authorization: 'Bearer sk' };
    const given = { method: 'POST', headers };
    const requests = [
      [url, { ...given, body: text }],
      [new URL(url), { ...given, body: bytes }],
      [url, { ...given, headers: new Headers(headers), body: new Blob([bytes]) }],
      [url, { ...given, body: streamed(), duplex: 'half' }],
      [new Request(url, { ...given, body: text })],
      [new Request(`${baseURL}/elsewhere`, { ...given, body: text }), { method: 'POST' }],
    ];
    for (const [place, init] of requests) {
      const response = await fetch(place, init);
      const isOurs = !response.url.endsWith('/elsewhere');
      assert.equal(response.status, 200);
      assert.equal(response.openpipe?.servedBy, isOurs ? 'primary' : undefined);
      assert.equal((await response.json()).choices[0].message.content, 'Hello');
      assert(response.bodyUsed);
      await failure(response.text());
    }
  },

  async 'createFetch, failures'() {
    const fetch = createFetch({ maxRetries: 0, timeout: TIMEOUT_MS, idleTimeout: TIMEOUT_MS, logLevel: 'off' });
    const ask = posting(fetch);
    const refused = await ask({ model: 'status-429' });
    assert.equal(refused.status, 429);
    assert.equal(refused.openpipe?.errors?.length, 1);
    assert.equal((await ask({ model: 'silence' })).status, 504);
    assert.equal((await ask({ model: 'dies', stream: true })).status, 502);
    const error = await failure((await ask({ model: 'stalls', stream: true })).text());
    assert(error instanceof TypeError);
    const controller = new AbortController();
    const { signal } = controller;
    const stream = await ask({ model: 'stalls', stream: true }, { signal });
    const read = stream.text();
    controller.abort(new Error('gone'));
    assert.equal((await failure(read)).message, 'gone');
    assert.deepEqual(await fetch.flush(), { delivered: 0, dropped: 0, pending: 0 });
  },

  async 'diagnostics channels'() {
    /** @type {any[]} */
    const events = [];
    subscribe('openpipe:call', (event) => void events.push(event));
    await client().chat.completions.create({ model: 'good', messages });
    assert.equal(events.length, 1);
    assert.equal(events[0].servedBy, 'primary');
  },

  async 'worker threads'() {
    const results = await Promise.all([1, 2, 3].map(() => inWorker('completes')));
    assert.deepEqual(results, ['Hello Hello', 'Hello Hello', 'Hello Hello']);
    await client().chat.completions.create({ model: 'good', messages });

    const worker = startWorker('is in the middle of calls');
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    assert.equal((await client().chat.completions.create({ model: 'good', messages })).choices.length, 1);
  },

  async cluster() {
    cluster.setupPrimary({ exec: fileURLToPath(import.meta.url), args: [name, baseURL] });
    const said = await Promise.all(
      [1, 2].map(
        () =>
          new Promise((resolve, reject) => {
            const member = cluster.fork();
            /** @type {unknown} */
            let text;
            member.on('message', (message) => (text = message));
            member.on('error', reject);
            member.on('exit', (code) => resolve(`${text}, exit ${code}`));
          }),
      ),
    );
    assert.deepEqual(said, ['Hello Hello, exit 0', 'Hello Hello, exit 0']);
  },

  /** Nothing is awaited, nothing is closed, and what is left open must not keep the process alive. */
  async 'clean exit'() {
    const openai = client();
    for await (const _ of await openai.chat.completions.create({ model: 'stalls', messages, stream: true })) break;
    const controller = new AbortController();
    const call = openai.chat.completions.create({ model: 'silence', messages }, { signal: controller.signal });
    controller.abort();
    await failure(call);
    Object.assign(globalThis, { kept: openai });
  },

  /** The runner expects this code. */
  async 'process.exit in the middle of calls'() {
    const openai = client({ fallback: { model: 'good' } });
    void openai.chat.completions.create({ model: 'openpipe:silence', messages });
    for await (const _ of await openai.chat.completions.create({ model: 'stalls', messages, stream: true })) break;
    console.log('passed');
    process.exit(3);
  },
};

async function completeAndStream() {
  const openai = client();
  const completion = await openai.chat.completions.create({ model: 'good', messages });
  const streamed = await textOf(await openai.chat.completions.create({ model: 'good', messages, stream: true }));
  return `${completion.choices[0]?.message.content} ${streamed}`;
}

/** @type {Record<string, () => Promise<void>>} */
const workers = {
  async completes() {
    parentPort?.postMessage(await completeAndStream());
  },
  async 'is in the middle of calls'() {
    const openai = client();
    void openai.chat.completions.create({ model: 'silence', messages }).catch(() => {});
    for await (const _ of await openai.chat.completions.create({ model: 'stalls', messages, stream: true })) {
      parentPort?.postMessage('under way');
    }
  },
};

/** @param {string} does */
function startWorker(does) {
  return new Worker(new URL(import.meta.url), { workerData: { name: does, baseURL } });
}

/** @param {string} does */
function inWorker(does) {
  return new Promise((resolve, reject) => {
    const worker = startWorker(does);
    /** @type {unknown} */
    let said;
    worker.on('message', (message) => (said = message));
    worker.on('error', reject);
    worker.on('exit', () => resolve(said));
  });
}

if (cluster.isWorker) {
  process.send?.(await completeAndStream(), () => process.disconnect());
} else if (isMainThread) {
  if (name === '--list') {
    console.log(JSON.stringify(Object.keys(cases)));
  } else {
    const run = cases[name];
    if (!run) throw new Error(`there is no case ${name}`);
    await run();
    console.log('passed');
  }
} else {
  await workers[name]?.();
}
