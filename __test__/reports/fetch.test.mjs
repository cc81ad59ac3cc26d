/** `transport: "fetch"`: reports go through the current global `fetch`, so that a mock sees them (contract.md, section 2). */

import OpenAI from 'openpipe-native';
import { afterEach, describe, expect, vi } from 'vitest';

import { completion } from '../../demo/upstream/payload.mjs';
import { eventually, MESSAGES } from '../support/calls.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { PRIMARY, test } from '../support/upstreams.mjs';
import { callToItsEnd, MODEL, TAKES, test as reportingTest } from '../support/reporting.mjs';

/** @typedef {{ url: string, method: string, headers: Headers, body: any, rawBody: string, signal: AbortSignal }} Seen */

const TAKEN = () => Response.json({ status: 'ok' });

afterEach(() => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
});

/**
 * Replaces `fetch` by a function that answers calls well, and reports as given.
 * @param {(report: Seen, number: number) => Response | Promise<Response>} [report]
 */
function mockFetch(report = TAKEN) {
  /** @type {Seen[]} */
  const reports = [];
  /** @type {string[]} */
  const calls = [];
  vi.stubGlobal('fetch', async (/** @type {any} */ input, /** @type {any} */ init) => {
    const request = new Request(input, init);
    const rawBody = await request.text();
    const body = JSON.parse(rawBody);
    if (!request.url.endsWith('/report')) {
      calls.push(request.url);
      return Response.json(completion(body.model, 'Answered by a mock.'));
    }
    const { url, method, headers } = request;
    const seen = { url, method, headers, body, rawBody, signal: init.signal };
    reports.push(seen);
    return report(seen, reports.length - 1);
  });
  return { reports, calls };
}

/** @param {any} [more] */
function clientOf({ openpipe, ...more } = {}) {
  return new OpenAI({
    apiKey: OPENAI_KEY,
    baseURL: 'https://openai.invalid/v1',
    maxRetries: 0,
    ...more,
    openpipe: { apiKey: OPENPIPE_KEY, baseUrl: 'https://openpipe.invalid/api/v1', transport: 'fetch', ...openpipe },
  });
}

describe('a report goes through fetch', () => {
  test('with its complete body', async () => {
    const { reports, calls } = mockFetch();
    const info = await callToItsEnd(clientOf(), { openpipe: { tags: { a: 1 } } });
    await info.reportingFinished;

    expect(calls).toEqual(['https://openai.invalid/v1/chat/completions']);
    const [report, ...more] = reports;
    expect(more).toEqual([]);
    expect(report).toMatchObject({ url: 'https://openpipe.invalid/api/v1/report', method: 'POST' });
    expect(report?.headers.get('authorization')).toBe(`Bearer ${OPENPIPE_KEY}`);
    expect(report?.headers.get('content-type')).toBe('application/json');
    expect(report?.rawBody).not.toMatch(new RegExp(`${OPENAI_KEY}|${OPENPIPE_KEY}`));
    expect(report?.body).toMatchObject({
      requestedAt: expect.any(Number),
      receivedAt: expect.any(Number),
      reqPayload: { model: MODEL, messages: MESSAGES },
      respPayload: { choices: [{ message: { content: 'Answered by a mock.' } }] },
      statusCode: 200,
      tags: { a: 1, $sdk: 'openpipe-native' },
    });
  });

  test('where the environment says so', async () => {
    vi.stubEnv('OPENPIPE_TRANSPORT', 'fetch');
    const { reports } = mockFetch();
    const info = await callToItsEnd(clientOf({ openpipe: { transport: undefined } }));
    await info.reportingFinished;
    expect(reports).toHaveLength(1);
  });

  test('that was replaced between two calls', async () => {
    const openai = clientOf();
    const first = mockFetch();
    await (
      await callToItsEnd(openai)
    ).reportingFinished;
    const second = mockFetch();
    await (
      await callToItsEnd(openai)
    ).reportingFinished;
    expect([first.reports.length, second.reports.length]).toEqual([1, 1]);
  });

  test('but not for a call that OpenPipe serves', async () => {
    const { reports, calls } = mockFetch();
    const info = await callToItsEnd(clientOf(), { model: PRIMARY });
    await info.reportingFinished;
    expect(calls).toEqual(['https://openpipe.invalid/api/v1/chat/completions']);
    expect(reports).toEqual([]);
  });

  test('for any number of reports', async () => {
    const { reports } = mockFetch(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return TAKEN();
    });
    const openai = clientOf();
    await Promise.all(Array.from({ length: 100 }, (_, number) => callToItsEnd(openai, { user: `${number}` })));
    expect((await openai.flush()).pending).toBe(0);
    expect(new Set(reports.map(({ body }) => body.reqPayload.user)).size).toBe(100);
    expect(reports).toHaveLength(100);
  });
});

describe('where fetch', () => {
  for (const [name, fails] of /** @type {[string, () => Response | Promise<Response>][]} */ ([
    ['fails as in Node.js', () => Promise.reject(new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }))],
    ['fails as elsewhere', () => Promise.reject(new TypeError('Failed to fetch'))],
    ['throws something odd', () => Promise.reject('no network \ud83d')], // prettier-ignore
    ['answers 503', () => new Response('busy', { status: 503 })],
    ['answers 429', () => new Response('', { status: 429, headers: { 'retry-after-ms': '20' } })],
    ['breaks off in the body', () => new Response(new ReadableStream({ pull: (it) => it.error(new Error('gone')) }))],
  ])) {
    test(`${name}, the report is retried`, async () => {
      const { reports } = mockFetch((_, number) => (number === 0 ? fails() : TAKEN()));
      const openai = clientOf();
      const before = await openai.flush();
      const info = await callToItsEnd(openai);
      await info.reportingFinished;

      expect(reports).toHaveLength(2);
      expect(reports[1]?.rawBody).toBe(reports[0]?.rawBody);
      expect(await openai.flush()).toEqual({ ...before, delivered: before.delivered + 1 });
    });
  }

  test('answers 400, the report is dropped, with a warning', async () => {
    const { logger, warnings } = listeningLogger();
    const { reports } = mockFetch(() => new Response('no', { status: 400 }));
    const openai = clientOf({ logger });
    const before = await openai.flush();
    await (
      await callToItsEnd(openai)
    ).reportingFinished;

    expect(await openai.flush()).toEqual({ ...before, dropped: before.dropped + 1 });
    expect(reports).toHaveLength(1);
    expect(await eventually(() => warnings.length === 1)).toBe(true);
    expect(warnings[0]).toContain('refuses');
  });

  test('never answers, reportingFinished settles after five seconds, and the try is aborted for another one', async () => {
    /** @type {(response: Response) => void} */
    let answer = () => {};
    const never = () => new Promise((/** @type {(response: Response) => void} */ resolve) => (answer = resolve));
    const isDead = (/** @type {Seen} */ { url }) => url.startsWith('https://openpipe.invalid/');
    const { reports } = mockFetch((seen) => (isDead(seen) ? never() : TAKEN()));
    const openai = clientOf();
    const started = performance.now();
    const info = await callToItsEnd(openai);
    expect(performance.now() - started).toBeLessThan(2_500);
    expect(await info.reportingFinished).toBeUndefined();
    const waited = performance.now() - started;
    expect(waited).toBeGreaterThan(4_500);
    expect(waited).toBeLessThan(8_000);
    expect(reports).toHaveLength(1);

    // While it is asked again, another client's endpoint does not wait for it.
    expect(await eventually(() => reports.length === 2)).toBe(true);
    const other = clientOf({ openpipe: { baseUrl: 'https://elsewhere.invalid/api/v1' } });
    await callToItsEnd(other);
    expect(await other.flush({ timeout: 3_000 })).toEqual({ delivered: 1, dropped: 0, pending: 0 });

    answer(TAKEN());
    expect((await openai.flush()).pending).toBe(0);
    expect([reports.length, reports[0]?.signal.aborted]).toEqual([3, true]);
  }, 30_000);
});

reportingTest('a client with a `fetch` of its own reports by it', async ({ stageReports }) => {
  const { fetch } = globalThis;
  /** @type {string[]} */
  const asked = [];
  const { only } = await stageReports({
    reports: TAKES,
    fetch: (input, init) => {
      asked.push(String(input));
      return fetch(input, init);
    },
  });
  expect(await only()).toMatchObject({ statusCode: 200, reqPayload: { model: MODEL } });
  expect(asked).toEqual([expect.stringContaining('/chat/completions'), expect.stringContaining('/report')]);
});
