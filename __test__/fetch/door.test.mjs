/** The targets of a call, and the reports, `close()`, diagnostics channels and callbacks of one `createFetch`. */

import diagnostics from 'node:diagnostics_channel';

import { createFetch } from 'openpipe-native/fetch';
import { describe, expect, vi } from 'vitest';

import { byModel, chat, KEY } from '../support/fetching.mjs';
import { rejection } from '../support/calls.mjs';
import { test } from '../support/upstreams.mjs';

const OTHER_KEY = 'sk-test-other-0123456789';

/** The options of a `fetch` with a declared upstream. @param {{ url: string }} to @param {object} [more] */
const declaring = ({ url }, more) => ({ upstreams: { other: { baseURL: url, apiKey: OTHER_KEY } }, ...more });

describe('a target', () => {
  test('without an upstream has the request’s URL and headers, without those of the primary only', async ({
    serve,
  }) => {
    const upstream = await serve(byModel);
    const headers = { 'openai-organization': 'org', 'openai-project': 'project', 'x-mine': '1' };
    const [url, init] = chat(upstream, { model: 'status-500' }, { headers });
    const response = await createFetch({ fallback: { model: 'ok' } })(`${url}?api-version=1`, init);
    expect(response.openpipe?.servedBy).toBe('fallback');
    const [primary, fallback] = upstream.requests;
    expect(primary).toMatchObject({ path: '/v1/chat/completions?api-version=1', headers });
    expect(fallback).toMatchObject({
      path: '/v1/chat/completions',
      headers: { 'x-mine': '1', authorization: `Bearer ${KEY}` },
    });
    expect(Object.keys(fallback?.headers ?? {})).not.toContain('openai-organization');
    expect(Object.keys(fallback?.headers ?? {})).not.toContain('openai-project');
  });

  test('with an upstream has its URL and key, and no credential of the request', async ({ serve }) => {
    const [upstream, other] = await Promise.all([serve(byModel), serve(byModel)]);
    const call = createFetch(declaring(other, { fallback: { model: 'other:ok' } }));
    const response = await call(...chat(upstream, { model: 'status-500' }, { headers: { 'x-api-key': KEY } }));
    expect(response.openpipe?.attempts).toMatchObject([{ upstream: 'request' }, { upstream: 'other', model: 'ok' }]);
    expect(other.requests[0]?.headers.authorization).toBe(`Bearer ${OTHER_KEY}`);
    expect(JSON.stringify(other.requests[0]?.headers)).not.toContain(KEY);
  });

  for (const [name, options, model, headers] of /** @type {[string, object, string, object][]} */ ([
    ['an alias', { aliases: { smart: 'other:ok' } }, 'smart', {}],
    ['an upstream’s prefix', {}, 'other:ok', {}],
    ['an upstream in the header', {}, 'ok', { 'x-openpipe': '{"upstream":"other"}' }],
    ['the upstream of all calls', { upstream: 'other' }, 'ok', {}],
  ])) {
    test(`that is first takes the request’s place: ${name}`, async ({ serve }) => {
      const [upstream, other] = await Promise.all([serve(byModel), serve(byModel)]);
      const response = await createFetch(declaring(other, options))(...chat(upstream, { model }, { headers }));
      expect(response.openpipe?.attempts).toMatchObject([{ upstream: 'other', model: 'ok', outcome: 'ok' }]);
      expect(response).toMatchObject({ url: `${other.url}/chat/completions`, redirected: false });
      expect(other.requests).toMatchObject([
        { body: { model: 'ok' }, headers: { authorization: `Bearer ${OTHER_KEY}` } },
      ]);
      expect(upstream.requests).toHaveLength(0);
    });
  }
});

test('a request of Responses may have a prompt in place of a model', async ({ serve }) => {
  const upstream = await serve(() => ({ kind: 'status', status: 404 }));
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ prompt: { id: 'pmpt_1' }, input: 'hi' });
  const response = await createFetch()(`${upstream.url}/responses`, { method: 'POST', headers, body });
  expect(response.openpipe?.attempts).toMatchObject([{ upstream: 'request', model: '' }]);
});

describe('reports', () => {
  const options = ({ url = '' }) => ({ apiKey: 'opk-test', baseUrl: `${url}/openpipe`, logger: { warn() {} } });

  test('are counted for the fetch that made them', async ({ serve }) => {
    const upstream = await serve(byModel);
    const [one, other] = [createFetch(options(upstream)), createFetch(options(upstream))];
    await one(...chat(upstream, { model: 'ok' }));
    expect(await other.flush({ timeout: 5000 })).toEqual({ delivered: 0, dropped: 0, pending: 0 });
    const { delivered, dropped, pending } = await one.flush();
    expect(delivered + dropped).toBe(1);
    expect(pending).toBe(0);
  });

  test('are delivered by `close()`, after which calls are refused and other requests still sent', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = vi.fn(async () => new Response('passed on'));
    const call = createFetch({ ...options(upstream), fetch });
    await call(...chat(upstream, { model: 'ok' }));
    await call[Symbol.asyncDispose ?? 'close']();
    expect(upstream.requests.map(({ path }) => path)).toContain('/v1/openpipe/report');
    expect(await rejection(call(...chat(upstream, { model: 'ok' })))).toMatchObject({ name: 'OpenAIError' });
    expect(await (await call(`${upstream.url}/models`)).text()).toBe('passed on');
  });

  test('refuse a malformed time', async () => {
    await expect(createFetch().flush({ timeout: 0 })).rejects.toThrow(TypeError);
  });
});

test('the diagnostics channels get the calls and fallbacks of a fetch', async ({ serve }) => {
  const upstream = await serve(byModel);
  /** @type {[string, any][]} */
  const heard = [];
  const listeners = ['openpipe:fallback', 'openpipe:call'].map((name) => {
    const listener = (/** @type {unknown} */ event) => void heard.push([name, event]);
    diagnostics.subscribe(name, listener);
    return () => diagnostics.unsubscribe(name, listener);
  });
  const call = createFetch({ fallback: { model: 'ok' } });
  await call(...chat(upstream, { model: 'status-500' }));
  await (await call(...chat(upstream, { model: 'ok', stream: true }))).text();
  listeners.forEach((stop) => stop());
  expect(heard).toMatchObject([
    ['openpipe:fallback', { from: { outcome: 'server_error' }, to: { upstream: 'request', model: 'ok' } }],
    ['openpipe:call', { servedBy: 'fallback', attempts: [{}, { outcome: 'ok' }] }],
    ['openpipe:call', { servedBy: 'primary', model: 'ok' }],
  ]);
});

test('a callback that throws gives a warning, and does not affect the call', async ({ serve }) => {
  const upstream = await serve(byModel);
  const logger = { warn: vi.fn() };
  const onFallback = () => {
    throw new Error('mine');
  };
  const call = createFetch({ fallback: { model: 'ok' }, onFallback, logger });
  const response = await call(...chat(upstream, { model: 'status-500' }));
  expect(response.openpipe?.servedBy).toBe('fallback');
  expect(logger.warn).toHaveBeenCalledWith(expect.stringContaining('mine'));
});

describe('an answer that `reject` refuses', () => {
  const short = (/** @type {any} */ request) =>
    request.body.model === 'short' ? /** @type {any} */ ({ kind: 'answer', content: 'no' }) : undefined;
  const refuse = vi.fn((answer) => answer.choices[0].message.content === 'no' && 'too short');

  test('moves on to the fallback by a function’s verdict', async ({ serve }) => {
    const upstream = await serve(short);
    const call = createFetch({ fallback: { model: 'ok' }, reject: refuse });
    const response = await call(...chat(upstream, { model: 'short' }));
    expect(response.openpipe?.attempts).toMatchObject([
      { outcome: 'rejected', rejectedBy: 'function', message: expect.stringContaining('too short') },
      { outcome: 'ok' },
    ]);
    expect(refuse).toHaveBeenCalledWith(expect.any(Object), { upstream: 'request', model: 'short' });
  });

  test('is the response where every later target failed, also with a rule in the header', async ({ serve }) => {
    const upstream = await serve(() => ({ kind: 'answer', content: '' }));
    const headers = { 'x-openpipe': '{"reject":"empty"}' };
    const response = await createFetch()(...chat(upstream, { model: 'm' }, { headers }));
    expect(response.status).toBe(200);
    expect((await response.json()).choices[0].message.content).toBe('');
    expect(response.openpipe?.attempts).toMatchObject([{ outcome: 'rejected', rejectedBy: 'empty' }]);
  });
});
