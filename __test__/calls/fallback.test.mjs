/** Whatever goes wrong with the primary, the fallback answers; and what the caller gets where none does. */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { completion } from '../../demo/upstream/payload.mjs';
import { ask } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { misbehaviours } from '../support/misbehaviours.mjs';
import { chats, FALLBACK, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';

/**
 * @import { Failing } from '../support/misbehaviours.mjs'
 * @import { Upstream } from '../../demo/upstream.mjs'
 */

const MODES = /** @type {const} */ (['completion', 'stream']);

for (const mode of MODES) {
  const stream = mode === 'stream';

  describe(`a ${mode} whose primary fails is answered by the fallback`, () => {
    for (const { name, [mode]: failing } of misbehaviours) {
      test(`when it ${name}`, async ({ stage }) => {
        const { openai, primary, fallback } = await stage({ primary: failing.doing });
        const told = await ask(openai, {
          stream,
          openpipe: { fallback: { model: FALLBACK, timeout: 10_000 } },
          options: { timeout: failing.timeout },
        });

        expect(told.error).toBeUndefined();
        expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
        expect(told.info.servedBy).toBe('fallback');
        expect(told.info.model).toBe(FALLBACK);
        expect(told.info.attempts).toMatchObject([
          { upstream: 'openpipe', model: PRIMARY, outcome: failing.kind, tries: 1 },
          { upstream: 'openai', model: FALLBACK, outcome: 'ok', tries: 1, status: 200 },
        ]);
        if (failing.status) expect(told.info.attempts[0]?.status).toBe(failing.status);
        expect(chats(primary)).toHaveLength(failing.doing === 'refused' ? 0 : 1);
        expect(onlyChat(fallback).body).toMatchObject({ model: FALLBACK, stream });
        if (stream) expect(openings(told.chunks)).toBe(1);
        expectKeysAtHome(primary, fallback);
      });
    }
  });

  describe(`a ${mode} without a fallback ends with the SDK's error`, () => {
    for (const { name, [mode]: failing } of misbehaviours) {
      test(`when its upstream ${name}`, async ({ stage }) => {
        const { openai, primary } = await stage({ primary: failing.doing, maxRetries: 0 });
        const told = await ask(openai, { stream, options: { timeout: failing.timeout } });

        expectError(told, failing);
        expect(told.error.openpipe.servedBy).toBe('primary');
        expect(told.error.openpipe.errors).toEqual([told.error]);
        expect(told.error.openpipe.attempts).toMatchObject([
          { upstream: 'openpipe', model: PRIMARY, outcome: failing.kind, tries: 1 },
        ]);
        expect(chats(primary)).toHaveLength(failing.doing === 'refused' ? 0 : 1);
      });
    }
  });

  describe(`a ${mode} whose last target fails too ends with that one's error, and keeps the primary's`, () => {
    for (const { name, [mode]: failing } of misbehaviours) {
      test(`when it ${name}`, async ({ stage }) => {
        const { openai, primary, fallback } = await stage({
          primary: { kind: 'status', status: 418 },
          fallback: failing.doing,
          maxRetries: 0,
        });
        const told = await ask(openai, {
          stream,
          openpipe: { fallback: { model: FALLBACK, timeout: failing.timeout } },
        });

        expectError(told, failing);
        const { openpipe } = told.error;
        expect(openpipe.servedBy).toBe('fallback');
        expect(openpipe.model).toBe(FALLBACK);
        expect(openpipe.errors).toHaveLength(2);
        expect(openpipe.errors[0]).toBeInstanceOf(OpenAI.APIError);
        expect(openpipe.errors[0].status).toBe(418);
        expect(openpipe.errors[1]).toBe(told.error);
        expect(openpipe.attempts).toMatchObject([
          { upstream: 'openpipe', model: PRIMARY, outcome: 'bad_request', status: 418, tries: 1 },
          { upstream: 'openai', model: FALLBACK, outcome: failing.kind, tries: 1 },
        ]);
        expectKeysAtHome(primary, fallback);
      });
    }
  });
}

describe('targets in a row', () => {
  test('are tried in order until one answers', async ({ stage }) => {
    const { openai, fallback } = await stage({
      primary: { kind: 'status', status: 500 },
      fallback: ({ body }) => (body.model === 'c' ? { kind: 'answer' } : { kind: 'status', status: 503 }),
    });
    const told = await ask(openai, { openpipe: { fallback: ['a', 'b', 'c', 'd'].map((model) => ({ model })) } });

    expect(told.text).toBe('Answered by the fallback, with the model c.');
    expect(chats(fallback).map(({ body }) => body.model)).toEqual(['a', 'b', 'c']);
    expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual([
      'server_error',
      'server_error',
      'server_error',
      'ok',
    ]);
    expect(told.info.model).toBe('c');
  });

  test('each leave their error, in order, when all fail', async ({ stage }) => {
    const { openai } = await stage({
      primary: { kind: 'status', status: 500 },
      fallback: ({ body }) => ({ kind: 'status', status: body.model === 'a' ? 429 : 401 }),
      maxRetries: 0,
    });
    const { error } = await ask(openai, { openpipe: { fallback: [{ model: 'a' }, { model: 'b' }] } });

    expect(error.constructor).toBe(OpenAI.AuthenticationError);
    expect(error.openpipe.errors.map((/** @type {any} */ each) => each.status)).toEqual([500, 429, 401]);
  });

  test('are skipped where their `on` or `except` excludes the failure', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: { kind: 'status', status: 429 } });
    const told = await ask(openai, {
      openpipe: {
        fallback: [
          { model: 'not-for-rate-limits', on: ['timeout', 500] },
          { model: 'not-for-429', except: [429] },
          { model: 'taken', on: ['rate_limit'] },
        ],
      },
    });

    expect(told.info.model).toBe('taken');
    expect(onlyChat(fallback).body.model).toBe('taken');
    expect(told.info.attempts).toHaveLength(2);
  });

  test('that all exclude the failure leave it to be the error of the call', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: { kind: 'status', status: 400 } });
    const { error } = await ask(openai, { openpipe: { fallback: { model: FALLBACK, except: ['bad_request'] } } });

    expect(error.constructor).toBe(OpenAI.BadRequestError);
    expect(error.openpipe.attempts).toHaveLength(1);
    expect(chats(fallback)).toEqual([]);
  });
});

test("a call's `fallback: null` switches the constructor's off, and so does `false`", async ({ stage }) => {
  const { openai, fallback } = await stage({
    primary: { kind: 'status', status: 400 },
    openpipe: { fallback: { model: FALLBACK } },
  });
  for (const off of /** @type {const} */ ([null, false])) {
    expect((await ask(openai, { openpipe: { fallback: off } })).error?.status).toBe(400);
  }
  expect(chats(fallback)).toEqual([]);
  expect((await ask(openai)).info.servedBy).toBe('fallback');
});

test("a call's fallback replaces the constructor's", async ({ stage }) => {
  const { openai, fallback } = await stage({
    primary: { kind: 'status', status: 400 },
    openpipe: { fallback: { model: 'from-the-constructor' } },
  });
  await ask(openai, { openpipe: { fallback: { model: 'from-the-call' } } });

  expect(onlyChat(fallback).body.model).toBe('from-the-call');
});

test('a healthy primary is the only target that gets a request', async ({ stage }) => {
  const { openai, primary, fallback } = await stage();
  for (const stream of [false, true]) {
    const told = await ask(openai, { stream, openpipe: { fallback: { model: FALLBACK } } });
    expect(told.text).toBe(`Answered by the primary, with the model ${PRIMARY}.`);
    expect(told.info).toMatchObject({ servedBy: 'primary', model: PRIMARY });
    expect(told.info.attempts).toMatchObject([{ upstream: 'openpipe', outcome: 'ok', tries: 1, status: 200 }]);
  }
  expect(chats(primary)).toHaveLength(2);
  expect(fallback.totalConnections).toBe(0);
});

test('a direct primary falls back to OpenPipe, each with its own key', async ({ serve, stage }) => {
  const { openai, primary: atOpenPipe, fallback: direct } = await stage({ fallback: { kind: 'status', status: 500 } });
  const told = await ask(openai, { model: 'gpt-4o', openpipe: { fallback: { model: 'openpipe:second' } } });

  expect(told.info.attempts.map(({ upstream }) => upstream)).toEqual(['openai', 'openpipe']);
  expect(told.text).toBe('Answered by the primary, with the model openpipe:second.');
  expectKeysAtHome(atOpenPipe, direct);
});

test('a response over `maxResponseBytes` is a failure', async ({ stage }) => {
  const { openai } = await stage({ primary: { kind: 'answer', content: 'x'.repeat(100_000) } });
  const openpipe = { maxResponseBytes: 50_000, fallback: { model: FALLBACK } };
  const told = await ask(openai, { openpipe });

  expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['invalid_response', 'ok']);
});

test('`maxResponseBytes` bounds the decompressed size of a response', async ({ stage }) => {
  // 8 MB of one letter are a few kB on the wire.
  const { openai } = await stage({ primary: { kind: 'answer', encoding: 'gzip', content: 'x'.repeat(8_000_000) } });
  const openpipe = { maxResponseBytes: 1_000_000, fallback: { model: FALLBACK } };
  const told = await ask(openai, { openpipe });

  expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['invalid_response', 'ok']);
  expect((await ask(openai, { openpipe: { maxResponseBytes: 10_000_000 } })).text).toHaveLength(8_000_000);
});

for (const encoding of /** @type {const} */ (['gzip', 'br', 'deflate'])) {
  test(`an answer in ${encoding} is decoded, streamed or not`, async ({ stage }) => {
    const { openai, primary } = await stage({ primary: { kind: 'answer', encoding } });
    for (const stream of [false, true]) {
      expect((await ask(openai, { stream })).text).toBe(`Answered by the primary, with the model ${PRIMARY}.`);
    }
    expect(chats(primary)[0]?.headers['accept-encoding']).toContain(encoding);
  });
}

test('an answer after early hints is accepted', async ({ stage }) => {
  const body = JSON.stringify(completion(PRIMARY, 'after the hints'));
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  const bytes = ['HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', head, body];
  const { openai } = await stage({ primary: { kind: 'raw', bytes, paceMs: 20 } });
  expect((await ask(openai, { openpipe: { fallback: { model: FALLBACK } } })).text).toBe('after the hints');
});

test('many calls at once each get their own answer', async ({ stage }) => {
  const { openai } = await stage({
    primary: ({ body }) => (body.seed % 2 ? { kind: 'reset' } : { kind: 'answer', content: `primary ${body.seed}` }),
    fallback: ({ body }) => ({ kind: 'answer', content: `fallback ${body.seed}`, delayMs: body.seed % 7 }),
  });
  const calls = Array.from({ length: 200 }, (_, seed) =>
    ask(openai, { body: { seed }, openpipe: { fallback: { model: FALLBACK } } }),
  );
  for (const [seed, { text }] of (await Promise.all(calls)).entries()) {
    expect(text).toBe(`${seed % 2 ? 'fallback' : 'primary'} ${seed}`);
  }
});

test("a target's `params` are merged over the body, and the members in its `omit` are left out", async ({ stage }) => {
  const { openai, primary, fallback } = await stage({ primary: { kind: 'status', status: 500 } });
  await ask(openai, {
    body: { temperature: 1, reasoning_effort: 'high', seed: 7 },
    openpipe: {
      fallback: { model: FALLBACK, params: { temperature: 0, top_p: 0.5 }, omit: ['reasoning_effort'] },
    },
  });

  expect(onlyChat(primary).body).toMatchObject({ temperature: 1, reasoning_effort: 'high', seed: 7 });
  const { messages, stream, ...rest } = onlyChat(fallback).body;
  expect(rest).toEqual({ model: FALLBACK, temperature: 0, top_p: 0.5, seed: 7 });
});

test('a stale connection is no failure of the upstream', async ({ serve, stage }) => {
  const { openai, primary } = await stage();
  const { port } = primary;
  expect((await ask(openai)).error).toBeUndefined();
  // The server restarts: the pooled connection is stale.
  await primary.close();
  const restarted = await serve({ kind: 'answer' }, { port, name: 'the primary' });
  const told = await ask(openai, { openpipe: { fallback: { model: FALLBACK } } });

  expect(told.info).toMatchObject({ servedBy: 'primary' });
  expect(told.info.attempts).toMatchObject([{ outcome: 'ok', tries: 1 }]);
  expect(chats(restarted)).toHaveLength(1);
});

/** @param {import('../support/calls.mjs').Told} told @param {Failing} failing */
function expectError({ error, failedIn }, failing) {
  expect(error?.constructor).toBe(OpenAI[failing.error]);
  expect(error.status).toBe(failing.status);
  if (failing.cause) expect(error.cause?.code).toMatch(failing.cause);
  expect(failedIn).toBe(failing.late ? 'iterator' : 'create');
}

/** @param {any[]} chunks */
function openings(chunks) {
  return chunks.filter((chunk) => chunk.choices[0]?.delta.role).length;
}

/** @param {Upstream} atOpenPipe @param {Upstream} direct */
function expectKeysAtHome(atOpenPipe, direct) {
  for (const [upstream, own, other] of /** @type {const} */ ([
    [atOpenPipe, OPENPIPE_KEY, OPENAI_KEY],
    [direct, OPENAI_KEY, OPENPIPE_KEY],
  ])) {
    for (const { headers, rawHeaders, rawBody, path } of upstream.requests) {
      expect(headers.authorization).toBe(`Bearer ${own}`);
      expect(`${path} ${rawHeaders} ${rawBody}`).not.toContain(other);
    }
  }
}
