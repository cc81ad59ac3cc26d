/** Where a request goes, with which key, and what of it goes over the wire (contract.md, section 2). */

import { AsyncLocalStorage } from 'node:async_hooks';

import OpenAI from 'openpipe-native';
import { describe, expect, vi } from 'vitest';

import { ask, MESSAGES, rejection } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { runProgram } from '../support/programs.mjs';
import { chats, clientOptions, FALLBACK, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

const FAILING = /** @type {const} */ ({ kind: 'status', status: 500 });
const WITH_FALLBACK = { fallback: { model: FALLBACK } };

describe('a model is served', () => {
  for (const [model, where, openpipe] of /** @type {[string, 'openpipe' | 'openai', any?][]} */ ([
    ['openpipe:my-ft-model', 'openpipe'],
    ['openai:gpt-4o', 'openpipe'],
    ['anthropic:claude-3-5-sonnet', 'openpipe'],
    ['gemini:gemini-1.5-flash', 'openpipe'],
    ['gpt-4o', 'openai'],
    ['ft:gpt-4o:openpipe:x', 'openai'],
    ['OpenPipe:x', 'openai'],
    ['openpipe', 'openai'],
    ['gpt-4o', 'openpipe', { cache: 'readWrite' }],
  ])) {
    test(`at ${where}: ${model} with ${JSON.stringify(openpipe ?? {})}`, async ({ stage }) => {
      const { openai, primary: atOpenPipe, fallback: direct } = await stage();
      const told = await ask(openai, { model, openpipe });
      const [there, elsewhere] = where === 'openpipe' ? [atOpenPipe, direct] : [direct, atOpenPipe];

      expect(told.info.attempts).toMatchObject([{ upstream: where, model }]);
      expect(onlyChat(there)).toMatchObject({ method: 'POST', path: '/v1/chat/completions', body: { model } });
      expect(onlyChat(there).headers.authorization).toBe(`Bearer ${where === 'openpipe' ? OPENPIPE_KEY : OPENAI_KEY}`);
      expect(elsewhere.totalConnections).toBe(0);
    });
  }

  test('as a fallback by its own model: the cache is the primary’s', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: FAILING });
    const told = await ask(openai, { model: 'gpt-4o', openpipe: { ...WITH_FALLBACK, cache: 'readWrite' } });

    expect(told.info.attempts).toMatchObject([{ upstream: 'openpipe', model: 'gpt-4o' }, { upstream: 'openai' }]);
    expect(opHeaders(onlyChat(fallback))).toEqual({});
  });
});

describe('OpenPipe gets', () => {
  test('headers that say whether to log, how to cache, and the tags and criteria', async ({ stage }) => {
    const { openai, primary } = await stage();
    const tags = { prompt_id: 'counting', n: 5, yes: true, none: null };
    await ask(openai, { openpipe: { tags, logRequest: true, cache: 'readOnly', criteria: ['helpful', 'short'] } });

    const headers = opHeaders(onlyChat(primary));
    expect(headers).toMatchObject({ 'op-log-request': 'true', 'op-cache': 'readOnly' });
    expect(JSON.parse(headers['op-criteria'] ?? '')).toEqual(['helpful', 'short']);
    expect(JSON.parse(headers['op-tags'] ?? '')).toEqual({
      ...tags,
      $sdk: 'openpipe-native',
      '$sdk.version': expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  test('no headers for options that were not given', async ({ stage }) => {
    const { openai, primary } = await stage({ openpipe: { logRequest: undefined } });
    await ask(openai);
    await ask(openai, { openpipe: { logRequest: false } });
    const [plain, unlogged] = chats(primary).map(opHeaders);

    expect(plain).toMatchObject({ 'op-log-request': 'true' });
    expect(Object.keys(plain ?? {}).sort()).toEqual(['op-log-request', 'op-tags']);
    expect(unlogged).toMatchObject({ 'op-log-request': 'false' });
  });

  test('the tags of the call, merged over those of the constructor', async ({ stage }) => {
    const { openai, primary } = await stage({
      openpipe: { tags: { a: 1, b: 2 }, criteria: ['x'], cache: 'readWrite' },
    });
    await ask(openai, { openpipe: { tags: { b: 3, c: 4 } } });

    const headers = opHeaders(onlyChat(primary));
    expect(JSON.parse(headers['op-tags'] ?? '')).toMatchObject({ a: 1, b: 3, c: 4 });
    expect(headers).toMatchObject({ 'op-criteria': '["x"]', 'op-cache': 'readWrite' });
  });

  test('in ASCII, whatever the tags are', async ({ stage }) => {
    const { openai, primary } = await stage();
    // One of them was cut in the middle of an emoji.
    const tags = { größe: 'Zürich 🎉 "\\ \n\r\0', cut: 'Hi \ud83c', '\r\nx-injected: yes': 'a' };
    const criteria = ['höflich\r\n'];
    expect((await ask(openai, { openpipe: { tags, criteria } })).info.servedBy).toBe('primary');

    const headers = opHeaders(onlyChat(primary));
    expect(`${headers['op-tags']}${headers['op-criteria']}`).toMatch(/^[\x20-\x7e]*$/);
    const { cut, ...whole } = JSON.parse(headers['op-tags'] ?? '');
    expect(whole).toMatchObject({ größe: tags.größe, '\r\nx-injected: yes': 'a' });
    expect(cut).toMatch(/^Hi [\ud83c\ufffd]$/);
    expect(JSON.parse(headers['op-criteria'] ?? '')).toEqual(criteria);
    expect(onlyChat(primary).headers).not.toHaveProperty('x-injected');
  });

  test('no other upstream does', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: FAILING, openpipe: { tags: { a: 1 }, criteria: ['x'] } });
    await ask(openai, { openpipe: { ...WITH_FALLBACK, cache: 'readWrite', tags: { b: 2 } } });
    expect(opHeaders(onlyChat(fallback))).toEqual({});
  });
});

describe('`metadata`', () => {
  for (const [store, kept] of /** @type {[any, boolean][]} */ ([
    [undefined, false],
    [false, false],
    [null, false],
    [true, true],
  ])) {
    test(`with \`store: ${store}\` ${kept ? 'stays' : 'is taken out'} of a direct call and of a fallback`, async ({
      stage,
    }) => {
      const { openai, primary, fallback } = await stage({ primary: FAILING });
      const body = { metadata: { a: 'b' }, ...(store === undefined ? {} : { store }) };
      await ask(openai, { model: 'gpt-4o', body });
      await ask(openai, { openpipe: WITH_FALLBACK, body });

      for (const request of chats(fallback)) expect('metadata' in request.body).toBe(kept);
      expect(chats(fallback)).toHaveLength(2);
      // OpenPipe takes it either way.
      expect(onlyChat(primary).body.metadata).toEqual({ a: 'b' });
    });
  }

  for (const [what, store, change, kept] of /** @type {const} */ ([
    ['leaves `store` out', true, { omit: ['store'] }, false],
    ['sets it to `false`', true, { params: { store: false } }, false],
    ['sets it to `true`', false, { params: { store: true } }, true],
  ])) {
    test(`${kept ? 'stays' : 'is taken out'} where the fallback ${what}`, async ({ stage }) => {
      const { openai, fallback } = await stage({ primary: FAILING });
      const openpipe = { fallback: { model: 'gpt-4o', ...change } };
      await ask(openai, { openpipe: /** @type {any} */ (openpipe), body: { metadata: { a: 'b' }, store } });

      expect('metadata' in onlyChat(fallback).body).toBe(kept);
    });
  }
});

describe("the body's text", () => {
  /** Whatever `JSON.stringify` has an opinion about. */
  const peculiar = () => ({
    model: PRIMARY,
    messages: [
      { role: 'user', content: 'größe 🎉 \ud800 \udc00 \u2028 \u0000 </script> 12345678901234567890' },
      { role: 'user', content: { toJSON: () => 'by toJSON' } },
    ],
    z: 1,
    2: 'integer-like keys come first',
    1: 'in their order',
    big: Number.MAX_SAFE_INTEGER + 2,
    small: 5e-324,
    exponent: 1e21,
    infinite: 1e400,
    nan: NaN,
    minusZero: -0,
    missing: undefined,
    list: [undefined, () => {}, Symbol('s'), null],
    date: new Date(0),
    nested: { openpipe: 'stays', model: 'stays', stream: 'stays' },
    ['__proto__']: { polluted: true },
    deep: JSON.parse(`${'['.repeat(3_000)}${']'.repeat(3_000)}`),
  });

  test('is that of `JSON.stringify`, byte for byte, at either upstream', async ({ stage }) => {
    const { openai, primary, fallback } = await stage();
    await openai.chat.completions.create(/** @type {any} */ ({ ...peculiar(), openpipe: { tags: { a: 1 } } }));
    await openai.chat.completions.create(/** @type {any} */ ({ ...peculiar(), model: 'gpt-4o' }));

    expect(onlyChat(primary).rawBody).toBe(JSON.stringify(peculiar()));
    expect(onlyChat(fallback).rawBody).toBe(JSON.stringify({ ...peculiar(), model: 'gpt-4o' }));
    expect(onlyChat(primary).headers['content-type']).toBe('application/json');
    expect(onlyChat(primary).headers['content-length']).toBe(String(Buffer.byteLength(JSON.stringify(peculiar()))));
  });

  test('of a fallback differs in the model only', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: FAILING });
    const model = 'a "quoted" \\ model, größe';
    await openai.chat.completions.create(/** @type {any} */ ({ openpipe: { fallback: { model } }, ...peculiar() }));

    expect(onlyChat(fallback).rawBody).toBe(JSON.stringify({ ...peculiar(), model }));
  });

  test('is serialized when `create` is called, not later', async ({ stage }) => {
    const { openai, primary, fallback } = await stage({ primary: { ...FAILING, delayMs: 50 } });
    const body = { model: PRIMARY, messages: [{ role: 'user', content: 'before' }], openpipe: { ...WITH_FALLBACK } };
    const call = openai.chat.completions.create(/** @type {any} */ (body));
    body.model = 'changed';
    body.messages[0] = { role: 'user', content: 'after' };
    body.messages.push({ role: 'user', content: 'more' });
    body.openpipe.fallback = { model: 'changed' };
    await call;

    for (const upstream of [primary, fallback]) {
      expect(onlyChat(upstream).body.messages).toEqual([{ role: 'user', content: 'before' }]);
    }
    expect(onlyChat(fallback).body.model).toBe(FALLBACK);
  });

  test('is serialized when `create` is called, also where the options are a promise', async ({ stage }) => {
    const { openai, primary } = await stage();
    const body = { model: PRIMARY, messages: [{ role: 'user', content: 'before' }] };
    const options = new Promise((resolve) => setTimeout(resolve, 30, {}));
    const call = openai.chat.completions.create(/** @type {any} */ (body), /** @type {any} */ (options));
    body.model = 'changed';
    await call;
    expect(onlyChat(primary).body.model).toBe(PRIMARY);
  });

  test("is that of the body's own `toJSON`", async ({ stage }) => {
    const { openai, primary } = await stage();
    class Request {
      model = PRIMARY;
      #messages = MESSAGES;
      openpipe = { tags: { a: 1 } };
      toJSON() {
        return { model: this.model, messages: this.#messages, written: true, openpipe: this.openpipe };
      }
    }
    await openai.chat.completions.create(/** @type {any} */ (new Request()));

    expect(onlyChat(primary).rawBody).toBe(JSON.stringify({ model: PRIMARY, messages: MESSAGES, written: true }));
    expect(onlyChat(primary).headers['op-tags']).toContain('"a":1');
  });

  test("lacks the `openpipe` that only the body's `toJSON` returns, which has effect", async ({ stage }) => {
    const { openai, primary } = await stage();
    const written = { model: PRIMARY, messages: MESSAGES, openpipe: { tags: { a: 1 } } };
    await openai.chat.completions.create(/** @type {any} */ ({ model: PRIMARY, toJSON: () => written }));

    expect(onlyChat(primary).rawBody).toBe(JSON.stringify({ model: PRIMARY, messages: MESSAGES }));
    expect(onlyChat(primary).headers['op-tags']).toContain('"a":1');
  });

  test('lacks `openpipe` also where `toJSON` returns an object with a `toJSON`', async ({ stage }) => {
    const { openai, primary } = await stage();
    const body = { model: PRIMARY, messages: MESSAGES, openpipe: {}, toJSON: () => body };
    await openai.chat.completions.create(/** @type {any} */ (body));

    expect(onlyChat(primary).rawBody).toBe(JSON.stringify({ model: PRIMARY, messages: MESSAGES }));
  });

  test('of several megabytes arrives complete', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: FAILING });
    const content = 'größe '.repeat(1_000_000);
    await ask(openai, { openpipe: WITH_FALLBACK, body: { messages: [{ role: 'user', content }] } });
    expect(onlyChat(fallback).body.messages[0].content).toBe(content);
  });
});

test('a trailing slash of a base URL is not doubled', async ({ serve }) => {
  const upstream = await serve();
  for (const slashes of ['', '/', '//']) {
    const url = `${upstream.url}${slashes}`;
    const openai = new OpenAI(clientOptions(url, slashes === '//' ? upstream.url : url));
    await ask(openai, { model: PRIMARY });
    await ask(openai, { model: 'gpt-4o' });
  }
  expect(chats(upstream).map(({ path }) => path)).toEqual(Array(6).fill('/v1/chat/completions'));
});

describe('headers and query', () => {
  test('of the client are sent: defaultHeaders, defaultQuery, organization, project', async ({ stage }) => {
    const { openai, fallback } = await stage({
      organization: 'org-1',
      project: 'proj-1',
      defaultHeaders: { 'x-default': 'd', 'User-Agent': 'mine/1' },
      defaultQuery: { 'api-version': '2024 & more' },
    });
    await ask(openai, { model: 'gpt-4o' });
    const { headers, path } = onlyChat(fallback);

    expect(headers).toMatchObject({
      'openai-organization': 'org-1',
      'openai-project': 'proj-1',
      'x-default': 'd',
      'user-agent': 'mine/1',
    });
    expect(new URL(path, 'http://x').searchParams.get('api-version')).toBe('2024 & more');
  });

  test('of the call are sent, and replace the client’s', async ({ stage }) => {
    const { openai, fallback } = await stage({ defaultHeaders: { 'x-both': 'default', 'x-gone': 'default' } });
    await ask(openai, {
      model: 'gpt-4o',
      options: { headers: { 'X-Both': 'call', 'x-gone': null, 'x-call': 'yes' }, query: { q: '1' } },
    });
    const { headers, path } = onlyChat(fallback);

    expect(headers).toMatchObject({ 'x-both': 'call', 'x-call': 'yes' });
    expect(headers).not.toHaveProperty('x-gone');
    expect(path).toBe('/v1/chat/completions?q=1');
  });

  test('that are null in the client are not sent', async ({ stage }) => {
    const { openai, fallback } = await stage({ defaultHeaders: { 'User-Agent': null, 'x-stainless-lang': null } });
    await ask(openai, { model: 'gpt-4o' });
    expect(onlyChat(fallback).headers).not.toHaveProperty('user-agent');
    expect(onlyChat(fallback).headers).not.toHaveProperty('x-stainless-lang');
  });

  test('of a call are sent to the fallback too, without credentials', async ({ stage }) => {
    const { openai, primary, fallback } = await stage({ primary: FAILING });
    const credentials = {
      Authorization: 'Bearer mine',
      'api-key': 'mine',
      'X-API-Key': 'mine',
      Cookie: 'mine=1',
      'Proxy-Authorization': 'mine',
    };
    await ask(openai, { openpipe: WITH_FALLBACK, options: { headers: { ...credentials, 'x-trace': 't' } } });

    const first = onlyChat(primary).headers;
    expect(first).toMatchObject({ authorization: 'Bearer mine', 'api-key': 'mine', cookie: 'mine=1', 'x-trace': 't' });
    const second = onlyChat(fallback);
    expect(second.headers).toMatchObject({ authorization: `Bearer ${OPENAI_KEY}`, 'x-trace': 't' });
    expect(String(second.rawHeaders)).not.toContain('mine');
  });

  test('of the client that are credentials are sent to its own upstream only', async ({ stage }) => {
    const { openai, primary, fallback } = await stage({
      primary: FAILING,
      defaultHeaders: { 'api-key': 'azure-secret', cookie: 'session-secret', 'x-default': 'd' },
    });
    await ask(openai, { openpipe: WITH_FALLBACK });

    expect(onlyChat(fallback).headers).toMatchObject({ 'api-key': 'azure-secret', 'x-default': 'd' });
    expect(onlyChat(primary).headers).toMatchObject({ 'x-default': 'd' });
    expect(String(onlyChat(primary).rawHeaders)).not.toContain('secret');
  });

  test('of a call are not sent with the next call', async ({ stage }) => {
    const { openai, primary } = await stage();
    await ask(openai, { options: { headers: { 'x-once': '1', authorization: 'Bearer other' } } });
    await ask(openai);
    const second = chats(primary)[1];

    expect(second?.headers).not.toHaveProperty('x-once');
    expect(second?.headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
  });

  test('of the client follow changes of its options', async ({ stage }) => {
    const defaultHeaders = { 'x-trace': '1', authorization: 'Bearer 1' };
    const defaultQuery = { q: '1' };
    const { openai, primary, fallback } = await stage({ primary: FAILING, defaultHeaders, defaultQuery });
    for (const number of ['1', '2']) {
      Object.assign(defaultHeaders, { 'x-trace': number, authorization: `Bearer ${number}` });
      defaultQuery.q = number;
      await ask(openai, { openpipe: WITH_FALLBACK });
    }
    const sent = chats(fallback).map(({ headers, path }) => [headers['x-trace'], headers.authorization, path]);

    expect(sent).toEqual([
      ['1', 'Bearer 1', '/v1/chat/completions?q=1'],
      ['2', 'Bearer 2', '/v1/chat/completions?q=2'],
    ]);
    expect(chats(primary).map(({ headers }) => headers['x-trace'])).toEqual(['1', '2']);
  });

  test('of the client follow changes of its default query', async ({ stage }) => {
    const defaultQuery = { q: '1' };
    const { openai, fallback } = await stage({ defaultQuery });
    for (const number of ['1', '2']) {
      defaultQuery.q = number;
      await ask(openai, { model: 'gpt-4o' });
    }
    expect(chats(fallback).map(({ path }) => path)).toEqual(['/v1/chat/completions?q=1', '/v1/chat/completions?q=2']);
  });

  test('of the client follow changes of a `Headers` object', async ({ stage }) => {
    const defaultHeaders = new Headers({ 'x-trace': '1' });
    const { openai, fallback } = await stage({ defaultHeaders });
    await ask(openai, { model: 'gpt-4o' });
    defaultHeaders.set('x-trace', '2');
    await ask(openai, { model: 'gpt-4o' });
    expect(chats(fallback).map(({ headers }) => headers['x-trace'])).toEqual(['1', '2']);
  });

  test('of the client from a getter are read once for each call', async ({ stage }) => {
    let token = 0;
    const defaultHeaders = {
      get authorization() {
        return `Bearer fresh-${++token}`;
      },
    };
    const { openai, fallback } = await stage({ defaultHeaders });
    token = 0;
    for (let call = 0; call < 3; call += 1) await ask(openai, { model: 'gpt-4o' });
    const keys = chats(fallback).map(({ headers }) => headers.authorization);
    expect(keys).toEqual(['Bearer fresh-1', 'Bearer fresh-2', 'Bearer fresh-3']);
  });

  test('of a subclass that makes them for each request are made for each call', async ({ stage }) => {
    const { options, fallback } = await stage();
    class Counting extends /** @type {any} */ (OpenAI) {
      asked = 0;

      defaultQuery() {
        return { n: String(++this.asked) };
      }

      getUserAgent() {
        return `mine/${this.asked}`;
      }
    }
    const openai = /** @type {any} */ (new /** @type {any} */ (Counting)(options));
    for (let call = 0; call < 2; call += 1) await ask(openai, { model: 'gpt-4o' });
    expect(chats(fallback).map(({ headers, path }) => [path, headers['user-agent']])).toEqual([
      ['/v1/chat/completions?n=1', 'mine/1'],
      ['/v1/chat/completions?n=2', 'mine/2'],
    ]);
  });
});

describe('a client without a key', () => {
  test('for OpenAI still serves OpenPipe’s models', async ({ serve }) => {
    const upstream = await serve();
    const openai = new OpenAI({ baseURL: upstream.url, openpipe: { apiKey: OPENPIPE_KEY, baseUrl: upstream.url } });

    expect((await ask(openai)).error).toBeUndefined();
    expect(onlyChat(upstream).headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
    expect((await ask(openai, { model: 'gpt-4o' })).error.constructor).toBe(OpenAI.OpenAIError);
    expect(chats(upstream)).toHaveLength(1);
  });

  test('for OpenPipe still serves OpenAI’s models, and says nothing of OpenPipe', async ({ serve }) => {
    const upstream = await serve();
    const { logger, warnings } = listeningLogger();
    const openai = new OpenAI({ apiKey: OPENAI_KEY, baseURL: upstream.url, logger });

    expect((await ask(openai, { model: 'gpt-4o' })).error).toBeUndefined();
    expect((await ask(openai, { model: 'gpt-4o' })).error).toBeUndefined();
    expect(upstream.requests.map(({ path }) => path)).toEqual(Array(2).fill('/v1/chat/completions'));
    expect(warnings).toEqual([]);
  });

  test('for a fallback warns at the first call, and does without it', async ({ serve }) => {
    const upstream = await serve(({ body }) =>
      body.model === 'openpipe:bad' ? { kind: 'status', status: 400 } : undefined,
    );
    const { logger, warnings } = listeningLogger();
    const openai = new OpenAI({
      logger,
      openpipe: {
        apiKey: OPENPIPE_KEY,
        baseUrl: upstream.url,
        fallback: { model: 'gpt-warned-of' },
        logRequest: false,
      },
    });
    for (let call = 0; call < 3; call += 1) expect((await ask(openai)).info.servedBy).toBe('primary');
    expect(warnings).toEqual([expect.stringMatching(/gpt-warned-of.*OPENAI_API_KEY/)]);

    const { error } = await ask(openai, { model: 'openpipe:bad' });
    expect(error.status).toBe(400);
    expect(error.openpipe.attempts).toHaveLength(1);
  });

  test('is served by the fallback whose key there is only where the primary has one', async ({ serve }) => {
    const upstream = await serve();
    const openai = new OpenAI({ apiKey: OPENAI_KEY, baseURL: upstream.url, logLevel: 'off' });
    const { error } = await ask(openai, { openpipe: WITH_FALLBACK });

    expect(error.constructor).toBe(OpenAI.OpenAIError);
    expect(upstream.totalConnections).toBe(0);
  });

  test('uses a key that is set later', async ({ serve }) => {
    const upstream = await serve();
    const openai = new OpenAI({ baseURL: upstream.url, logLevel: 'off' });
    expect((await ask(openai, { model: 'gpt-4o' })).error.constructor).toBe(OpenAI.OpenAIError);
    Object.assign(openai, { apiKey: 'sk-later' });
    expect((await ask(openai, { model: 'gpt-4o' })).error).toBeUndefined();
    expect(onlyChat(upstream).headers.authorization).toBe('Bearer sk-later');
  });
});

describe('the environment', () => {
  test('gives keys and URLs where the options do not', async ({ serve }) => {
    const [atOpenPipe, direct] = [await serve(), await serve()];
    const openai = withEnvironment(
      {
        OPENAI_API_KEY: ' sk-env ',
        OPENAI_BASE_URL: direct.url,
        OPENPIPE_API_KEY: ' opk-env\n',
        OPENPIPE_BASE_URL: ` ${atOpenPipe.url}/ `,
        OPENAI_ORG_ID: 'org-env',
      },
      () => new OpenAI(),
    );
    await ask(openai);
    await ask(openai, { model: 'gpt-4o' });

    expect(onlyChat(atOpenPipe).headers.authorization).toBe('Bearer opk-env');
    expect(onlyChat(direct).headers).toMatchObject({
      authorization: 'Bearer sk-env',
      'openai-organization': 'org-env',
    });
  });

  test('is overridden by the options', async ({ stage }) => {
    const { options, primary, fallback } = await stage();
    const openai = withEnvironment(
      {
        OPENAI_API_KEY: 'sk-env',
        OPENAI_BASE_URL: 'http://127.0.0.1:1',
        OPENPIPE_API_KEY: 'opk-env',
        OPENPIPE_BASE_URL: 'http://127.0.0.1:1',
      },
      () => new OpenAI(options),
    );
    await ask(openai);
    await ask(openai, { model: 'gpt-4o' });

    expect(onlyChat(primary).headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
    expect(onlyChat(fallback).headers.authorization).toBe(`Bearer ${OPENAI_KEY}`);
  });

  /** @type {[string, Record<string, string>, boolean][]} */
  const switches = [
    ['not without Node’s own switch', {}, false],
    ['with NODE_USE_ENV_PROXY=1', { NODE_USE_ENV_PROXY: '1' }, true],
    ['not for what NO_PROXY names', { NODE_USE_ENV_PROXY: '1', NO_PROXY: 'localhost,127.0.0.1' }, false],
  ];
  for (const [what, more, used] of switches) {
    test(`names a proxy, which is used ${what}`, async ({ serve }) => {
      const [upstream, proxy] = [await serve(), await serve({ kind: 'answer', content: 'by the proxy' })];
      const env = {
        OPENAI_API_KEY: OPENAI_KEY,
        OPENAI_BASE_URL: upstream.url,
        HTTP_PROXY: new URL(proxy.url).origin,
        ...more,
      };
      const told = JSON.parse((await runProgram('process/programs/call', ['gpt-4o'], { env })).stdout);

      expect(told.text).toBe(used ? 'by the proxy' : 'Answered by upstream, with the model gpt-4o.');
      expect(chats(upstream)).toHaveLength(used ? 0 : 1);
      // A proxy is asked with the whole URL.
      expect(chats(proxy).map(({ path }) => path)).toEqual(used ? [`${upstream.url}/chat/completions`] : []);
    });
  }
});

describe('`withOptions()`', () => {
  test('keeps `openpipe`, and merges what is given over it', async ({ stage }) => {
    const { openai, primary, fallback } = await stage({
      primary: FAILING,
      openpipe: { ...WITH_FALLBACK, tags: { a: 1 } },
    });
    const derived = openai.withOptions({ timeout: 5_000 }).withOptions({ openpipe: { cache: 'readWrite' } });
    expect(derived).toBeInstanceOf(OpenAI);
    expect((await ask(derived)).info.servedBy).toBe('fallback');

    expect(opHeaders(onlyChat(primary))).toMatchObject({ 'op-cache': 'readWrite' });
    expect(onlyChat(primary).headers['op-tags']).toContain('"a":1');
    expect(onlyChat(primary).headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
    expect(onlyChat(fallback).headers.authorization).toBe(`Bearer ${OPENAI_KEY}`);
  });

  test('does not change the first client’s `openpipe`', async ({ stage }) => {
    const { openai, primary } = await stage({ openpipe: { tags: { a: 1 } } });
    openai.withOptions({ apiKey: 'other', openpipe: { tags: { b: 2 }, apiKey: 'other' } });
    await ask(openai);
    expect(onlyChat(primary).headers['op-tags']).not.toContain('"b"');
    expect(onlyChat(primary).headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
  });

  test('ignores members of `openpipe` that are `undefined`', async ({ stage }) => {
    const { openai, primary } = await stage({ primary: FAILING, openpipe: WITH_FALLBACK });
    const derived = openai.withOptions({ openpipe: { fallback: undefined, apiKey: undefined, baseUrl: undefined } });
    expect((await ask(derived)).info.servedBy).toBe('fallback');
    expect(onlyChat(primary).headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
  });

  test('accepts another OpenPipe URL under both names', async ({ stage, serve }) => {
    const { openai } = await stage({ primary: FAILING });
    const other = await serve();
    const derived = openai.withOptions({ openpipe: /** @type {any} */ ({ baseURL: other.url }) });
    expect((await ask(derived)).error).toBeUndefined();
    expect(chats(other)).toHaveLength(1);
  });

  test('keeps own accessors, and ignores inherited members', async ({ serve }) => {
    const upstream = await serve();
    const settings = {
      get apiKey() {
        return OPENPIPE_KEY;
      },
      get baseUrl() {
        return upstream.url;
      },
    };
    const openai = new OpenAI({ apiKey: 'k', logLevel: 'off', openpipe: settings });
    expect((await ask(openai.withOptions({ openpipe: { logRequest: false } }))).error).toBeUndefined();
    expect(onlyChat(upstream).headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);

    const inherited = Object.assign(Object.create({ apiKey: OPENPIPE_KEY }), { baseUrl: upstream.url });
    const without = new OpenAI({ apiKey: 'k', logLevel: 'off', openpipe: inherited });
    expect((await ask(without)).error.constructor).toBe(OpenAI.OpenAIError);
    expect(chats(upstream)).toHaveLength(1);
  });

  test('refuses an `openpipe` that is no object', async ({ stage }) => {
    const { openai } = await stage();
    for (const openpipe of /** @type {any[]} */ ([5, 'x', []])) {
      expect(() => openai.withOptions({ openpipe })).toThrow('`openpipe` must be an object');
    }
  });

  test("does not count the SDK's defaults as given", async ({ stage }) => {
    const { openai, primary } = await stage({ primary: FAILING, openpipe: WITH_FALLBACK });
    for (const client of [openai, openai.withOptions({}), openai.withOptions({ timeout: 9_000 }).withOptions({})]) {
      primary.reset();
      const { info } = await ask(client);
      // Not given: none where another target follows. The SDK's default, as if given, would make three.
      expect(info.attempts).toMatchObject([{ tries: 1 }, { outcome: 'ok' }]);
      expect(chats(primary)).toHaveLength(1);
    }
  });

  test('counts options as given that the first client or the change names', async ({ stage }) => {
    const primary = /** @type {const} */ ({ kind: 'status', status: 500, headers: { 'retry-after-ms': '1' } });
    const staged = await stage({ primary, openpipe: WITH_FALLBACK, maxRetries: 2 });
    expect((await ask(staged.openai.withOptions({}))).info.attempts[0]?.tries).toBe(3);
    expect((await ask(staged.openai.withOptions({ maxRetries: 1 }))).info.attempts[0]?.tries).toBe(2);
    expect((await ask(staged.openai.withOptions({ maxRetries: 1 }).withOptions({}))).info.attempts[0]?.tries).toBe(2);
  });

  test('keeps the native transport', async ({ stage }) => {
    // Under a test runner a replaced `fetch` is used unless this is set.
    const { openai } = await stage({ openpipe: { transport: 'native' } });
    const fetch = vi.spyOn(globalThis, 'fetch');
    try {
      expect((await ask(openai.withOptions({}), { model: 'gpt-4o' })).error).toBeUndefined();
      expect(fetch).not.toHaveBeenCalled();
    } finally {
      fetch.mockRestore();
    }
  });

  test('accepts another key and another base URL', async ({ stage, serve }) => {
    const { openai } = await stage();
    const other = await serve();
    const derived = openai.withOptions({
      apiKey: 'sk-derived',
      baseURL: other.url,
      openpipe: { apiKey: 'opk-derived' },
    });
    await ask(derived, { model: 'gpt-4o' });
    expect(onlyChat(other).headers.authorization).toBe('Bearer sk-derived');
  });

  test('can set the key of a client without one', async ({ serve }) => {
    const upstream = await serve();
    const openai = new OpenAI({ baseURL: upstream.url, logLevel: 'off' });
    expect((await ask(openai.withOptions({}), { model: 'm' })).error.constructor).toBe(OpenAI.OpenAIError);
    expect((await ask(openai.withOptions({ apiKey: 'sk-new' }), { model: 'm' })).error).toBeUndefined();
    expect(onlyChat(upstream).headers.authorization).toBe('Bearer sk-new');
  });
});

describe("the constructor's options", () => {
  test('may be the accessors of a class, or inherited, as in the SDK', async ({ serve }) => {
    const upstream = await serve();
    class Config {
      get apiKey() {
        return OPENAI_KEY;
      }
      get baseURL() {
        return upstream.url;
      }
      get organization() {
        return 'org-of-config';
      }
      get openpipe() {
        return { apiKey: OPENPIPE_KEY, logRequest: false };
      }
    }
    for (const options of [new Config(), Object.create(new Config()), Object.freeze(new Config())]) {
      upstream.reset();
      const openai = new OpenAI(options);
      expect((await ask(openai, { model: 'gpt-4o' })).error).toBeUndefined();
      expect(onlyChat(upstream).headers).toMatchObject({
        authorization: `Bearer ${OPENAI_KEY}`,
        'openai-organization': 'org-of-config',
      });
      expect(JSON.stringify(Reflect.get(openai, '_options'))).not.toContain(OPENPIPE_KEY);
    }
  });

  test('of a class that has no key make a client without one', async ({ serve }) => {
    const upstream = await serve();
    class Config {
      get baseURL() {
        return upstream.url;
      }
    }
    const openai = new OpenAI(Object.assign(new Config(), { logLevel: /** @type {const} */ ('off') }));
    expect((await ask(openai, { model: 'gpt-4o' })).error.constructor).toBe(OpenAI.OpenAIError);
    openai.apiKey = 'sk-later';
    expect((await ask(openai, { model: 'gpt-4o' })).error).toBeUndefined();
  });
});

describe('properties that are set on a client after it was made take effect', () => {
  test('apiKey and baseURL', async ({ stage, serve }) => {
    const { openai, fallback } = await stage();
    const other = await serve();
    await ask(openai, { model: 'gpt-4o' });
    openai.apiKey = 'sk-rotated';
    await ask(openai, { model: 'gpt-4o' });
    openai.baseURL = other.url;
    await ask(openai, { model: 'gpt-4o' });

    expect(chats(fallback).map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${OPENAI_KEY}`,
      'Bearer sk-rotated',
    ]);
    expect(onlyChat(other).headers.authorization).toBe('Bearer sk-rotated');
  });

  test('timeout', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', delayMs: 400 }, maxRetries: 0 });
    expect((await ask(openai)).error).toBeUndefined();
    openai.timeout = 100;
    expect((await ask(openai)).error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
  });

  test('maxRetries', async ({ stage }) => {
    const primary = /** @type {const} */ ({ kind: 'status', status: 500, headers: { 'retry-after-ms': '1' } });
    const { openai } = await stage({ primary, openpipe: WITH_FALLBACK });
    expect((await ask(openai)).info.attempts[0]?.tries).toBe(1);
    openai.maxRetries = 3;
    expect((await ask(openai)).info.attempts[0]?.tries).toBe(4);
  });

  test('organization', async ({ stage }) => {
    const { openai, fallback } = await stage();
    await ask(openai, { model: 'gpt-4o' });
    openai.organization = 'org-later';
    await ask(openai, { model: 'gpt-4o' });
    expect(chats(fallback).map(({ headers }) => headers['openai-organization'])).toEqual([undefined, 'org-later']);
  });

  test('nothing, for a call that was made before', async ({ stage }) => {
    const { openai, fallback } = await stage();
    await ask(openai, { model: 'warm-up' });
    const call = ask(openai, { model: 'gpt-4o' });
    openai.apiKey = 'sk-later';
    await call;
    expect(chats(fallback)[1]?.headers.authorization).toBe(`Bearer ${OPENAI_KEY}`);
  });
});

describe('an async `apiKey` function', () => {
  test('is called before each call', async ({ stage }) => {
    let asked = 0;
    const { openai, fallback } = await stage({ apiKey: async () => `sk-${++asked}` });
    for (let call = 0; call < 3; call += 1) expect((await ask(openai, { model: 'gpt-4o' })).error).toBeUndefined();

    expect(chats(fallback).map(({ headers }) => headers.authorization)).toEqual([
      'Bearer sk-1',
      'Bearer sk-2',
      'Bearer sk-3',
    ]);
    expect(asked).toBe(3);
  });

  test('returns a key for each of several concurrent calls', async ({ stage }) => {
    let asked = 0;
    const { openai, fallback } = await stage({
      apiKey: async () => {
        const number = ++asked;
        await new Promise((resolve) => setTimeout(resolve, 5 * (4 - number)));
        return `sk-${number}`;
      },
    });
    const calls = Array.from({ length: 3 }, () => ask(openai, { model: 'gpt-4o' }));
    for (const { error } of await Promise.all(calls)) expect(error).toBeUndefined();
    for (const { headers } of chats(fallback)) expect(headers.authorization).toMatch(/^Bearer sk-[123]$/);
  });

  test('that fails is the failure of the call, and sends nothing', async ({ stage }) => {
    const mine = new Error('the vault is closed');
    const { openai, fallback } = await stage({ apiKey: () => Promise.reject(mine) });
    const error = await rejection(openai.chat.completions.create({ model: 'gpt-4o', messages: MESSAGES }));

    expect(error === mine || error.cause === mine).toBe(true);
    expect(error.message).toContain('the vault is closed');
    expect(fallback.totalConnections).toBe(0);
  });

  test('that fails makes the fallback answer, and its error is kept', async ({ stage }) => {
    const mine = new Error('the vault is closed');
    const { openai, fallback } = await stage({ apiKey: () => Promise.reject(mine), logLevel: 'off' });
    const openpipe = { fallback: [{ model: 'also-direct' }, { model: PRIMARY }] };
    const { info } = await ask(openai, { model: 'gpt-4o', openpipe });

    expect(info.attempts).toMatchObject([
      { upstream: 'openai', outcome: 'auth', tries: 1, message: expect.stringContaining('the vault is closed') },
      { upstream: 'openai', outcome: 'auth' },
      { upstream: 'openpipe', outcome: 'ok' },
    ]);
    expect(fallback.totalConnections).toBe(0);
  });

  test('is not called for a model that does not need its key', async ({ stage }) => {
    let asked = 0;
    const { openai } = await stage({ apiKey: () => new Promise(() => void (asked += 1)) });
    expect((await ask(openai)).info.servedBy).toBe('primary');
    expect(asked).toBe(0);
  });

  test('that hangs has the time of its target', async ({ stage }) => {
    const { openai, fallback } = await stage({ apiKey: () => new Promise(() => {}), timeout: 100, maxRetries: 0 });
    const { error, ms } = await ask(openai, { model: 'gpt-4o' });

    expect(error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
    expect(error.openpipe.attempts).toMatchObject([{ upstream: 'openai', outcome: 'timeout', tries: 1 }]);
    expect(ms).toBeLessThan(1_500);
    expect(fallback.totalConnections).toBe(0);
  });

  test('that hangs ends at the deadline of the call', async ({ stage }) => {
    const { openai } = await stage({ apiKey: () => new Promise(() => {}), openpipe: { deadline: 100 } });
    const { error, ms } = await ask(openai, { model: 'gpt-4o' });
    expect(error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
    expect(ms).toBeLessThan(1_500);
  });

  test('that hangs makes the fallback answer', async ({ stage }) => {
    const { openai } = await stage({ apiKey: () => new Promise(() => {}), timeout: 100 });
    const { info, ms } = await ask(openai, { model: 'gpt-4o', openpipe: { fallback: { model: PRIMARY } } });
    expect(info.attempts).toMatchObject([{ outcome: 'timeout' }, { upstream: 'openpipe', outcome: 'ok' }]);
    expect(ms).toBeLessThan(1_500);
  });

  test('is called again at each try', async ({ serve }) => {
    let asked = 0;
    const upstream = await serve({ kind: 'status', status: 500, headers: { 'retry-after-ms': '1' } });
    const apiKey = async () => `sk-${++asked}`;
    const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { apiKey, maxRetries: 1 }));
    const { error } = await ask(openai, { model: 'gpt-4o' });

    expect(error.status).toBe(500);
    const sent = chats(upstream).map(({ headers }) => [headers.authorization, headers['x-stainless-retry-count']]);
    expect(sent).toEqual([
      ['Bearer sk-1', '0'],
      ['Bearer sk-2', '1'],
    ]);
  });

  test('is called in the async context of its call', async ({ stage }) => {
    const context = new AsyncLocalStorage();
    const { openai, fallback } = await stage({ apiKey: async () => `sk-${context.getStore()}` });
    await ask(openai, { model: 'warm-up' });
    for (const who of ['a', 'b']) await context.run(who, () => ask(openai, { model: who }));
    const keys = chats(fallback).map(({ body, headers }) => [body.model, headers.authorization]);
    expect(Object.fromEntries(keys)).toMatchObject({ a: 'Bearer sk-a', b: 'Bearer sk-b' });
  });

  test('has a separate error for each of several concurrent calls', async ({ stage }) => {
    let asked = 0;
    const { openai } = await stage({
      apiKey: async () => {
        throw new Error(`the vault is closed to ${++asked}`);
      },
    });
    const told = await Promise.all(Array.from({ length: 5 }, () => ask(openai, { model: 'gpt-4o' })));
    expect(new Set(told.map(({ error }) => error)).size).toBe(5);
    expect(new Set(told.map(({ error }) => error.message)).size).toBe(5);
  });

  test('returns keys that are redacted where an upstream repeats them', async ({ serve }) => {
    let asked = 0;
    const upstream = await serve(({ headers }) => ({
      kind: 'status',
      status: 401,
      body: { json: { error: { message: `no such key: ${headers.authorization}` } } },
    }));
    const apiKey = async () => `sk-fresh-${++asked}-0123456789`;
    const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { apiKey }));
    for (let call = 0; call < 2; call += 1) {
      const { error } = await ask(openai, { model: 'gpt-4o' });
      expect(error.status).toBe(401);
      expect(`${error.message} ${JSON.stringify(error.error)}`).not.toContain('0123456789');
    }
    expect(asked).toBe(2);
  });

  test('has one circuit for all its keys', async ({ serve }) => {
    let asked = 0;
    const upstream = await serve({ kind: 'status', status: 500 });
    const apiKey = async () => `sk-${++asked}`;
    const openpipe = { fallback: { model: 'openpipe:y' }, breaker: { failures: 2 } };
    const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { apiKey, openpipe, maxRetries: 0 }));
    for (let call = 0; call < 3; call += 1) await ask(openai, { model: 'gpt-4o' });
    const { error } = await ask(openai, { model: 'gpt-4o' });
    expect(error.openpipe.attempts[0]).toMatchObject({ upstream: 'openai', outcome: 'circuit_open' });
    expect(asked).toBe(2);
  });

  test('that fails does not affect calls to OpenPipe', async ({ stage }) => {
    const { openai } = await stage({ apiKey: () => Promise.reject(new Error('the vault is closed')), logLevel: 'off' });
    expect((await ask(openai)).error).toBeUndefined();
  });

  test('that is slow can be aborted', async ({ stage }) => {
    const { openai, fallback } = await stage({ apiKey: () => new Promise(() => {}) });
    const options = { signal: AbortSignal.timeout(50) };
    const { error, ms } = await ask(openai, { model: 'gpt-4o', options });

    expect(error.constructor).toBe(OpenAI.APIUserAbortError);
    expect(ms).toBeLessThan(1_500);
    expect(fallback.totalConnections).toBe(0);
  });
});

describe('a redirect', () => {
  for (const status of [307, 308]) {
    test(`by ${status} within the origin is followed, with body and key`, async ({ serve }) => {
      const upstream = await serve(({ path }) =>
        redirect(status, path.startsWith('/v1') ? '/v2/chat/completions?a=b' : ''),
      );
      const told = await ask(new OpenAI(clientOptions(upstream.url, upstream.url)));

      expect(told.info.servedBy).toBe('primary');
      expect(told.info.attempts).toMatchObject([{ tries: 1, outcome: 'ok' }]);
      const [first, second] = chats(upstream);
      expect(second).toMatchObject({ method: 'POST', path: '/v2/chat/completions?a=b', rawBody: first?.rawBody });
      expect(second?.headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
    });

    test(`by ${status} to another origin is not, and no key goes there`, async ({ serve }) => {
      const elsewhere = await serve();
      const upstream = await serve(() => redirect(status, `${elsewhere.url}/chat/completions`));
      const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { maxRetries: 0 }));
      const { error } = await ask(openai);

      expect(error.constructor).toBe(OpenAI.APIError);
      expect(error.status).toBe(status);
      expect(error.openpipe.attempts).toMatchObject([{ outcome: 'invalid_response' }]);
      expect(elsewhere.totalConnections).toBe(0);
    });
  }

  for (const status of [300, 301, 302, 303, 304, 305]) {
    test(`by ${status} is not followed, even within the origin`, async ({ serve }) => {
      const upstream = await serve(({ path }) =>
        redirect(status, path.startsWith('/v1') ? '/v2/chat/completions' : ''),
      );
      const { error } = await ask(new OpenAI(clientOptions(upstream.url, upstream.url)));

      expect(error.openpipe.attempts).toMatchObject([{ outcome: 'invalid_response', status, tries: 1 }]);
      expect(chats(upstream)).toHaveLength(1);
    });
  }

  test('in a loop ends', async ({ serve }) => {
    const upstream = await serve(() => redirect(307, '/v1/chat/completions'));
    const { error } = await ask(new OpenAI(clientOptions(upstream.url, upstream.url)));

    expect(error.openpipe.attempts).toMatchObject([{ outcome: 'invalid_response', status: 307 }]);
    expect(chats(upstream).length).toBeLessThan(10);
    expect(chats(upstream).length).toBeGreaterThan(2);
  });

  test('without a location is an invalid response', async ({ serve }) => {
    const upstream = await serve({ kind: 'status', status: 307 });
    const { error } = await ask(new OpenAI(clientOptions(upstream.url, upstream.url)));
    expect(error.openpipe.attempts).toMatchObject([{ outcome: 'invalid_response', status: 307 }]);
  });
});

test('everything else of the SDK works as it does there', async ({ serve }) => {
  const list = [{ object: 'embedding', index: 0, embedding: [0.5] }];
  const upstream = await serve(({ path }) =>
    path.endsWith('/embeddings')
      ? { kind: 'status', status: 200, body: { json: { object: 'list', data: list, model: 'e' } } }
      : undefined,
  );
  const openai = new OpenAI(clientOptions(upstream.url, upstream.url));
  const { data } = await openai.embeddings.create({ model: 'e', input: 'x', encoding_format: 'float' });

  expect(data).toEqual(list);
  expect(upstream.requests[0]?.headers.authorization).toBe(`Bearer ${OPENAI_KEY}`);
});

/** @param {import('../../demo/upstream.mjs').LoggedRequest} request @returns {Record<string, string>} */
function opHeaders({ headers }) {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('op-'));
  return Object.fromEntries(own.map(([name, value]) => [name, String(value)]));
}

/** @param {number} status @param {string} location Empty: no redirect, but an answer. @returns {Behaviour} */
function redirect(status, location) {
  return location ? { kind: 'status', status, headers: { location } } : { kind: 'answer' };
}

/** @template T @param {Record<string, string>} variables @param {() => T} work @returns {T} */
function withEnvironment(variables, work) {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  try {
    return work();
  } finally {
    vi.unstubAllEnvs();
  }
}
