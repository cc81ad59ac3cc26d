/** What only `fetch` can honour goes through it, with the engine above: dispatchers, agents, mocks. */

import { createServer } from 'node:http';
import { once } from 'node:events';

import { createFetch } from 'openpipe-native/fetch';
import { Agent, fetch as undiciFetch } from 'undici';
import { describe, expect, vi } from 'vitest';

import { byModel, chat, contentOf, KEY, readEvents } from '../support/fetching.mjs';
import { eventually, rejection } from '../support/calls.mjs';
import { test } from '../support/upstreams.mjs';

/** The real `fetch`, with a record of its calls. */
const underlying = () =>
  vi.fn((/** @type {any[]} */ ...given) => Reflect.apply(globalThis.fetch, undefined, withoutMarks(given)));

/** Removes the fake options, which the real `fetch` would refuse. @param {any[]} given */
const withoutMarks = ([url, { dispatcher, agent, client, proxy, ...init }]) => [url, init];

for (const member of ['dispatcher', 'agent', 'client', 'proxy']) {
  test(`a call with \`${member}\` goes through fetch with it, its fallback too`, async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = underlying();
    const mark = { mark: member };
    const call = createFetch({ fetch, fallback: { model: 'ok' } });
    const response = await call(...chat(upstream, { model: 'status-500' }, { [member]: mark }));
    expect((await response.json()).choices[0].message.content).toBe('Answered by upstream, with the model ok.');
    expect(response.openpipe?.attempts).toMatchObject([{ outcome: 'server_error', status: 500 }, { outcome: 'ok' }]);
    expect(response.headers.get('x-request-id')).toEqual(expect.any(String));
    expect(fetch).toHaveBeenCalledTimes(2);
    for (const [, init] of fetch.mock.calls) expect(init[member]).toBe(mark);
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual(Array(2).fill(`Bearer ${KEY}`));
  });
}

test('reports go through fetch as the calls do', async ({ serve }) => {
  const upstream = await serve(byModel);
  const places = /** @type {string[]} */ ([]);
  const before = globalThis.fetch;
  globalThis.fetch = /** @type {any} */ (
    async (/** @type {any[]} */ ...given) => {
      places.push(String(given[0]));
      return Reflect.apply(before, undefined, given);
    }
  );
  try {
    const openpipe = { apiKey: 'opk-test', baseUrl: `${upstream.url}/openpipe` };
    const call = createFetch(/** @type {any} */ ({ transport: 'fetch', ...openpipe, logger: { warn() {} } }));
    await call(...chat(upstream, { model: 'ok' }));
    await call.flush();
  } finally {
    globalThis.fetch = before;
  }
  expect(places).toContain(`${upstream.url}/openpipe/report`);
});

test('reports go through the option `fetch`', async ({ serve }) => {
  const upstream = await serve(byModel);
  const below = vi.fn((/** @type {any[]} */ ...given) => Reflect.apply(fetch, undefined, given));
  const openpipe = { apiKey: 'opk-test', baseUrl: `${upstream.url}/openpipe`, logger: { warn() {} } };
  const call = createFetch(/** @type {any} */ ({ transport: 'fetch', fetch: below, ...openpipe }));
  await call(...chat(upstream, { model: 'ok' }));
  await call.flush();
  expect(below.mock.calls.map(([url]) => String(url).replace(upstream.url, ''))).toEqual([
    '/chat/completions',
    '/openpipe/report',
  ]);
});

describe('through fetch', () => {
  const through = (/** @type {object} */ options = {}) =>
    createFetch({ transport: 'fetch', maxRetries: 0, ...options });

  test('a stream is held until its content, and passed on unchanged', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = through({ fallback: { model: 'ok' } });
    const response = await fetch(...chat(upstream, { model: 'dies-before-content', stream: true }));
    const { events, error } = await readEvents(response);
    expect(error).toBeUndefined();
    expect(contentOf(events)).toBe('Answered by upstream, with the model ok.');
    expect(response.openpipe?.attempts).toMatchObject([{ outcome: 'stream' }, { outcome: 'ok' }]);
  });

  test('a failure resolves with the same response as natively', async ({ serve }) => {
    const upstream = await serve(byModel);
    const response = await through()(...chat(upstream, { model: 'status-429' }));
    expect(response.status).toBe(429);
    expect((await response.json()).error).toEqual(expect.any(Object));
    const unreachable = await through()(...chat({ url: 'http://127.0.0.1:9/v1' }, { model: 'm' }));
    expect(unreachable.status).toBe(503);
    const silent = await through({ timeout: 100 })(...chat(upstream, { model: 'silence' }));
    expect(silent.status).toBe(504);
    expect(await eventually(() => upstream.requests.at(-1)?.outcome === 'broken off')).toBe(true);
  });

  test('a stream that breaks later is `terminated`', async ({ serve }) => {
    const upstream = await serve(byModel);
    const response = await through()(...chat(upstream, { model: 'dies-mid-stream', stream: true }));
    const { events, error } = await readEvents(response);
    expect(contentOf(events)).not.toBe('');
    expect(error).toMatchObject({ message: 'terminated', cause: { code: expect.any(String) } });
  });

  test('the caller’s signal ends the request', async ({ serve }) => {
    const upstream = await serve(byModel);
    const controller = new AbortController();
    const answer = rejection(through()(...chat(upstream, { model: 'silence' }, { signal: controller.signal })));
    await upstream.arrival(1);
    controller.abort('gone');
    expect(await answer).toBe('gone');
    expect(await eventually(() => upstream.requests[0]?.outcome === 'broken off')).toBe(true);
  });

  test('a stream that is cancelled closes its connection', async ({ serve }) => {
    const upstream = await serve({ kind: 'answer', content: 'x'.repeat(5000), deltas: 1000, paceMs: 5 });
    const response = await through()(...chat(upstream, { model: 'm', stream: true }));
    await response.body?.cancel();
    expect(await eventually(() => upstream.requests[0]?.outcome === 'broken off')).toBe(true);
  });
});

/** A server that redirects every call of a model, and answers elsewhere. @param {(place: string) => string} to */
const redirecting = async (to) => {
  const server = createServer((request, response) => {
    const place = `http://${request.headers.host}`;
    if (request.url?.startsWith('/v1/')) response.writeHead(307, { location: to(place) }).end();
    else
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"choices":[{"message":{"content":"moved"}}]}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {any} */ (server.address());
  return { url: `http://127.0.0.1:${port}/v1`, [Symbol.dispose]: () => void server.close() };
};

for (const transport of ['native', 'fetch']) {
  describe(`a redirect, with the transport ${transport}`, () => {
    const fetch = createFetch(/** @type {any} */ ({ transport, maxRetries: 0 }));

    test('is followed within its origin', async () => {
      const server = await redirecting((place) => `${place}/elsewhere`);
      const response = await fetch(...chat(server, { model: 'm' }));
      expect(await response.json()).toMatchObject({ choices: [{}] });
      expect(response).toMatchObject({ redirected: true, url: server.url.replace('/v1', '/elsewhere') });
      server[Symbol.dispose]();
    });

    test('is not followed to another origin', async ({ serve }) => {
      const other = await serve();
      const server = await redirecting(() => `${other.url}/chat/completions`);
      const response = await fetch(...chat(server, { model: 'm' }));
      expect(response.status).toBe(502);
      expect(response.openpipe?.attempts).toMatchObject([{ outcome: 'invalid_response', status: 307 }]);
      expect(other.requests).toHaveLength(0);
      server[Symbol.dispose]();
    });

    test('is not followed where `redirect` is "error", and is the response where it is "manual"', async () => {
      const server = await redirecting((place) => `${place}/elsewhere`);
      const failed = await fetch(...chat(server, { model: 'm' }, { redirect: 'error' }));
      expect(failed.status).toBe(502);
      const manual = await fetch(...chat(server, { model: 'm' }, { redirect: 'manual' }));
      expect(manual.status).toBe(307);
      expect(manual.headers.get('location')).toBe(server.url.replace('/v1', '/elsewhere'));
      server[Symbol.dispose]();
    });
  });
}

test('a dispatcher of undici is what a call and its fallback connect by', async ({ serve }) => {
  const upstream = await serve(byModel);
  const origins = /** @type {string[]} */ ([]);
  const agent = new Agent();
  const dispatcher = {
    dispatch(/** @type {any} */ options, /** @type {any} */ handler) {
      origins.push(String(options.origin));
      return agent.dispatch(options, handler);
    },
  };
  const call = createFetch({ fetch: /** @type {any} */ (undiciFetch), fallback: { model: 'ok' } });
  const response = await call(...chat(upstream, { model: 'status-500' }, { dispatcher }));
  expect(response.openpipe?.servedBy).toBe('fallback');
  expect(origins).toHaveLength(2);
  await agent.close();
});

test('a response that arrives after its call was aborted is cancelled, also from a fetch that ignores signals', async ({
  serve,
}) => {
  const [url, init] = chat(await serve(byModel), { model: 'm' });
  const cancelled = vi.fn();
  /** @type {(response: Response) => void} */
  let answer = () => {};
  const below = vi.fn(() => new Promise((resolve) => (answer = resolve)));
  const call = createFetch({ fetch: /** @type {any} */ (below) });
  const controller = new AbortController();
  const failed = rejection(call(url, { ...init, signal: controller.signal, dispatcher: {} }));
  await vi.waitFor(() => expect(below).toHaveBeenCalled());
  controller.abort();
  expect((await failed).name).toBe('AbortError');
  answer(new Response(new ReadableStream({ cancel: cancelled })));
  await vi.waitFor(() => expect(cancelled).toHaveBeenCalled());
});

test('a body that ends within a character is none, as natively', async ({ serve }) => {
  const [url, init] = chat(await serve(byModel), { model: 'm' });
  const text = JSON.stringify({ choices: [{ message: { content: 'x' } }] });
  const bytes = (/** @type {number[]} */ ...more) => Buffer.concat([Buffer.from(text), Buffer.from(more)]);
  for (const [body, status] of /** @type {[Buffer, number][]} */ ([
    [bytes(), 200],
    [bytes(0xc3), 502],
  ])) {
    const below = async () =>
      new Response(/** @type {any} */ (body), { headers: { 'content-type': 'application/json' } });
    const response = await createFetch({ fetch: below })(url, /** @type {any} */ ({ ...init, dispatcher: {} }));
    expect(response.status).toBe(status);
  }
});
