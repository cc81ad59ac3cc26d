/** A global `fetch` that a test has replaced is used, so that no request goes past the mock to a real API (docs/testing.md). */

import OpenAI from 'openpipe-native';
import { createFetch } from 'openpipe-native/fetch';
import { MockAgent, getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { afterEach, describe, expect, test, vi } from 'vitest';

import { OPENAI_KEY } from '../support/keys.mjs';
import { runProgram } from '../support/programs.mjs';
import { REQUEST } from '../support/through-fallback.mjs';

const BODY = { ...REQUEST, model: 'gpt-4o' };
/** A URL on which nothing listens: a request that bypasses the mock fails. */
const OPTIONS = { apiKey: OPENAI_KEY, baseURL: 'http://127.0.0.1:1/v1', maxRetries: 0 };

/** @param {string} text */
const completion = (text) => ({
  ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o' },
  choices: [{ index: 0, message: { role: 'assistant', content: text, refusal: null }, finish_reason: 'stop' }],
});

/** @param {string} text */
const answering = (text) => async () =>
  new Response(JSON.stringify(completion(text)), { headers: { 'content-type': 'application/json' } });

/** @param {any} openai @param {object} [more] */
const ask = async (openai, more) => (await openai.chat.completions.create(BODY, more)).choices[0].message.content;

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('a replaced global `fetch`', () => {
  test('gets the calls of a client that is made afterwards', async () => {
    vi.stubGlobal('fetch', vi.fn(answering('mocked')));
    expect(await ask(new OpenAI(OPTIONS))).toBe('mocked');
    expect(fetch).toHaveBeenCalledOnce();
  });

  test('gets the calls of a client that was made before, and of one derived from it', async () => {
    const openai = new OpenAI(OPTIONS);
    vi.stubGlobal('fetch', answering('first'));
    expect(await ask(openai)).toBe('first');
    vi.stubGlobal('fetch', answering('second'));
    expect(await ask(openai)).toBe('second');
    expect(await ask(openai.withOptions({ timeout: 5_000 }))).toBe('second');
  });

  test('gets no more calls when it is Node’s own again', async () => {
    const openai = new OpenAI(OPTIONS);
    vi.stubGlobal('fetch', answering('mocked'));
    const derived = openai.withOptions({ timeout: 5_000 });
    expect(await ask(derived)).toBe('mocked');
    vi.unstubAllGlobals();
    await expect(ask(openai)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await expect(ask(derived)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  });

  test('gets fallbacks, declared upstreams, OpenPipe’s models and reports', async () => {
    /** @type {string[]} */
    const hosts = [];
    vi.stubGlobal('fetch', async (/** @type {string} */ url) => {
      hosts.push(`${new URL(url).host}${new URL(url).pathname}`);
      return url.includes('openpipe.test') && !url.endsWith('/report')
        ? new Response('{"error":{"message":"overloaded"}}', { status: 503 })
        : answering('mocked')();
    });
    const upstreams = { declared: { baseURL: 'https://declared.test/v1', apiKey: 'declared' } };
    const openpipe = { apiKey: 'openpipe', baseUrl: 'https://openpipe.test/api', upstreams };
    const openai = new OpenAI({ ...OPTIONS, openpipe });
    const call = { ...BODY, model: 'openpipe:m' };
    await openai.chat.completions.create(call, { openpipe: { fallback: { model: 'declared:m' } } });
    expect(await openai.flush()).toMatchObject({ delivered: 1 });
    expect(hosts).toEqual([
      'openpipe.test/api/chat/completions',
      'declared.test/v1/chat/completions',
      'openpipe.test/api/report',
    ]);
  });

  test('gets nothing, with one warning, where the caller chose the native transport', async () => {
    const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const openai = new OpenAI({ ...OPTIONS, logger, openpipe: { transport: 'native' } });
    vi.stubGlobal('fetch', vi.fn(answering('mocked')));
    await expect(ask(openai)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await expect(ask(openai)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    expect(fetch).not.toHaveBeenCalled();
    expect(logger.warn.mock.calls.flat().filter((message) => /mock/.test(message))).toHaveLength(1);
  });

  test('gets nothing where the client has a `fetch` of its own', async () => {
    vi.stubGlobal('fetch', vi.fn(answering('mocked')));
    expect(await ask(new OpenAI({ ...OPTIONS, fetch: answering('own') }))).toBe('own');
    expect(fetch).not.toHaveBeenCalled();
  });

  test('gets the calls of a `createFetch` that is made afterwards', async () => {
    vi.stubGlobal('fetch', answering('mocked'));
    const init = { method: 'POST', body: JSON.stringify(BODY) };
    const response = await createFetch()('https://api.openai.test/v1/chat/completions', init);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'mocked' } }] });
  });

  test('gives one warning of a `createFetch` that was made before', async () => {
    const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const own = createFetch({ logger, maxRetries: 0 });
    vi.stubGlobal('fetch', answering('mocked'));
    const init = { method: 'POST', body: JSON.stringify(BODY) };
    for (const _ of [1, 2]) {
      const response = await own('http://127.0.0.1:1/v1/chat/completions', init);
      expect(response.status).toBe(503);
    }
    expect(logger.warn).toHaveBeenCalledOnce();
  });

  test('is no mock where it was made by `createFetch`', async () => {
    vi.stubGlobal('fetch', createFetch({ maxRetries: 0 }));
    await expect(ask(new OpenAI(OPTIONS))).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  });
});

test('undici’s `MockAgent` as the global dispatcher gets the calls', async () => {
  const before = getGlobalDispatcher();
  const agent = new MockAgent();
  agent.disableNetConnect();
  const headers = { 'content-type': 'application/json' };
  const asked = { path: '/v1/chat/completions', method: 'POST' };
  agent.get('https://api.openai.test').intercept(asked).reply(200, completion('agent'), { headers });
  setGlobalDispatcher(agent);
  try {
    expect(await ask(new OpenAI({ ...OPTIONS, baseURL: 'https://api.openai.test/v1' }))).toBe('agent');
  } finally {
    setGlobalDispatcher(before);
  }
});

describe.concurrent('outside of a test', () => {
  test.each([
    ['instrumented', 'native'],
    ['mock', 'replaced'],
    ['node-test', 'replaced'],
    ['globals', 'replaced'],
  ])('a replaced `fetch` of the kind "%s" gives %s requests', async (kind, expected) => {
    const run = await runProgram('process/programs/replaced-fetch', [kind]);
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining(`requests are ${expected}\n`) });
  });
});
