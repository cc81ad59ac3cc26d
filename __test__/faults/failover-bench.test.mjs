/**
 * Failover conformance: the sixteen situations of the public Failover Bench, in words of our own and with its checks, also
 * those that are only advice there. Its baseline: two retries, a timeout for a request (here a fifth of the 30 s), one
 * fallback model. Whatever else a situation needs is stated with it.
 */

import OpenAI from 'openpipe-native';
import { describe, expect, test, vi } from 'vitest';

import { ask } from '../support/calls.mjs';
import { OPENAI_KEY } from '../support/keys.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { ANSWER, failover, OUTAGE_MS, RETRY_AFTER_S, SLOW_FIRST_TOKEN_MS } from './catalogue/failover.mjs';
import { newKey, useFaultServer } from './upstreams.mjs';

/** @import { OpenPipeCallOptions } from 'openpipe-native' */
/** @import { Told } from '../support/calls.mjs' */
/** @import { Entry } from './server/exchange.mjs' */

const MAX_RETRIES = 2;
const TIMEOUT_MS = 6_000;
const FALLBACK = 'healthy-model';
/** Less than what the bench allows most of its calls. */
const HANG_MS = 30_000;

vi.setConfig({ maxConcurrency: 16, testTimeout: 60_000 });
const server = useFaultServer();

/** @param {string} key */
function client(key) {
  const { logger } = listeningLogger();
  const baseURL = server.urlNamed(failover.name, key);
  return new OpenAI({ apiKey: OPENAI_KEY, baseURL, maxRetries: MAX_RETRIES, timeout: TIMEOUT_MS, logger });
}

/**
 * One call, as the bench makes it, and what the provider saw of it.
 * @param {string} model @param {{ fallback?: string, openpipe?: OpenPipeCallOptions, except?: string[] }} [more]
 */
async function situation(model, { fallback = FALLBACK, openpipe, except } = {}) {
  const key = newKey(model);
  const openai = client(key);
  const told = await ask(openai, {
    stream: true,
    model,
    body: { stream_options: { include_usage: true } },
    openpipe: { ...openpipe, fallback: /** @type {any} */ ({ model: fallback, ...(except ? { except } : {}) }) },
  });
  const requests = await server.requests(key);
  // Whatever happened, the same client goes on: the bench's own probe.
  const alive = await ask(openai, { stream: true, model: 'healthy-model' });
  expect(alive.text).toBe(ANSWER);
  expect(told.ms).toBeLessThan(HANG_MS);
  return {
    told,
    primary: requests.filter((request) => request.model === model),
    fallback: requests.filter((request) => request.model === fallback),
  };
}

/** The whole answer, once, and its usage, by the model that is said to have given it. @param {Told} told @param {string} model */
function expectRescue(told, model) {
  expect(told.error).toBeUndefined();
  expect(told.text).toBe(ANSWER);
  expect(new Set(told.chunks.map((chunk) => chunk.model))).toEqual(new Set([model]));
  expect(told.chunks.at(-1)?.usage).toMatchObject({ completion_tokens: 60 });
  expect(told.info.model).toBe(model);
}

/** @param {Entry[]} requests @param {number} ms Of the time from the first of them. */
function within(requests, ms) {
  return requests.filter(({ at }) => at - (requests[0]?.at ?? 0) < ms).length;
}

describe.concurrent('Failover Bench', () => {
  test('S01: a rate limit that names its pause is waited for, and the primary answers', async () => {
    const { told, primary } = await situation('S01');
    expectRescue(told, 'S01');
    expect(primary).toHaveLength(2);
    expect((primary[1]?.at ?? 0) - (primary[0]?.at ?? 0)).toBeGreaterThanOrEqual(RETRY_AFTER_S * 900);
    expect(within(primary, 1_500)).toBeLessThanOrEqual(2);
  });

  test('S02: a rate limit that does not end is retried with pauses, and the fallback answers', async () => {
    const { told, primary } = await situation('S02');
    expectRescue(told, FALLBACK);
    expect(primary).toHaveLength(1 + MAX_RETRIES);
    expect(within(primary, 3_000)).toBeLessThanOrEqual(4);
    // 0.5 s and 1 s, less up to a quarter.
    expect((primary[1]?.at ?? 0) - (primary[0]?.at ?? 0)).toBeGreaterThan(350);
    expect((primary[2]?.at ?? 0) - (primary[0]?.at ?? 0)).toBeGreaterThan(1_000);
  });

  test('S03: a 500 is retried, and the primary answers', async () => {
    const { told, primary } = await situation('S03');
    expectRescue(told, 'S03');
    expect(primary).toHaveLength(2);
  });

  test('S04: a 503 that does not end is retried as often as `maxRetries` says, and the fallback answers', async () => {
    const { told, primary } = await situation('S04');
    expectRescue(told, FALLBACK);
    expect(primary).toHaveLength(1 + MAX_RETRIES);
  });

  test('S05: a reset before the headers is answered', async () => {
    const { told, primary } = await situation('S05');
    expectRescue(told, 'S05');
    expect(primary).toHaveLength(2);
  });

  test('S06: a primary that never answers gets one request, and the fallback answers when its time is up', async () => {
    const { told, primary } = await situation('S06');
    expectRescue(told, FALLBACK);
    expect(primary).toHaveLength(1);
    expect(told.info.attempts[0]?.outcome).toBe('timeout');
  });

  test('S07: a first token that is late is not waited for, with `firstTokenTimeout`', async () => {
    const { told, primary } = await situation('S07', { openpipe: { firstTokenTimeout: 500 } });
    expectRescue(told, FALLBACK);
    expect(primary).toHaveLength(1);
    expect(told.info.attempts[0]?.durationMs).toBeLessThan(SLOW_FIRST_TOKEN_MS);
  });

  test('S08: a stream that is cut after 40 of 60 tokens is answered in full, with `holdUntil: "finish"`', async () => {
    const { told, fallback } = await situation('S08', { openpipe: { holdUntil: 'finish' } });
    expectRescue(told, FALLBACK);
    expect(fallback).toHaveLength(1);
  });

  test('S09: a stream that stalls is answered in full, with `holdUntil: "finish"` and `idleTimeout`', async () => {
    const { told } = await situation('S09', { openpipe: { holdUntil: 'finish', idleTimeout: 1_000 } });
    expectRescue(told, FALLBACK);
    expect(told.info.attempts[0]?.outcome).toBe('stream');
  });

  test('S10: a stream with an event that is not JSON is answered in full by the fallback, with `holdUntil: "finish"`', async () => {
    const { told } = await situation('S10', { openpipe: { holdUntil: 'finish' } });
    expectRescue(told, FALLBACK);
  });

  test('S11: a stream without [DONE] is complete, at once and with its usage', async () => {
    const { told, primary, fallback } = await situation('S11');
    expectRescue(told, 'S11');
    expect([primary.length, fallback.length]).toEqual([1, 0]);
  });

  test('S12: a context that is too long is not sent to the same model again, and the fallback answers', async () => {
    const { told, primary } = await situation('S12');
    expectRescue(told, FALLBACK);
    expect(primary).toHaveLength(1);
    expect(told.info.attempts[0]?.outcome).toBe('context_length');
  });

  test('S13: a refusal by a content filter is the error, with its reason, with `except: ["content_filter"]`', async () => {
    const { told, primary, fallback } = await situation('S13', { except: ['content_filter'] });
    expect(told.error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(told.error.code).toBe('content_policy_violation');
    expect(told.text).toBe('');
    expect([primary.length, fallback.length]).toEqual([1, 0]);
  });

  test('S14: a fallback without support for prefill gets the original request, with `holdUntil: "finish"`', async () => {
    const { told, fallback } = await situation('S14', {
      fallback: 'without-prefill',
      openpipe: { holdUntil: 'finish' },
    });
    expectRescue(told, 'without-prefill');
    expect(fallback).toHaveLength(1);
    expect(fallback[0]?.body.messages.map((/** @type {any} */ { role }) => role)).toEqual(['user']);
  });

  test('S15: while the primary is down the fallback answers, and afterwards the primary does', async () => {
    const key = newKey('S15');
    const openai = client(key);
    const started = performance.now();
    /** @type {Told[]} */
    const answers = [];
    // Every few moments through the outage, and on until the primary is back.
    while (!answers.some(({ info }) => info.servedBy === 'primary') && performance.now() - started < 5 * OUTAGE_MS) {
      const told = await ask(openai, {
        stream: true,
        model: 'S15',
        openpipe: { fallback: { model: FALLBACK } },
        options: { maxRetries: 0 },
      });
      expect(told.error).toBeUndefined();
      expect(told.text).toBe(ANSWER);
      answers.push(told);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(answers.at(0)?.info.servedBy).toBe('fallback');
    expect(answers.at(-1)?.info.servedBy).toBe('primary');
    const primary = (await server.requests(key)).filter((request) => request.model === 'S15');
    expect(primary).toHaveLength(answers.length);
  });

  test('S16: the attempts name the fallback that answered, with its usage', async () => {
    const { told, primary } = await situation('S16');
    expectRescue(told, FALLBACK);
    expect(told.info).toMatchObject({ servedBy: 'fallback', model: FALLBACK });
    expect(told.info.attempts.map(({ model, outcome }) => [model, outcome])).toEqual([
      ['S16', 'server_error'],
      [FALLBACK, 'ok'],
    ]);
    expect(primary.length).toBeLessThanOrEqual(6);
  });
});
