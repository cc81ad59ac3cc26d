/** Programs with several vendors and no OpenPipe (contract.md, section 8). */

import { createHook } from 'node:async_hooks';

import OpenAI from 'openpipe-native';
import { describe, expect, onTestFinished } from 'vitest';

import { ask, MESSAGES } from '../support/calls.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { test } from '../support/upstreams.mjs';

/** @type {(undefined | 'fetch')[]} */
const TRANSPORTS = [undefined, 'fetch'];

const FAILING = /** @type {const} */ ({ kind: 'status', status: 500 });

/** @param {any} upstream */
const sent = (upstream) => upstream.requests.map(({ path = '', headers = {}, body = {} }) => ({ path, headers, body }));

/** Three vendors and the client's own upstream. @param {any} serve @param {any} [behaviours] */
async function vendors(serve, behaviours = {}) {
  const own = await serve(behaviours.own);
  const [one, two, three] = [await serve(behaviours.one), await serve(behaviours.two), await serve(behaviours.three)];
  const { logger, warnings } = listeningLogger();
  const openai = new OpenAI({
    apiKey: 'sk-own-0123456789',
    baseURL: own.url,
    logger,
    organization: 'org-own',
    defaultHeaders: { 'x-team': 'a' },
    ...behaviours.options,
    openpipe: {
      upstreams: {
        one: { baseURL: one.url, apiKey: 'key-of-one-0123' },
        two: { baseURL: `${new URL(two.url).origin}/openai/deployments/{model}`, apiKey: null, headers: { 'api-key': 'key-of-two-0123' }, query: { 'api-version': '2024-10-21' } },
        three: { baseURL: three.url, apiKey: behaviours.key ?? (async () => 'key-of-three-0123') },
      },
      aliases: { smart: [{ model: 'one:m1' }, { model: 'two:m2' }, { model: 'three:m3' }] },
      ...behaviours.openpipe,
    },
  }); // prettier-ignore
  return { openai, own, one, two, three, warnings };
}

describe('three vendors and no OpenPipe', () => {
  test('are tried in order, each with its own key, headers and query, natively', async ({ serve }) => {
    const { openai, own, one, two, three, warnings } = await vendors(serve, { one: FAILING, two: FAILING });
    const completion = /** @type {any} */ (
      await openai.chat.completions.create({ model: 'smart', messages: MESSAGES, metadata: { a: 'b' } })
    );

    expect(completion.openpipe.attempts.map((/** @type {any} */ { upstream, model }) => `${upstream} ${model}`)).toEqual([
      'one m1',
      'two m2',
      'three m3',
    ]);
    expect(sent(one)).toMatchObject([{ path: '/v1/chat/completions', headers: { authorization: 'Bearer key-of-one-0123' } }]);
    expect(sent(two)).toMatchObject([
      { path: '/openai/deployments/m2/chat/completions?api-version=2024-10-21', headers: { 'api-key': 'key-of-two-0123' } },
    ]);
    expect(sent(three)).toMatchObject([{ headers: { authorization: 'Bearer key-of-three-0123' }, body: { model: 'm3' } }]);
    expect(sent(three)[0].body.metadata).toEqual({ a: 'b' });
    expect(own.totalConnections).toBe(0);
    expect(warnings).toEqual([]);
  }); // prettier-ignore

  test('get no key, organization or header of another upstream', async ({ serve }) => {
    const { openai, one, two, three } = await vendors(serve, { one: FAILING, two: FAILING });
    await openai.chat.completions.create(
      { model: 'smart', messages: MESSAGES },
      { headers: { 'x-api-key': 'call-secret-0123', 'x-trace': 't' } },
    );
    const all = [...sent(one), ...sent(two), ...sent(three)].map(({ headers }) => headers);
    const keys = ['key-of-one-0123', 'key-of-two-0123', 'key-of-three-0123', 'sk-own-0123456789'];
    expect(all.map((headers) => keys.filter((key) => JSON.stringify(headers).includes(key)))).toEqual([
      ['key-of-one-0123'],
      ['key-of-two-0123'],
      ['key-of-three-0123'],
    ]);
    for (const headers of all) {
      expect(headers['openai-organization']).toBeUndefined();
      expect(headers['x-team']).toBeUndefined();
      expect(headers['x-trace']).toBe('t');
      expect(headers['user-agent']).toMatch(/^OpenAI\/JS/);
    }
    expect(all.map((headers) => headers['x-api-key'])).toEqual(['call-secret-0123', undefined, undefined]);
  });

  test('serve a client without an OpenAI key', async ({ serve }) => {
    const { openai, one } = await vendors(serve, { options: { apiKey: undefined } });
    expect((await ask(openai, { model: 'one:m1' })).error).toBeUndefined();
    expect(sent(one)).toHaveLength(1);
    expect((await ask(openai, { model: 'gpt-4o' })).error.constructor).toBe(OpenAI.OpenAIError);
  });

  test('are called through the constructor’s `fetch`', async ({ serve }) => {
    /** @type {string[]} */
    const urls = [];
    const own = (/** @type {any} */ url, /** @type {any} */ init) => {
      urls.push(String(url));
      return fetch(url, init);
    };
    const { openai, two, three } = await vendors(serve, { one: FAILING, two: FAILING, options: { fetch: own } });
    expect((await ask(openai, { model: 'smart' })).error).toBeUndefined();
    expect(urls.map((url) => new URL(url).pathname)).toEqual([
      '/v1/chat/completions',
      '/openai/deployments/m2/chat/completions',
      '/v1/chat/completions',
    ]);
    expect(sent(two)).toMatchObject([{ headers: { 'api-key': 'key-of-two-0123' } }]);
    expect(sent(two)[0].headers.authorization).toBeUndefined();
    expect(sent(three)).toMatchObject([{ headers: { authorization: 'Bearer key-of-three-0123' } }]);
  });
});

describe('a key that a function returns', () => {
  test('is requested at each try and never kept', async ({ serve }) => {
    let count = 0;
    const key = () => `key-number-${(count += 1)}`;
    const { openai, three } = await vendors(serve, { key });
    await ask(openai, { model: 'three:m' });
    await ask(openai, { model: 'three:m' });
    expect(sent(three).map((/** @type {any} */ { headers }) => headers.authorization)).toEqual([
      'Bearer key-number-1',
      'Bearer key-number-2',
    ]);
  });

  for (const [what, key] of /** @type {[string, () => any][]} */ ([
    ['that throws', () => { throw new Error('no token'); }],
    ['that rejects', async () => { throw new Error('no token'); }],
    ['that gives nothing', () => ''],
    ['that gives no text', () => 5],
    ['that throws a text', () => { throw 'no token'; }],
  ])) for (const transport of TRANSPORTS) {
    const how = transport ? ', also through `fetch`' : '';
    test(`${what} is a failure of its target, kind auth, and is not retried${how}`, async ({ serve }) => {
      const { openai, three } = await vendors(serve, { key, openpipe: { transport } });
      const completion = /** @type {any} */ (
        await openai.chat.completions.create({
          model: 'three:m',
          messages: MESSAGES,
          openpipe: { fallback: { model: 'one:m' } },
        })
      );
      expect(completion.openpipe.attempts).toMatchObject([
        { upstream: 'three', outcome: 'auth', tries: 1 },
        { upstream: 'one', outcome: 'ok' },
      ]);
      expect(three.totalConnections).toBe(0);
    });

    test(`${what} is one of kind auth for the client's own upstream as well${how}`, async ({ serve }) => {
      const { openai, own } = await vendors(serve, { options: { apiKey: key, maxRetries: 2 }, openpipe: { transport } });
      const { error } = await ask(openai, { model: 'm' });
      expect(error.openpipe.attempts).toMatchObject([{ upstream: 'openai', outcome: 'auth', tries: 1 }]);
      expect(own.totalConnections).toBe(0);
    });
  } // prettier-ignore
});

for (const transport of TRANSPORTS) {
  describe(`a declared upstream${transport ? ', through `fetch`' : ''}`, () => {
    test('puts the encoded model into its path, and refuses a model that is a relative path segment', async ({
      serve,
    }) => {
      const { openai, two } = await vendors(serve, { openpipe: { transport } });
      await ask(openai, { model: "two:a/b?c (d)!'*~é" });
      const [{ path }] = sent(two);
      expect(path).toBe(
        '/openai/deployments/a%2Fb%3Fc%20%28d%29%21%27%2A~%C3%A9/chat/completions?api-version=2024-10-21',
      );
      for (const model of ['..', '.', '%2e%2E', '%252e.']) {
        const { error } = await ask(openai, { model: `two:${model}` });
        expect(error.openpipe.attempts).toMatchObject([{ upstream: 'two', outcome: 'bad_request' }]);
      }
      expect(sent(two)).toHaveLength(1);
    });

    test('gets none of the headers that it removes', async ({ serve }) => {
      const upstream = await serve();
      const headers = { 'x-stainless-lang': null, 'User-Agent': null, 'x-mine': '1' };
      const openai = new OpenAI({
        apiKey: 'sk-1',
        openpipe: { transport, upstreams: { one: { baseURL: upstream.url, apiKey: 'k', headers } } },
      });
      await openai.chat.completions.create({ model: 'one:m', messages: MESSAGES });
      const got = sent(upstream)[0].headers;
      expect([got['x-stainless-lang'], got['x-mine'], got['x-stainless-runtime']]).toEqual([undefined, '1', 'node']);
      expect(got['user-agent'] ?? '').not.toMatch(/OpenAI/);
    });
  });
}

describe('the cost of a call', () => {
  test('includes no async context for upstreams whose keys are strings', async ({ serve }) => {
    /** @type {string[]} */
    const kept = [];
    const hook = createHook({ init: (_, type) => void (type === 'OPENPIPE_CALL' && kept.push(type)) }).enable();
    onTestFinished(() => void hook.disable());
    const { openai } = await vendors(serve, { key: 'key-of-three-0123' });
    for (const model of ['own', 'one:m', 'smart']) expect((await ask(openai, { model })).error).toBeUndefined();
    expect(kept).toEqual([]);

    const { openai: asking } = await vendors(serve);
    expect((await ask(asking, { model: 'three:m' })).error).toBeUndefined();
    expect(kept).toEqual(['OPENPIPE_CALL']);
  });
});

describe('where a call goes', () => {
  test('`upstream` in the request options takes the model as it is', async ({ serve }) => {
    const { openai, one } = await vendors(serve);
    const options = /** @type {any} */ ({ openpipe: { upstream: 'one' } });
    expect((await ask(openai, { model: 'three:odd', options })).error).toBeUndefined();
    expect(sent(one)).toMatchObject([{ body: { model: 'three:odd' } }]);
  });

  test('`upstream` of the constructor serves all calls that name no other', async ({ serve }) => {
    const { openai, own, one } = await vendors(serve, { openpipe: { upstream: 'one' } });
    expect((await ask(openai, { model: 'm' })).error).toBeUndefined();
    expect(sent(one)).toHaveLength(1);
    expect(own.totalConnections).toBe(0);
  });

  test('a custom client can be the first target of an alias', async ({ serve }) => {
    const calls = /** @type {any[]} */ ([]);
    const client = { chat: { completions: { create: async (/** @type {any} */ body) => {
      calls.push(body);
      return { id: 'mine', choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }] };
    } } } };
    const { openai } = await vendors(serve, { openpipe: { aliases: { mine: { model: 'deployment', client, name: 'azure' } } } });
    const completion = /** @type {any} */ (await openai.chat.completions.create({ model: 'mine', messages: MESSAGES }));
    expect(completion.id).toBe('mine');
    expect(calls).toMatchObject([{ model: 'deployment' }]);
    expect(completion.openpipe.attempts).toMatchObject([{ upstream: 'azure', outcome: 'ok' }]);
  }); // prettier-ignore

  test('`withOptions` merges the tables member by member', async ({ serve }) => {
    const { openai, one, two } = await vendors(serve);
    const derived = openai.withOptions({ openpipe: /** @type {any} */ ({ aliases: { smart: 'two:m9' } }) });
    expect((await ask(derived, { model: 'smart' })).error).toBeUndefined();
    expect(sent(two)).toHaveLength(1);
    expect(one.totalConnections).toBe(0);
  });

  test('an upstream or an alias may have the name of an option', async ({ serve }) => {
    const upstream = await serve();
    const key = async () => 'key-of-params';
    const openai = new OpenAI({
      apiKey: 'k',
      openpipe: {
        upstreams: {
          params: { baseURL: upstream.url, apiKey: key },
          fallbackClient: { baseURL: upstream.url, apiKey: null },
        },
        aliases: { client: 'params:a', fallbackClient: { model: 'fallbackClient:b' }, params: [{ model: 'params:c' }] },
      },
    });
    for (const model of ['client', 'fallbackClient', 'params'])
      await openai.chat.completions.create({ model, messages: MESSAGES });
    expect(sent(upstream).map((/** @type {any} */ { headers, body }) => [body.model, headers.authorization])).toEqual([
      ['a', 'Bearer key-of-params'],
      ['b', undefined],
      ['c', 'Bearer key-of-params'],
    ]);
  });

  test('a table that is malformed is refused when the client is made', () => {
    const make = (/** @type {any} */ openpipe) => () => new OpenAI({ apiKey: 'k', logLevel: 'off', openpipe });
    expect(make({ upstreams: { request: {} } })).toThrow(TypeError);
    expect(make({ upstreams: { a: { baseURL: 'nowhere' } } })).toThrow(/`openpipe\.upstreams\.a\.baseURL`/);
    expect(make({ upstreams: { client: { baseURL: 'http://127.0.0.1:1/v1', apiKey: null } } })).toThrow(
      /client and request are taken/,
    );
    expect(make({ upstreams: { a: { baseURL: 'http://127.0.0.1:1/v1', client: { chat: {} } } } })).toThrow(/a\.client/);
    expect(make({ aliases: { a: 'groq:llama' } })).toThrow(/upstreams: \{ groq: \{\} \}/);
    expect(make({ upstreams: [] })).toThrow(
      /`openpipe\.upstreams` must be an object of upstreams by name, got an array/,
    );
    expect(make({ aliases: { a: {} } })).toThrow(/`openpipe\.aliases\.a\.model` must be a non-empty string/);
  });
});

describe('an `openpipe:` model of the platform that has ended', () => {
  for (const [status, transport] of /** @type {[number, 'fetch'?][]} */ ([[404], [410], [410, 'fetch']])) {
    test(`says so, and what to do, at ${status}${transport ? ', through `fetch`' : ''}`, async ({ serve }) => {
      const openpipe = await serve({ kind: 'status', status });
      const openai = new OpenAI({
        apiKey: 'sk-1',
        maxRetries: 0,
        openpipe: { apiKey: 'opk-1', baseUrl: openpipe.url, logRequest: false, transport },
      });
      const { error } = await ask(openai, { model: 'openpipe:ft' });
      expect(error).toMatchObject({
        status,
        message: expect.stringMatching(/platform has ended.*`openpipe\.aliases`/),
      });
      expect(error.stack).toContain(error.message);
    });
  }

  test('says so where the host cannot be reached', async () => {
    const openai = new OpenAI({
      apiKey: 'sk-1',
      maxRetries: 0,
      openpipe: { apiKey: 'opk-1', baseUrl: 'http://127.0.0.1:9/api', logRequest: false },
    });
    const { error } = await ask(openai, { model: 'openpipe:ft' });
    expect(error).toBeInstanceOf(OpenAI.APIConnectionError);
    expect(error.message).toMatch(/^Connection error\. \(OpenPipe's platform has ended.*`openpipe\.aliases`/);
  });
});

describe('headers that the caller set or removed for all calls', () => {
  test('are kept: x-stainless-timeout, and the idempotency key', async ({ serve }) => {
    const own = await serve();
    class Client extends OpenAI {
      idempotencyHeader = 'Idempotency-Key';
    }
    /** @param {Record<string, string | null>} defaultHeaders */
    const call = async (defaultHeaders) => {
      const openai = new Client({ apiKey: 'sk-1', baseURL: own.url, defaultHeaders });
      await openai.chat.completions.create({ model: 'm', messages: MESSAGES }, { timeout: 5000 });
      const headers = own.requests.at(-1)?.headers ?? {};
      return [headers['x-stainless-timeout'], headers['idempotency-key']];
    };
    expect(await call({})).toEqual(['5', expect.any(String)]);
    expect(await call({ 'X-Stainless-Timeout': '9', 'idempotency-key': 'mine' })).toEqual(['9', 'mine']);
    expect(await call({ 'x-stainless-timeout': null, 'Idempotency-Key': null })).toEqual([undefined, undefined]);
  });
});
