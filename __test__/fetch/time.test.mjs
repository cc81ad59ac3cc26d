/** Whose time counts, and what the caller's signal does at each phase. */

import { createFetch } from 'openpipe-native/fetch';
import { describe, expect } from 'vitest';

import { byModel, chat, contentOf, readEvents } from '../support/fetching.mjs';
import { eventually, rejection } from '../support/calls.mjs';
import { test } from '../support/upstreams.mjs';

/** Far from any wait of these tests, on the slowest of machines. */
const AT_ONCE = 1_000;

/** A unique abort reason. */
const REASON = new Error('the reason');

/** @param {() => Promise<unknown>} work @returns {Promise<[number, any]>} */
async function timed(work) {
  const began = performance.now();
  const result = await work();
  return [performance.now() - began, result];
}

describe('the caller’s signal', () => {
  test('that is aborted already sends nothing', async ({ serve }) => {
    const upstream = await serve();
    const signal = AbortSignal.abort(REASON);
    expect(await rejection(createFetch()(...chat(upstream, { model: 'ok' }, { signal })))).toBe(REASON);
    expect(upstream.requests).toHaveLength(0);
  });

  for (const stream of [false, true]) {
    test(`ends a call that waits, and starts no fallback (stream: ${stream})`, async ({ serve }) => {
      const upstream = await serve(byModel);
      const controller = new AbortController();
      const fetch = createFetch({ fallback: { model: 'ok' }, logger: { warn: () => {} } });
      const [request, init] = chat(upstream, { model: 'silence', stream }, { signal: controller.signal });
      const answer = rejection(fetch(request, init));
      await upstream.arrival(1);
      const [ms, error] = await timed(() => (controller.abort(REASON), answer));
      expect(error).toBe(REASON);
      expect(ms).toBeLessThan(AT_ONCE);
      expect(await eventually(() => upstream.requests[0]?.outcome === 'broken off')).toBe(true);
      expect(upstream.requests).toHaveLength(1);
    });
  }

  test('ends the pause of a retry', async ({ serve }) => {
    const upstream = await serve({ kind: 'status', status: 503, headers: { 'retry-after': '20' } });
    const controller = new AbortController();
    const answer = rejection(createFetch()(...chat(upstream, { model: 'm' }, { signal: controller.signal })));
    await upstream.arrival(1);
    const [ms] = await timed(() => (controller.abort(), answer));
    expect(ms).toBeLessThan(AT_ONCE);
  });

  test('ends a body that is being sent', async () => {
    const controller = new AbortController();
    const body = new ReadableStream({ pull: () => new Promise(() => {}) });
    const init = { method: 'POST', body, duplex: 'half', signal: controller.signal };
    const answer = rejection(createFetch()('http://127.0.0.1:9/v1/chat/completions', init));
    controller.abort(REASON);
    expect(await answer).toBe(REASON);
  });

  test('ends a stream in the middle, with its reason', async ({ serve }) => {
    const upstream = await serve({ kind: 'answer', content: 'x'.repeat(5000), deltas: 1000, paceMs: 5 });
    const controller = new AbortController();
    const response = await createFetch()(
      ...chat(upstream, { model: 'm', stream: true }, { signal: controller.signal }),
    );
    const reader = /** @type {ReadableStream} */ (response.body).getReader();
    await reader.read();
    controller.abort(REASON);
    /** @type {any} */
    let error;
    while (error === undefined) error = await reader.read().then(() => undefined, (thrown) => thrown); // prettier-ignore
    expect(error).toBe(REASON);
    expect(await eventually(() => upstream.requests[0]?.outcome === 'broken off')).toBe(true);
  });

  test('of a Request counts, unless `init` replaces or removes it', async ({ serve }) => {
    const upstream = await serve(byModel);
    const [url, { headers, body }] = chat(upstream, { model: 'ok' });
    const aborted = () => new Request(url, { method: 'POST', headers, body, signal: AbortSignal.abort(REASON) });
    expect(await rejection(createFetch()(aborted()))).toBe(REASON);
    expect((await createFetch()(aborted(), { signal: null })).status).toBe(200);
  });

  test('that aborts the first target gives one warning, which says what to set', async ({ serve }) => {
    const upstream = await serve(byModel);
    /** @type {string[]} */
    const warnings = [];
    const fetch = createFetch({ fallback: { model: 'ok' }, logger: { warn: (text) => warnings.push(text) } });
    for (let times = 0; times < 2; times += 1)
      await rejection(fetch(...chat(upstream, { model: 'silence' }, { signal: AbortSignal.timeout(50) })));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/timeout/);
  });

  test('that aborts a later target gives no warning', async ({ serve }) => {
    const upstream = await serve(byModel);
    /** @type {string[]} */
    const warnings = [];
    const fetch = createFetch({ fallback: { model: 'silence' }, logger: { warn: (text) => warnings.push(text) } });
    const controller = new AbortController();
    const answer = rejection(fetch(...chat(upstream, { model: 'status-500' }, { signal: controller.signal })));
    await upstream.arrival(2);
    controller.abort(REASON);
    expect(await answer).toBe(REASON);
    expect(warnings).toEqual([]);
  });
});

describe('the timeout that an SDK sends', () => {
  test('is the call’s deadline, of which the first target gets half', async ({ serve }) => {
    const upstream = await serve(byModel);
    const headers = { 'x-stainless-timeout': '2' };
    const fetch = createFetch({ fallback: { model: 'silence' }, maxRetries: 0 });
    const [ms, response] = await timed(() => fetch(...chat(upstream, { model: 'silence' }, { headers })));
    expect(response.status).toBe(504);
    expect(ms).toBeLessThan(2_000);
    const [first, second] = response.openpipe.attempts;
    expect(first.durationMs).toBeGreaterThanOrEqual(1_000);
    expect(first.durationMs).toBeLessThan(1_600);
    expect(second.outcome).toBe('timeout');
  });

  test('does not shorten the timeout of createFetch', async ({ serve }) => {
    const upstream = await serve(byModel);
    const headers = { 'x-stainless-timeout': '1' };
    const fetch = createFetch({ fallback: { model: 'ok' }, timeout: 1_500, maxRetries: 0 });
    const response = await fetch(...chat(upstream, { model: 'silence' }, { headers }));
    expect(response.openpipe?.attempts).toMatchObject([{ outcome: 'timeout' }, { outcome: 'ok' }]);
    expect(response.openpipe?.attempts[0]?.durationMs).toBeGreaterThanOrEqual(1_500);
  });
});

test('a healthy stream may take longer than its target’s timeout', async ({ serve }) => {
  const upstream = await serve({ kind: 'answer', deltas: 12, paceMs: 60, content: 'one two three four five six' });
  const response = await createFetch({ timeout: 400 })(...chat(upstream, { model: 'm', stream: true }));
  const { events, error } = await readEvents(response);
  expect(error).toBeUndefined();
  expect(contentOf(events)).toBe('one two three four five six');
});
