/** What is well-formed and probably not meant is warned of once for a client, and fails no call (contract.md, section 6). */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask } from '../support/calls.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { test } from '../support/upstreams.mjs';

const fallback = { model: 'gpt-4o' };
const client = { chat: { completions: { create: async () => ({ choices: [{ message: { content: 'x' } }] }) } } };

describe('a primary that refuses what the fallback serves', () => {
  for (const [status, whose] of /** @type {[number, string][]} */ ([
    [400, 'such calls are'],
    [401, 'every call is'],
    [403, 'every call is'],
    [404, 'every call is'],
  ])) {
    test(`with ${status} gives one warning`, async ({ stage }) => {
      const { logger, warnings } = listeningLogger();
      const { openai } = await stage({ primary: { kind: 'status', status }, logger, maxRetries: 0 });
      for (let call = 0; call < 3; call += 1)
        expect((await ask(openai, { model: 'openpipe:my-model', openpipe: { fallback } })).error).toBeUndefined();

      expect(warnings).toEqual([`openpipe-native: "openpipe:my-model" answers ${status}: ${whose} served by "gpt-4o"`]);
    });
  }

  test('gives a warning for each model, also for a stream', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ primary: { kind: 'status', status: 404 }, logger });
    for (const model of ['openpipe:a', 'openpipe:b', 'openpipe:a']) {
      const stream = await openai.chat.completions.create(
        { model, messages: [{ role: 'user', content: 'hi' }], stream: true },
        { openpipe: { fallback } },
      );
      for await (const _ of stream);
    }
    expect(warnings.map((line) => line.match(/"(openpipe:.)"/)?.[1])).toEqual(['openpipe:a', 'openpipe:b']);
  });

  test('gives no warning in an outage, nor where no fallback serves', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const down = await stage({ primary: { kind: 'status', status: 503 }, logger, maxRetries: 0 });
    expect((await ask(down.openai, { openpipe: { fallback } })).error).toBeUndefined();
    const alone = await stage({ primary: { kind: 'status', status: 401 }, logger });
    expect((await ask(alone.openai)).error.status).toBe(401);
    expect(warnings).toEqual([]);
  });
});

test('a model whose prefix is close to a known one gives one warning', async ({ stage }) => {
  const { logger, warnings } = listeningLogger();
  const { openai } = await stage({ logger });
  for (const model of ['opnpipe:x', 'opnpipe:y', 'llama3:8b', 'ft:gpt-4o:me']) await ask(openai, { model });

  expect(warnings).toEqual([
    'openpipe-native: the prefix of the model "opnpipe:x" is not known; did you mean "openpipe:"?',
  ]);
});

test('`fallback` and `fallbackClient` beside `openpipe` give one warning each when the client is made', () => {
  const { logger, warnings } = listeningLogger();
  const options = /** @type {any} */ ({ apiKey: 'k', logger, fallback, fallbackClient: client });
  new OpenAI(options).withOptions({ timeout: 5000 });

  expect(warnings).toEqual([
    expect.stringContaining('`openpipe: { fallback }`'),
    expect.stringContaining('`openpipe: { fallbackClient }`'),
  ]);
});

describe('a `fallbackClient` without a fallback', () => {
  test('gives one warning', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ logger, openpipe: { fallbackClient: client } });
    for (let call = 0; call < 2; call += 1) await ask(openai);
    expect(warnings).toEqual([expect.stringContaining('`openpipe.fallbackClient` does nothing without a fallback')]);
  });

  test('gives no warning where a call has a fallback, or switches it off', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ logger, openpipe: { fallbackClient: client } });
    await ask(openai, { openpipe: { fallback } });
    await ask(openai, { openpipe: { fallback: null } });
    expect(warnings).toEqual([]);
  });
});

test('a timeout of a call under 100 ms gives one warning, whatever its value', async ({ stage }) => {
  const { logger, warnings } = listeningLogger();
  const { openai } = await stage({ logger });
  const body = { model: 'gpt-4o', messages: [{ role: /** @type {const} */ ('user'), content: 'hi' }] };
  for (const timeout of [98, 99, 100])
    await openai.chat.completions.create(body, { timeout, maxRetries: 0 }).catch(() => {});
  expect(warnings).toEqual([expect.stringContaining('the `timeout` of a call is under 100 ms')]);
});
