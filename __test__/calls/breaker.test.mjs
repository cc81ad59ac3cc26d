/** `openpipe.breaker`: a target that keeps failing is left out for a while. Its transitions are tested in crates/core. */

import diagnostics from 'node:diagnostics_channel';

import { OpenAI as SdkOpenAI } from 'openai';
import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask } from '../support/calls.mjs';
import { runProgram } from '../support/programs.mjs';
import { chats, clientOptions, FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

/** @import { FallbackEvent } from 'openpipe-native' */

const DOWN = /** @type {const} */ ({ kind: 'status', status: 503 });
/** Opens with the second failure, for much longer than a test takes. */
const BREAKER = { failures: 2, openFor: 600_000 };
const OPENPIPE = { breaker: BREAKER, fallback: { model: FALLBACK } };

for (const stream of [false, true]) {
  describe(`of a ${stream ? 'stream' : 'completion'}`, () => {
    test('a primary that keeps failing gets no more requests', async ({ stage }) => {
      const { openai, primary, fallback } = await stage({ primary: DOWN, openpipe: OPENPIPE });
      for (let call = 0; call < 5; call += 1) expect((await ask(openai, { stream })).error).toBeUndefined();

      expect(chats(primary)).toHaveLength(2);
      expect(chats(fallback)).toHaveLength(5);
    });

    test('the attempts of the answer say that the primary was skipped, and why', async ({ stage }) => {
      const { openai } = await stage({ primary: DOWN, openpipe: OPENPIPE });
      await ask(openai, { stream });
      await ask(openai, { stream });
      const { info } = await ask(openai, { stream });

      expect(info.servedBy).toBe('fallback');
      expect(info.attempts).toMatchObject([
        {
          upstream: 'openpipe',
          model: PRIMARY,
          outcome: 'circuit_open',
          tries: 0,
          durationMs: 0,
          message: expect.stringMatching(/circuit is open .*server_error.* for another \d+ ms/),
        },
        { upstream: 'openai', model: FALLBACK, outcome: 'ok', tries: 1 },
      ]);
    });

    test('the primary is used again after a probe that succeeded', async ({ stage }) => {
      let isDown = true;
      const { openai } = await stage({
        primary: () => (isDown ? DOWN : undefined),
        openpipe: { ...OPENPIPE, breaker: { failures: 1, openFor: 50 } },
      });
      expect((await ask(openai, { stream })).info.servedBy).toBe('fallback');
      isDown = false;
      await expect.poll(async () => (await ask(openai, { stream })).info.servedBy, { timeout: 10_000 }).toBe('primary');
      expect((await ask(openai, { stream })).info.attempts).toHaveLength(1);
    });
  });
}

test('`onFallback` and the diagnostics channels get the skipped target', async ({ stage }) => {
  /** @type {FallbackEvent[]} */
  const events = [];
  /** @type {any[]} */
  const calls = [];
  const listen = (/** @type {unknown} */ event) => void calls.push(event);
  diagnostics.subscribe('openpipe:call', listen);
  const { openai } = await stage({
    primary: DOWN,
    openpipe: { ...OPENPIPE, onFallback: (event) => void events.push(event) },
  });
  for (let call = 0; call < 3; call += 1) await ask(openai);
  diagnostics.unsubscribe('openpipe:call', listen);

  expect(events.map(({ from }) => from.outcome)).toEqual(['server_error', 'server_error', 'circuit_open']);
  expect(events[2]?.to).toEqual({ upstream: 'openai', model: FALLBACK });
  expect(calls[2].attempts[0].outcome).toBe('circuit_open');
});

test('is off by default', async ({ stage }) => {
  const { openai, primary } = await stage({ primary: DOWN, openpipe: { fallback: { model: FALLBACK } } });
  for (let call = 0; call < 20; call += 1) await ask(openai);
  expect(chats(primary)).toHaveLength(20);
});

test('`true` is the default policy, and `false` switches it off for a call', async ({ stage }) => {
  const { openai, primary } = await stage({ primary: DOWN, openpipe: { ...OPENPIPE, breaker: true } });
  for (let call = 0; call < 8; call += 1) await ask(openai);
  expect(chats(primary)).toHaveLength(5);
  await ask(openai, { openpipe: { breaker: false } });
  await ask(openai, { openpipe: { breaker: null } });
  expect(chats(primary)).toHaveLength(7);
});

test('applies to a client made by `withOptions`', async ({ stage }) => {
  const { openai, primary } = await stage({ primary: DOWN, openpipe: OPENPIPE });
  const other = openai.withOptions({ timeout: 5000 });
  for (let call = 0; call < 4; call += 1) await ask(other);
  expect(chats(primary)).toHaveLength(2);
});

test('the only target gets every request', async ({ stage }) => {
  const { openai, primary } = await stage({ primary: DOWN, maxRetries: 0, openpipe: { breaker: BREAKER } });
  for (let call = 0; call < 4; call += 1) expect((await ask(openai)).error?.status).toBe(503);
  expect(chats(primary)).toHaveLength(4);
});

describe('a circuit is shared', () => {
  test('by clients', async ({ stage }) => {
    const { openai, options, primary } = await stage({ primary: DOWN, openpipe: OPENPIPE });
    await ask(openai);
    await ask(openai);
    const { info } = await ask(new OpenAI(options));
    expect(info.attempts[0]?.outcome).toBe('circuit_open');
    expect(chats(primary)).toHaveLength(2);
  });

  test('by worker threads', async ({ serve }) => {
    const upstream = await serve(({ body }) => (body.model === 'down' ? DOWN : undefined));
    const { code, stdout, stderr } = await runProgram('process/programs/breaker', [upstream.url]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ main: ['server_error', 'server_error'], worker: ['circuit_open'] });
  });

  test('but not by another model or key', async ({ stage }) => {
    const { openai, options, primary } = await stage({ primary: DOWN, openpipe: OPENPIPE });
    await ask(openai);
    await ask(openai);
    await ask(openai, { model: `${PRIMARY}-2` });
    await ask(new OpenAI({ ...options, openpipe: { ...options.openpipe, apiKey: 'another key' } }));
    expect(chats(primary)).toHaveLength(4);
  });
});

describe('of a custom client', () => {
  /** A chain: a primary that is down, then the client, then an end that answers. @param {any} client */
  const chain = (client) => ({
    breaker: { failures: 1, openFor: 600_000 },
    fallback: [{ model: 'theirs', client }, { model: FALLBACK }],
  });

  test('a circuit belongs to a URL and a key, not to a client object', async ({ stage, serve }) => {
    const theirs = await serve(DOWN);
    const { openai } = await stage({ primary: DOWN });
    const client = (/** @type {string} */ apiKey) => new SdkOpenAI({ apiKey, baseURL: theirs.url, maxRetries: 0 });
    await ask(openai, { openpipe: chain(client('one')) });
    const { info } = await ask(openai, { openpipe: chain(client('one')) });
    expect(info.attempts.map(({ outcome }) => outcome)).toEqual(['circuit_open', 'circuit_open', 'ok']);
    await ask(openai, { openpipe: chain(client('two')) });
    expect(chats(theirs)).toHaveLength(2);
  });

  test('a circuit belongs to the object where it has neither URL nor key', async ({ stage }) => {
    const { openai } = await stage({ primary: DOWN });
    let asked = 0;
    const client = () => ({
      chat: {
        completions: {
          create: async () => {
            asked += 1;
            throw new Error('down');
          },
        },
      },
    });
    const one = client();
    await ask(openai, { openpipe: chain(one) });
    await ask(openai, { openpipe: chain(one) });
    expect(asked).toBe(1);
    await ask(openai, { openpipe: chain(client()) });
    expect(asked).toBe(2);
  });

  test('the SDK as a transport has one too', async ({ stage }) => {
    const { openai, primary } = await stage({ primary: DOWN, openpipe: { ...OPENPIPE, transport: 'fetch' } });
    for (let call = 0; call < 4; call += 1) await ask(openai);
    expect(chats(primary)).toHaveLength(2);
  });
});

test('an unknown member of a policy gives a warning', async ({ serve }) => {
  const upstream = await serve();
  /** @type {string[]} */
  const warnings = [];
  const logger = { error() {}, info() {}, debug() {}, warn: (/** @type {string} */ text) => void warnings.push(text) };
  const breaker = /** @type {any} */ ({ failure: 3 });
  const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { logger, openpipe: { breaker } }));
  await ask(openai);
  expect(warnings.join('\n')).toMatch(/`openpipe\.breaker\.failure` is not known; did you mean `failures`\?/);
});

describe('`upstreams()`', () => {
  test('has a row for each target that was called: circuit, last failure, calls under way', async ({ stage }) => {
    const { openai } = await stage({ primary: DOWN, openpipe: OPENPIPE });
    expect(openai.upstreams()).toEqual([]);
    for (let call = 0; call < 3; call += 1) await ask(openai);
    const now = Date.now();

    const rows = openai.withOptions({ timeout: 5000 }).upstreams();
    expect(rows).toEqual([
      {
        upstream: 'openai',
        endpoint: 'chat',
        model: FALLBACK,
        circuit: 'closed',
        since: expect.any(Number),
        until: null,
        lastFailure: null,
        inFlight: 0,
        firstContentMs: expect.any(Number),
      },
      {
        upstream: 'openpipe',
        endpoint: 'chat',
        model: PRIMARY,
        circuit: 'open',
        since: expect.any(Number),
        until: expect.any(Number),
        lastFailure: { kind: 'server_error', status: 503, at: expect.any(Number) },
        inFlight: 0,
        firstContentMs: null,
      },
    ]);
    expect(rows[1]?.since).toBeLessThanOrEqual(now);
    expect(rows[1]?.until).toBeGreaterThan(now + 0.7 * BREAKER.openFor);
  });

  test('works without a breaker', async ({ stage }) => {
    const { openai } = await stage({});
    await ask(openai);
    expect(openai.upstreams()).toMatchObject([{ upstream: 'openpipe', model: PRIMARY, circuit: null, inFlight: 0 }]);
  });

  test('lists the targets of one client only', async ({ stage }) => {
    const { openai, options } = await stage({});
    await ask(openai);
    expect(new OpenAI(options).upstreams()).toEqual([]);
  });
});

describe('a refused key', () => {
  const REFUSED = /** @type {const} */ ({ kind: 'status', status: 401 });

  test('skips its targets at once for every model, and no other target', async ({ stage }) => {
    const { openai, options, primary } = await stage({ primary: REFUSED, openpipe: { ...OPENPIPE, breaker: true } });
    await ask(openai);
    expect((await ask(openai, { model: `${PRIMARY}-2` })).info.attempts[0]?.outcome).toBe('circuit_open');
    expect(chats(primary)).toHaveLength(1);
    await ask(new OpenAI({ ...options, openpipe: { ...options.openpipe, apiKey: 'another key' } }));
    expect(chats(primary)).toHaveLength(2);
  });

  for (const transport of /** @type {(undefined | 'fetch')[]} */ ([undefined, 'fetch'])) {
    test(`opens the circuit of its own upstream and key, also of a declared upstream and of OpenPipe${transport ? ', through `fetch`' : ''}`, async ({
      serve,
    }) => {
      const refusing = await serve(REFUSED);
      const upstream = (/** @type {string} */ apiKey) => ({ baseURL: refusing.url, apiKey });
      const openai = new OpenAI(
        clientOptions((await serve()).url, refusing.url, {
          openpipe: {
            ...{ breaker: true, transport, baseUrl: refusing.url, logRequest: false, apiKey: 'opk-1' },
            ...{ upstreams: { one: upstream('k1'), twin: upstream('k1'), other: upstream('k2') }, fallback: null },
          },
        }),
      );
      for (const model of ['one:m', 'other:m', 'openpipe:m']) {
        const before = chats(refusing).length;
        expect((await ask(openai, { model, options: { maxRetries: 0 } })).error.status).toBe(401);
        expect(chats(refusing)).toHaveLength(before + 1);
        const open = await ask(openai, { model, openpipe: { fallback: { model: 'twin:x' } } });
        expect(open.error.openpipe.attempts[0].outcome).toBe('circuit_open');
      }
    });
  }

  test('is tried again after `credentialOpenFor`', async ({ stage }) => {
    let isRefused = true;
    const breaker = { credentialOpenFor: 50 };
    const { openai } = await stage({
      primary: () => (isRefused ? REFUSED : undefined),
      openpipe: { ...OPENPIPE, breaker },
    });
    expect((await ask(openai)).info.servedBy).toBe('fallback');
    isRefused = false;
    await expect.poll(async () => (await ask(openai)).info.servedBy, { timeout: 10_000 }).toBe('primary');
  });

  test('has a circuit of its own in the query, too', async ({ serve }) => {
    const upstream = await serve(({ path }) => (path.includes('key=bad') ? REFUSED : undefined));
    const fallback = await serve();
    const client = (/** @type {string} */ key, more = {}) =>
      new OpenAI(
        clientOptions(fallback.url, upstream.url, {
          defaultQuery: { key },
          openpipe: { breaker: true, fallback: { model: 'openpipe:b' } },
          ...more,
        }),
      );
    for (const more of [{}, { fetch: (/** @type {any} */ url, /** @type {any} */ init) => fetch(url, init) }]) {
      await ask(client('bad', more), { model: 'gpt' });
      expect((await ask(client('bad', more), { model: 'gpt' })).info.attempts[0]?.outcome).toBe('circuit_open');
      expect((await ask(client('good', more), { model: 'gpt' })).info.servedBy).toBe('primary');
    }
  });
});
