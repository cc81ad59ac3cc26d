/** Time limits and retries (contract.md, section 4). */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask, rejection } from '../support/calls.mjs';
import { chats, FALLBACK, onlyChat, test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

/** What a busy machine may add. Nothing here that goes wrong would be as little. */
const MARGIN = 600;

/** @type {Behaviour} */
const SILENCE = { kind: 'silence' };
/** Comes back at once, so that a test need not wait for the SDK's pauses. @type {Record<string, string>} */
const SOON = { 'retry-after-ms': '1' };

const NO_LIMITS = [Infinity, 2 ** 31, 2 ** 32 + 1, 1e300, Number.MAX_VALUE];

for (const stream of [false, true]) {
  describe(`a ${stream ? 'stream' : 'completion'}`, () => {
    test.concurrent('ends within T1 + T2, whatever maxRetries says', async ({ stage }) => {
      const { openai, primary, fallback } = await stage({ primary: SILENCE, fallback: SILENCE, maxRetries: 5 });
      const { error, ms } = await ask(openai, {
        stream,
        openpipe: { fallback: { model: FALLBACK, timeout: 500 } },
        options: { timeout: 400, maxRetries: 4 },
      });

      expect(error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(ms).toBeGreaterThan(880);
      expect(ms).toBeLessThan(900 + MARGIN);
      expect(chats(primary)).toHaveLength(1);
      expect(chats(fallback)).toHaveLength(1);
      expect(error.openpipe.attempts.map((/** @type {any} */ { outcome }) => outcome)).toEqual(['timeout', 'timeout']);
    });

    test.concurrent('has a fallback that starts when the time of the primary is up', async ({ stage }) => {
      const { openai, fallback } = await stage({ primary: SILENCE });
      const started = Date.now();
      await ask(openai, { stream, openpipe: { fallback: { model: FALLBACK } }, options: { timeout: 300 } });

      const waited = onlyChat(fallback).at - started;
      expect(waited).toBeGreaterThanOrEqual(290);
      expect(waited).toBeLessThan(300 + MARGIN);
    });

    test.concurrent('moves on at once: the fallback is the retry', async ({ stage }) => {
      const { openai, primary } = await stage({
        primary: { kind: 'status', status: 500, headers: { 'retry-after': '3' } },
      });
      const { ms, info } = await ask(openai, { stream, openpipe: { fallback: { model: FALLBACK } } });

      expect(chats(primary)).toHaveLength(1);
      expect(info.servedBy).toBe('fallback');
      expect(ms).toBeLessThan(MARGIN);
    });

    test.concurrent('does not wait for `Retry-After: 30`, even with retries left', async ({ stage }) => {
      const { openai, primary } = await stage({
        primary: { kind: 'status', status: 429, headers: { 'retry-after': '30' } },
      });
      const { ms, info } = await ask(openai, {
        stream,
        openpipe: { fallback: { model: FALLBACK } },
        options: { maxRetries: 5 },
      });

      expect(info.servedBy).toBe('fallback');
      expect(chats(primary)).toHaveLength(1);
      expect(ms).toBeLessThan(MARGIN);
    });

    test.concurrent('is tried twice more on the last target', async ({ stage }) => {
      const failWith = /** @type {const} */ ({ kind: 'status', status: 500, headers: SOON });
      const { openai, fallback } = await stage({
        primary: { kind: 'status', status: 500 },
        fallback: { kind: 'answer', failFirst: 2, failWith },
      });
      const { info } = await ask(openai, { stream, openpipe: { fallback: { model: FALLBACK } } });

      expect(info.attempts).toMatchObject([
        { outcome: 'server_error', tries: 1 },
        { outcome: 'ok', tries: 3, status: 200 },
      ]);
      expect(chats(fallback)).toHaveLength(3);
      expect(chats(fallback).map(({ headers }) => headers['x-stainless-retry-count'])).toEqual(['0', '1', '2']);
    });

    test.concurrent('is tried as often as `maxRetries` says, also where a fallback follows', async ({ stage }) => {
      const { openai, primary } = await stage({ primary: { kind: 'status', status: 503, headers: SOON } });
      const { info } = await ask(openai, {
        stream,
        openpipe: { fallback: { model: FALLBACK } },
        options: { maxRetries: 3 },
      });

      expect(chats(primary)).toHaveLength(4);
      expect(info.attempts).toMatchObject([
        { outcome: 'server_error', tries: 4 },
        { outcome: 'ok', tries: 1 },
      ]);
    });

    test.concurrent('may be slow within its timeout', async ({ stage }) => {
      const { openai } = await stage({ primary: { kind: 'answer', delayMs: 700 }, timeout: 20_000 });
      const { error, ms } = await ask(openai, { stream });

      expect(error).toBeUndefined();
      expect(ms).toBeGreaterThan(690);
    });

    test.concurrent("ends with the call's deadline, in the primary", async ({ stage }) => {
      const { openai, fallback } = await stage({ primary: SILENCE });
      const { error, ms } = await ask(openai, {
        stream,
        openpipe: { deadline: 300, fallback: { model: FALLBACK } },
        options: { timeout: 10_000 },
      });

      expect(error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(ms).toBeGreaterThan(290);
      expect(ms).toBeLessThan(300 + MARGIN);
      expect(chats(fallback)).toEqual([]);
    });

    test.concurrent("ends with the call's deadline, in the fallback", async ({ stage }) => {
      const { openai, fallback } = await stage({ primary: SILENCE, fallback: SILENCE });
      const { error, ms } = await ask(openai, {
        stream,
        openpipe: { deadline: 500, fallback: { model: FALLBACK, timeout: 10_000 } },
        options: { timeout: 200 },
      });

      expect(error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(error.openpipe.attempts).toHaveLength(2);
      expect(ms).toBeGreaterThan(490);
      expect(ms).toBeLessThan(500 + MARGIN);
      expect(chats(fallback)).toHaveLength(1);
    });

    test.concurrent('has no limit with Infinity, nor with one that a timer could not hold', async ({ stage }) => {
      const { openai } = await stage({
        primary: { kind: 'answer', delayMs: 250 },
        fallback: ({ body }) =>
          body.model === 'broken' ? { kind: 'status', status: 500 } : { kind: 'answer', delayMs: 250 },
        timeout: 100,
      });
      const calls = NO_LIMITS.flatMap((timeout) => [
        ask(openai, { stream, options: { timeout }, openpipe: { deadline: timeout } }),
        ask(openai, { stream, options: { timeout }, openpipe: { fallback: { model: FALLBACK } } }),
        ask(openai, { stream, model: 'broken', openpipe: { fallback: { model: FALLBACK, timeout } } }),
      ]);
      const told = await Promise.all(calls);
      for (const { error } of told) expect(error).toBeUndefined();
      expect(told.filter(({ info }) => info.servedBy === 'fallback')).toHaveLength(NO_LIMITS.length);
      // So that the test can fail: the client's own timeout is shorter than the answer takes.
      expect((await ask(openai, { stream, options: { maxRetries: 0 } })).error?.constructor).toBe(
        OpenAI.APIConnectionTimeoutError,
      );
    });
  });
}

describe('the time of a target', () => {
  for (const [what, client, call, target, expected] of /** @type {[string, any, any, any, [number, number]][]} */ ([
    ["is the call's before the client's", 5_000, 200, undefined, [200, 200]],
    ["is the client's where the call has none", 200, undefined, undefined, [200, 200]],
    ["is the fallback's own before the call's", 5_000, 200, 350, [200, 350]],
    ["is the fallback's own before the client's", 200, undefined, 350, [200, 350]],
    ['may be a fraction of a millisecond', 5_000, 0.5, 200.5, [0, 200]],
  ])) {
    test.concurrent(what, async ({ stage }) => {
      const { openai } = await stage({ primary: SILENCE, fallback: SILENCE, timeout: client });
      const { error } = await ask(openai, {
        openpipe: { fallback: { model: FALLBACK, timeout: target } },
        options: { timeout: call },
      });

      /** @type {{ durationMs: number }[]} */
      const attempts = error.openpipe.attempts;
      for (const [index, ms] of expected.entries()) {
        expect(attempts[index]?.durationMs).toBeGreaterThanOrEqual(ms);
        expect(attempts[index]?.durationMs).toBeLessThan(ms + MARGIN);
      }
    });
  }

  test.concurrent('ends retries and their pauses', async ({ stage }) => {
    const { openai, primary } = await stage({
      primary: { kind: 'status', status: 500, headers: { 'retry-after-ms': '120' } },
    });
    const { ms, info } = await ask(openai, {
      openpipe: { fallback: { model: FALLBACK } },
      options: { timeout: 500, maxRetries: 1_000 },
    });

    expect(info.servedBy).toBe('fallback');
    // It may be up in a pause, or in a try.
    expect(info.attempts[0]?.outcome).toMatch(/^(server_error|timeout)$/);
    expect(chats(primary).length).toBeGreaterThan(1);
    expect(chats(primary).length).toBeLessThan(6);
    expect(ms).toBeLessThan(500 + MARGIN);
  });

  test.concurrent('ends the last target too, without a pause that would outlast it', async ({ stage }) => {
    const { openai, fallback } = await stage({
      primary: { kind: 'status', status: 500 },
      fallback: { kind: 'status', status: 429, headers: { 'retry-after': '30' } },
    });
    const { error, ms } = await ask(openai, { openpipe: { fallback: { model: FALLBACK, timeout: 10_000 } } });

    expect(error.constructor).toBe(OpenAI.RateLimitError);
    expect(chats(fallback)).toHaveLength(1);
    expect(ms).toBeLessThan(MARGIN);
  });

  test.concurrent('is not used up by an error whose body stalls, since its status is known', async ({ stage }) => {
    const head = 'HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"error":';
    const { openai } = await stage({ primary: { kind: 'raw', bytes: head, then: 'hang' } });
    const { info, ms } = await ask(openai, {
      openpipe: { fallback: { model: FALLBACK } },
      options: { timeout: 15_000 },
    });

    expect(info.servedBy).toBe('fallback');
    expect(info.attempts[0]).toMatchObject({ outcome: 'server_error', status: 500 });
    expect(ms).toBeLessThan(5_000);
  });
});

describe('without a fallback the timeout is per attempt, as in the SDK', () => {
  test.concurrent('and a timeout is retried', async ({ stage }) => {
    const { openai, primary } = await stage({ primary: { kind: 'answer', failFirst: 1, failWith: SILENCE } });
    const { info, ms } = await ask(openai, { options: { timeout: 300 } });

    expect(info.attempts).toMatchObject([{ outcome: 'ok', tries: 2 }]);
    expect(chats(primary)).toHaveLength(2);
    // One timeout and one pause, which is three quarters of 0.5 s at least.
    expect(ms).toBeGreaterThan(300 + 370);
  });

  test.concurrent('but the body counts too', async ({ stage }) => {
    const { openai, primary } = await stage({ primary: { kind: 'stall-body' } });
    const { error, ms } = await ask(openai, { options: { timeout: 300, maxRetries: 1 } });

    expect(error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
    expect(chats(primary)).toHaveLength(2);
    expect(ms).toBeGreaterThan(600 + 370);
    expect(ms).toBeLessThan(600 + 500 + MARGIN);
  });

  test.concurrent('and the pauses are the SDK’s: half a second, doubled, less a quarter at most', async ({ stage }) => {
    const { openai, primary } = await stage({ primary: { kind: 'answer', failFirst: 2 } });
    expect((await ask(openai)).error).toBeUndefined();

    const [first = 0, second = 0, third = 0] = chats(primary).map(({ at }) => at);
    expect(second - first).toBeGreaterThanOrEqual(370);
    expect(second - first).toBeLessThan(500 + MARGIN);
    expect(third - second).toBeGreaterThanOrEqual(740);
    expect(third - second).toBeLessThan(1_000 + MARGIN);
  });

  for (const [status, headers, tries] of /** @type {[number, Record<string, string>, number][]} */ ([
    [408, SOON, 3],
    [409, SOON, 3],
    [429, SOON, 3],
    [529, SOON, 3],
    [400, SOON, 1],
    [404, SOON, 1],
    [400, { ...SOON, 'x-should-retry': 'true' }, 3],
    [500, { ...SOON, 'x-should-retry': 'false' }, 1],
    [503, { 'retry-after': '0.001' }, 3],
    [503, { 'retry-after': new Date(0).toUTCString() }, 3],
  ])) {
    test.concurrent(`and ${status} with ${JSON.stringify(headers)} is tried ${tries} times`, async ({ stage }) => {
      const { openai, primary } = await stage({ primary: { kind: 'status', status, headers } });
      const { error } = await ask(openai);

      expect(error.status).toBe(status);
      expect(chats(primary)).toHaveLength(tries);
      expect(error.openpipe.attempts).toMatchObject([{ tries }]);
    });
  }

  test.concurrent('and an unreachable upstream is tried again', async ({ stage }) => {
    const { openai } = await stage({ primary: 'refused' });
    const { error } = await ask(openai, { options: { maxRetries: 1 } });

    expect(error.constructor).toBe(OpenAI.APIConnectionError);
    expect(error.openpipe.attempts).toMatchObject([{ tries: 2 }]);
  });

  test.concurrent('and `maxRetries: 0` is honoured, of the client and of the call', async ({ stage }) => {
    const doing = /** @type {const} */ ({ kind: 'status', status: 500, headers: SOON });
    const { openai, primary } = await stage({ primary: doing, maxRetries: 0 });
    await ask(openai);
    expect(chats(primary)).toHaveLength(1);
    await ask(openai, { options: { maxRetries: 1 } });
    expect(chats(primary)).toHaveLength(3);
    openai.maxRetries = 2;
    await ask(openai, { options: { maxRetries: 0 } });
    expect(chats(primary)).toHaveLength(4);
  });
});

describe("the caller's abort", () => {
  test.concurrent('ends a call at once, closes its connection, and starts no fallback', async ({ stage }) => {
    const { openai, primary, fallback } = await stage({ primary: SILENCE });
    const controller = new AbortController();
    const call = ask(openai, {
      openpipe: { fallback: { model: FALLBACK } },
      options: { signal: controller.signal },
    });
    const request = await primary.arrival(1);
    controller.abort();
    const { error } = await call;

    expect(error.constructor).toBe(OpenAI.APIUserAbortError);
    expect(await request.closed).toBe('broken off');
    expect(chats(fallback)).toEqual([]);
  });

  test.concurrent('ends a pause between two tries', async ({ stage }) => {
    const { openai, primary } = await stage({
      primary: { kind: 'status', status: 500, headers: { 'retry-after': '8' } },
    });
    const controller = new AbortController();
    const call = ask(openai, { options: { signal: controller.signal } });
    await primary.arrival(1);
    setTimeout(() => controller.abort(), 100);
    const { error, ms } = await call;

    expect(error.constructor).toBe(OpenAI.APIUserAbortError);
    expect(ms).toBeLessThan(100 + MARGIN);
    expect(chats(primary)).toHaveLength(1);
  });

  test.concurrent('ends the fallback too', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: { kind: 'status', status: 500 }, fallback: SILENCE });
    const controller = new AbortController();
    const call = ask(openai, {
      openpipe: { fallback: [{ model: FALLBACK }, { model: 'another' }] },
      options: { signal: controller.signal },
    });
    const request = await fallback.arrival(1);
    controller.abort();

    expect((await call).error.constructor).toBe(OpenAI.APIUserAbortError);
    expect(await request.closed).toBe('broken off');
    expect(chats(fallback)).toHaveLength(1);
  });

  test.concurrent('before the call sends nothing', async ({ stage }) => {
    const { openai, primary } = await stage();
    const call = openai.chat.completions.create(
      { model: 'openpipe:x', messages: [] },
      { signal: AbortSignal.abort('changed my mind') },
    );

    expect((await rejection(call)).constructor).toBe(OpenAI.APIUserAbortError);
    expect(primary.totalConnections).toBe(0);
  });

  test.concurrent('of a signal that times out is an abort, not a timeout', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: SILENCE });
    const { error } = await ask(openai, {
      openpipe: { fallback: { model: FALLBACK } },
      options: { signal: AbortSignal.timeout(100) },
    });

    expect(error.constructor).toBe(OpenAI.APIUserAbortError);
    expect(chats(fallback)).toEqual([]);
  });
});
