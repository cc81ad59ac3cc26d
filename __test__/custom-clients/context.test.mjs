/** Custom clients and all callbacks run in the async context of the caller. */

import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';

import OpenAI from 'openpipe-native';
import { beforeAll, describe, expect } from 'vitest';

import { ask, readAll, textOf } from '../support/calls.mjs';
import { PRIMARY, test } from '../support/upstreams.mjs';
import { chunks, completion, contentChunk, FAILING, FINISH, MODEL, pause, plainClient, TO_CLIENT } from '../support/custom-clients.mjs'; // prettier-ignore

const context = /** @type {AsyncLocalStorage<string>} */ (new AsyncLocalStorage());

// The way from Rust to JavaScript is opened by the first call of all. Nobody else may see its context.
beforeAll(async () => {
  const nowhere = 'http://127.0.0.1:9';
  const openai = new OpenAI({ maxRetries: 0, openpipe: { apiKey: 'k', baseUrl: nowhere, logRequest: false } });
  const { error } = await context.run('the first caller', () => ask(openai));
  expect(error).toBeInstanceOf(OpenAI.APIConnectionError);
});

/** A client that notes its context at each step. */
function notingClient() {
  const seen = /** @type {(string | undefined)[]} */ ([]);
  const note = () => void seen.push(context.getStore());
  const made = plainClient(async (body) => {
    note();
    await pause(1);
    note();
    if (!body.stream) return completion(body.model, 'noted');
    return (async function* () {
      for (const chunk of chunks('noted by the client')) {
        note();
        yield chunk;
        await pause(1);
        note();
      }
    })();
  });
  return { ...made, seen };
}

for (const stream of [false, true]) {
  const what = stream ? 'stream' : 'completion';

  test(`a client is called in the caller's context, of a ${what}`, async ({ stage }) => {
    const { client, seen } = notingClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await context.run('mine', () => ask(openai, { stream, openpipe: TO_CLIENT }));

    expect(told.error).toBeUndefined();
    expect(seen.length).toBeGreaterThanOrEqual(stream ? 10 : 2);
    expect(new Set(seen)).toEqual(new Set(['mine']));
  });

  test(`concurrent callers have a context each, of a ${what}`, async ({ stage }) => {
    const seen = /** @type {Record<string, Set<string | undefined>>} */ ({});
    const { client } = plainClient(async (body) => {
      const noted = (seen[body.user] ??= new Set());
      const note = () => void noted.add(context.getStore());
      note();
      await pause(5);
      note();
      if (!body.stream) return completion(body.model, body.user);
      return (async function* () {
        for (const chunk of [contentChunk(body.user), FINISH]) {
          note();
          yield chunk;
        }
      })();
    });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const users = Array.from({ length: 20 }, (_, index) => `user-${index}`);
    const told = await Promise.all(
      users.map((user) => context.run(user, () => ask(openai, { stream, body: { user }, openpipe: TO_CLIENT }))),
    );

    expect(told.map(({ text }) => text)).toEqual(users);
    expect(seen).toEqual(Object.fromEntries(users.map((user) => [user, new Set([user])])));
  });

  test(`a client among the targets of a call is called in its context, of a ${what}`, async ({ stage }) => {
    const { client, seen } = notingClient();
    const { openai } = await stage({ primary: FAILING, fallback: FAILING });
    await context.run('mine', () =>
      ask(openai, { stream, openpipe: { fallback: [{ model: 'native' }, { model: MODEL, client }] } }),
    );

    expect(new Set(seen)).toEqual(new Set(['mine']));
  });
}

describe('the context of a stream', () => {
  test('is the one of `create`, wherever it is read', async ({ stage }) => {
    const { client, seen } = notingClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const stream = await context.run('of create', () =>
      openai.chat.completions.create({ model: PRIMARY, messages: [], stream: true, openpipe: TO_CLIENT }),
    );
    const { chunks: read } = await context.run('of the reader', () => readAll(stream));

    expect(textOf(read)).toBe('noted by the client');
    expect(new Set(seen)).toEqual(new Set(['of create']));
  });

  test("does not replace the reader's own context", async ({ stage }) => {
    const { client } = notingClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const seen = /** @type {Set<string | undefined>} */ (new Set());
    const stream = await context.run('of create', () =>
      openai.chat.completions.create({ model: PRIMARY, messages: [], stream: true, openpipe: TO_CLIENT }),
    );
    await context.run('of the reader', async () => {
      for await (const _chunk of stream) seen.add(context.getStore());
    });

    expect(seen).toEqual(new Set(['of the reader']));
  });
});

describe('`onFallback`', () => {
  for (const place of /** @type {const} */ (['constructor', 'call'])) {
    test(`of the ${place} is called in the caller's context`, async ({ stage }) => {
      const seen = /** @type {(string | undefined)[]} */ ([]);
      const onFallback = () => void seen.push(context.getStore());
      const { openai } = await stage({
        primary: FAILING,
        openpipe: place === 'constructor' ? { onFallback } : {},
      });
      const openpipe = { fallback: { model: MODEL }, ...(place === 'call' ? { onFallback } : {}) };
      await context.run('mine', () => ask(openai, { openpipe }));

      expect(seen).toEqual(['mine']);
    });
  }
});

test("the SDK's own transport is called in the caller's context", async ({ stage, serve }) => {
  const seen = /** @type {(string | undefined)[]} */ ([]);
  const fetch = (/** @type {any} */ url, /** @type {any} */ init) => {
    seen.push(context.getStore());
    return globalThis.fetch(url, init);
  };
  const { openai } = await stage({ fetch });
  await context.run('mine', () => ask(openai, { model: 'gpt-4o' }));

  expect(seen).toEqual(['mine']);
});

test('a listener of a channel does not run in the context of another caller', async ({ stage }) => {
  const seen = /** @type {(string | undefined)[]} */ ([]);
  const listener = () => void seen.push(context.getStore());
  for (const channel of ['openpipe:fallback', 'openpipe:call']) diagnostics.subscribe(channel, listener);
  try {
    const { openai } = await stage({ primary: FAILING });
    await context.run('mine', () => ask(openai, { openpipe: { fallback: { model: MODEL } } }));
  } finally {
    for (const channel of ['openpipe:fallback', 'openpipe:call']) diagnostics.unsubscribe(channel, listener);
  }

  expect(seen).toHaveLength(2);
  expect(seen).not.toContain('the first caller');
});

test('a client of a call without a context sees none', async ({ stage }) => {
  const { client, seen } = notingClient();
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  await ask(openai, { openpipe: TO_CLIENT });

  expect(new Set(seen)).toEqual(new Set([undefined]));
});
