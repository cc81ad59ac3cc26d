/**
 * `flush()`, `close()` and the disposal of a client (contract.md, section 7). The first of them is the first of its process to
 * have a report given up.
 */

import { createRequire } from 'node:module';

import OpenAI from 'openpipe-native';
import ts from 'typescript';
import { describe, expect } from 'vitest';

import { MESSAGES, readAll, rejection } from '../support/calls.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { chats } from '../support/upstreams.mjs';
import { callToItsEnd, MODEL, TAKES, test } from '../support/reporting.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

const require = createRequire(import.meta.url);
/** @type {any} */
const CjsOpenAI = require('openpipe-native');

/** @type {Behaviour} */
const SLOW = { ...TAKES, delayMs: 300 };

test('dropped reports give one warning, by the logger of the client', async ({ stageReports }) => {
  const { logger, warnings } = listeningLogger();
  const { openai } = await stageReports({ reports: { kind: 'status', status: 403 }, logger });
  for (let turn = 0; turn < 5; turn += 1) await callToItsEnd(openai);
  expect(await openai.flush()).toEqual({ delivered: 0, dropped: 5, pending: 0 });
  expect(warnings).toEqual([
    expect.stringMatching(/\d report\(s\) of calls were given up: the report endpoint refuses/),
  ]);
});

describe('flush()', () => {
  test('delivers what is queued, and counts', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({ reports: SLOW });
    const before = await openai.flush();
    for (let turn = 0; turn < 10; turn += 1) await callToItsEnd(openai, { stream: turn % 2 === 0 });
    const early = reports().length;
    const after = await openai.flush();

    expect(early).toBeLessThan(10);
    expect(reports()).toHaveLength(10);
    expect(after).toEqual({ delivered: before.delivered + 10, dropped: before.dropped, pending: 0 });
  });

  test('counts refused reports as dropped, and resolves', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({
      reports: ({ body }) => (body.reqPayload.user === 'bad' ? { kind: 'status', status: 422 } : TAKES),
      logLevel: 'off',
    });
    const before = await openai.flush();
    for (const user of ['good', 'bad', 'good', 'bad', 'bad']) await callToItsEnd(openai, { user });
    expect(await openai.flush()).toEqual({ delivered: before.delivered + 2, dropped: before.dropped + 3, pending: 0 });
    expect(reports()).toHaveLength(5);
  });

  test('waits for a report that is retried', async ({ stageReports }) => {
    let down = true;
    setTimeout(() => (down = false), 700);
    const { openai } = await stageReports({ reports: () => (down ? { kind: 'reset' } : TAKES) });
    const before = await openai.flush();
    await callToItsEnd(openai);
    expect(await openai.flush()).toEqual({ ...before, delivered: before.delivered + 1 });
    expect(down).toBe(false);
  });

  test('waits for the reports of streams that were just dropped', { timeout: 60_000 }, async ({ stageReports }) => {
    const { openai, reports } = await stageReports({
      calls: { kind: 'answer', content: 'word '.repeat(500), deltas: 500, paceMs: 20 },
    });
    for (let turn = 1; turn <= 5; turn += 1) {
      const open = () => openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true });
      const streams = await Promise.all(Array.from({ length: 30 }, open));
      for (const stream of streams) stream.controller.abort();
      await openai.flush();
      expect(reports()).toHaveLength(turn * 30);
    }
  });

  test('does not wait for a running call', async ({ stageReports }) => {
    const { openai, upstream } = await stageReports({ calls: { kind: 'answer', delayMs: 3_000 } });
    const caller = new AbortController();
    const call = openai.chat.completions.create({ model: MODEL, messages: MESSAGES }, { signal: caller.signal });
    const failed = rejection(call);
    await upstream.arrival(1);
    const started = performance.now();
    expect((await openai.flush()).pending).toBe(0);
    expect(performance.now() - started).toBeLessThan(1_500);
    caller.abort();
    await failed;
  });

  test('of one client covers the clients made from it, also when called several times at once', async ({
    stageReports,
  }) => {
    const { openai, options, reports } = await stageReports({ reports: SLOW });
    const other = new OpenAI(options);
    const third = new CjsOpenAI(options);
    for (const client of [openai, other, third]) await callToItsEnd(client);
    const counts = await Promise.all([other.flush(), third.flush(), other.flush()]);

    expect(reports()).toHaveLength(3);
    expect(counts.map(({ pending }) => pending)).toEqual([0, 0, 0]);
  });

  test('is not delayed by the dead endpoint of another client', async ({ stageReports, serve }) => {
    const { openai, options } = await stageReports();
    const hangs = await serve({ kind: 'silence' });
    const other = new OpenAI({ ...options, openpipe: { ...options.openpipe, baseUrl: hangs.url } });
    await callToItsEnd(other);
    await callToItsEnd(openai);
    expect(await openai.flush()).toEqual({ delivered: 1, dropped: 0, pending: 0 });
    expect(await other.flush({ timeout: 50 })).toEqual({ delivered: 0, dropped: 0, pending: 1 });
  });

  test('covers the clients made by `withOptions()`, and counts since the last flush', async ({ stageReports }) => {
    const { openai } = await stageReports();
    await callToItsEnd(openai);
    await callToItsEnd(openai.withOptions({ timeout: 5000 }));
    expect(await openai.flush()).toEqual({ delivered: 2, dropped: 0, pending: 0 });
    expect(await openai.flush()).toEqual({ delivered: 0, dropped: 0, pending: 0 });
  });

  test('refuses a malformed time', async ({ stageReports }) => {
    const { openai } = await stageReports();
    expect(await rejection(openai.flush({ timeout: -1 }))).toBeInstanceOf(TypeError);
    expect(await rejection(openai.flush(/** @type {any} */ ({ timeout: '1' })))).toBeInstanceOf(TypeError);
  });

  test('without queued reports resolves at once', async ({ stageReports }) => {
    const { openai } = await stageReports();
    const counts = await openai.flush();
    for (let turn = 0; turn < 100; turn += 1) expect(await openai.flush()).toEqual(counts);
  });
});

describe('close()', () => {
  for (const [name, Client] of /** @type {[string, any][]} */ ([
    ['ESM', OpenAI],
    ['CommonJS', CjsOpenAI],
  ])) {
    test(`flushes, and then calls are rejected with the OpenAIError of its own SDK: ${name}`, async ({
      stageReports,
    }) => {
      const stage = await stageReports({ reports: SLOW });
      const openai = new Client(stage.options);
      await callToItsEnd(openai);
      expect(await openai.close()).toBeUndefined();
      expect(stage.reports()).toHaveLength(1);

      for (const stream of [false, true]) {
        const error = await rejection(openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream }));
        expect(error.constructor).toBe(Client.OpenAIError);
        expect(error.message).toContain('closed');
      }
      await rejection(openai.chat.completions.create({ model: 'openpipe:m', messages: MESSAGES }));
      expect([chats(stage.upstream).length, chats(stage.openpipe).length]).toEqual([1, 0]);
    });
  }

  test('lets running calls end, and reports them', async ({ stageReports }) => {
    const { openai, upstream, reports } = await stageReports({ calls: { kind: 'answer', paceMs: 50, delayMs: 300 } });
    const completion = openai.chat.completions.create({ model: MODEL, messages: MESSAGES });
    const stream = openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true });
    await upstream.arrival(2);
    await openai.close();

    expect((await completion).choices).toHaveLength(1);
    expect((await readAll(await stream)).error).toBeUndefined();
    await (
      await completion
    ).openpipe.reportingFinished;
    await (
      await stream
    ).openpipe.reportingFinished;
    expect(reports()).toHaveLength(2);
  });

  test('may be called again, at once and later, and closes only that client', async ({ stageReports }) => {
    const { openai, options, reports } = await stageReports();
    const other = new OpenAI(options);
    await Promise.all([openai.close(), openai.close()]);
    await openai.close();
    expect((await callToItsEnd(other)).attempts).toMatchObject([{ outcome: 'ok' }]);
    await other.close();
    expect(reports()).toHaveLength(1);
    expect(await openai.flush()).toMatchObject({ pending: 0 });
  });

  test('does not affect the rest of the SDK', async ({ stageReports }) => {
    const { openai } = await stageReports({ calls: { kind: 'status', status: 200, body: { json: { data: [] } } } });
    await openai.close();
    expect((await openai.models.list()).data).toEqual([]);
  });
});

describe('the disposal of a client', () => {
  test('closes it', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({ reports: SLOW });
    await callToItsEnd(openai);
    expect(await openai[Symbol.asyncDispose]()).toBeUndefined();
    expect(reports()).toHaveLength(1);
    const error = await rejection(openai.chat.completions.create({ model: MODEL, messages: MESSAGES }));
    expect(error).toBeInstanceOf(OpenAI.OpenAIError);
  });

  test('happens at the end of `await using`', async ({ stageReports }) => {
    // Not in the language of every Node.js, so as a compiler writes it.
    const source = 'async function within(client, use) { await using it = client; await use(it); }';
    const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ES2022 } });
    const within = new Function(`${outputText}; return within;`)();

    const { openai, reports } = await stageReports({ reports: SLOW });
    await within(openai, callToItsEnd);
    expect(reports()).toHaveLength(1);
    const error = await rejection(openai.chat.completions.create({ model: MODEL, messages: MESSAGES }));
    expect(error).toBeInstanceOf(OpenAI.OpenAIError);
  });
});
