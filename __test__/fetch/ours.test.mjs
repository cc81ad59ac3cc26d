/** Which requests the engine answers, how it reads them, and what becomes of all others. */

import { createFetch } from 'openpipe-native/fetch';
import { describe, expect, vi } from 'vitest';

import { byModel, chat, KEY } from '../support/fetching.mjs';
import { rejection } from '../support/calls.mjs';
import { onlyChat, test } from '../support/upstreams.mjs';

const JSON_TYPE = { 'content-type': 'application/json' };

/** A `fetch` that records its arguments. */
function underlying() {
  return vi.fn(async (/** @type {any[]} */ ...given) => new Response(JSON.stringify(given.length)));
}

describe('a request to a model is taken over', () => {
  const text = JSON.stringify({ model: 'ok', messages: [] });
  const bytes = new TextEncoder().encode(text);
  const pieces = () => [bytes.subarray(0, 7), bytes.subarray(7)];
  /** @type {[string, () => any][]} */
  const bodies = [
    ['text', () => text],
    ['bytes', () => bytes],
    ['an ArrayBuffer', () => bytes.buffer.slice(0, bytes.byteLength)],
    ['a DataView', () => new DataView(bytes.buffer)],
    ['a Buffer', () => Buffer.from(text)],
    ['a Blob', () => new Blob([text])],
    ['a web stream', () => new ReadableStream({ start: (to) => (pieces().forEach((each) => to.enqueue(each)), to.close()) })],
    ['an async iterable', () => (async function* () { yield* pieces(); })()],
  ]; // prettier-ignore

  for (const [name, body] of bodies) {
    test(`with a body that is ${name}`, async ({ serve }) => {
      const upstream = await serve(byModel);
      const fetch = createFetch({ fetch: underlying() });
      const init = { method: 'POST', headers: JSON_TYPE, body: body(), duplex: 'half' };
      const response = await fetch(`${upstream.url}/chat/completions`, init);
      expect((await response.json()).choices[0].message.content).toBe('Answered by upstream, with the model ok.');
      expect(onlyChat(upstream).rawBody).toBe(text);
      expect(response.openpipe?.attempts).toMatchObject([{ upstream: 'request', outcome: 'ok' }]);
    });
  }

  test('but not with a stream of values that are not bytes, which is a TypeError', async ({ serve }) => {
    const upstream = await serve(byModel);
    const body = new ReadableStream({ start: (controller) => controller.enqueue(5) });
    const init = { method: 'POST', headers: JSON_TYPE, body, duplex: 'half' };
    await expect(createFetch()(`${upstream.url}/chat/completions`, init)).rejects.toThrow(TypeError);
    expect(upstream.requests).toHaveLength(0);
  });

  test('as a Request, whose members `init` overrides', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = createFetch({ fetch: underlying() });
    const request = new Request(`${upstream.url}/chat/completions`, {
      method: 'POST',
      headers: { 'x-mine': 'request', ...JSON_TYPE },
      body: text,
    });
    const response = await fetch(request, { headers: { 'x-mine': 'init', ...JSON_TYPE } });
    expect(response.status).toBe(200);
    expect(onlyChat(upstream)).toMatchObject({ rawBody: text, headers: { 'x-mine': 'init' } });
  });

  test('whatever the case of its method, with a slash at the end and a query', async ({ serve }) => {
    const upstream = await serve();
    const fetch = createFetch({ fetch: underlying() });
    const response = await fetch(`${upstream.url}/chat/completions/?a=1`, {
      method: 'post',
      headers: JSON_TYPE,
      body: text,
    });
    expect(response.openpipe?.servedBy).toBe('primary');
    expect(onlyChat(upstream).path).toBe('/v1/chat/completions/?a=1');
  });

  test('with its own headers, without framing and `x-openpipe`', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = createFetch({ fetch: underlying() });
    const headers = { 'content-length': '3', 'x-openpipe': '{"tags":{"a":"b"}}', 'x-mine': '1' };
    await fetch(...chat(upstream, { model: 'ok' }, { headers }));
    const request = onlyChat(upstream);
    expect(request.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'x-mine': '1' });
    expect(request.headers['content-length']).toBe(String(request.rawBody.length));
    expect(request.headers).not.toHaveProperty('x-openpipe');
  });

  test('with the login of its URL as Basic authentication, which no response shows', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = createFetch();
    const url = `${upstream.url.replace('//', '//me:p%40ss@')}/chat/completions`;
    const response = await fetch(url, { method: 'POST', headers: JSON_TYPE, body: text });
    expect(onlyChat(upstream).headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    expect(response.url).toBe(`${upstream.url}/chat/completions`);
  });
});

test('with a login of its URL that is not percent-encoded, taken literally', async ({ serve }) => {
  const upstream = await serve(byModel);
  const url = upstream.url.replace('//', '//me:50%@');
  const body = JSON.stringify({ model: 'ok', messages: [] });
  const response = await createFetch()(`${url}/chat/completions`, { method: 'POST', headers: JSON_TYPE, body });
  expect(response.status).toBe(200);
  expect(onlyChat(upstream).headers.authorization).toBe(`Basic ${btoa('me:50%')}`);
});

describe('any other request', () => {
  const place = 'http://127.0.0.1:9/v1';
  const valid = JSON.stringify({ model: 'm', messages: [] });
  const post = (/** @type {any} */ body) => ({ method: 'POST', headers: JSON_TYPE, body });
  /** @type {[string, [any, any?]][]} */
  const cases = [
    ['a GET', [`${place}/chat/completions`]],
    ['another path', [`${place}/files`, post(valid)]],
    ['a URL object of another path', [new URL(`${place}/models`), { method: 'GET' }]],
    ['a path in the query', [`${place}/files?next=/chat/completions`, post(valid)]],
    ['text that is not JSON', [`${place}/chat/completions`, post('model=m')]],
    ['JSON that breaks off', [`${place}/chat/completions`, post('{"model":"m"')]],
    ['JSON that is no object', [`${place}/chat/completions`, post('[{"model":"m"}]')]],
    ['a body without a model', [`${place}/chat/completions`, post('{"messages":[]}')]],
    ['a model that is no text', [`${place}/chat/completions`, post('{"model":1,"messages":[]}')]],
    ['a prompt in place of a model', [`${place}/completions`, post('{"prompt":{"id":"p"}}')]],
    ['a prompt that is a text', [`${place}/responses`, post('{"prompt":"p"}')]],
    ['a form', [`${place}/chat/completions`, post(new URLSearchParams({ model: 'm' }))]],
    ['a FormData', [`${place}/chat/completions`, post(new FormData())]],
    ['bytes that are no UTF-8', [`${place}/chat/completions`, post(new Uint8Array([123, 255, 125]))]],
    ['a body that is larger than 64 MiB', [`${place}/chat/completions`, post(`{"model":"m"${' '.repeat(1 << 26)}}`)]],
    ['a text of more than 64 MiB in UTF-8', [`${place}/chat/completions`, post(`{"model":"${'é'.repeat(1 << 25)}"}`)]],
    ['no body', [`${place}/chat/completions`, { method: 'POST' }]],
  ];

  for (const [name, given] of cases) {
    test(`is passed on with the same arguments: ${name}`, async () => {
      const fetch = underlying();
      await createFetch({ fetch })(...given);
      expect(fetch).toHaveBeenCalledOnce();
      expect(fetch.mock.calls[0]?.[0]).toBe(given[0]);
      expect(fetch.mock.calls[0]?.[1]).toBe(given[1]);
    });
  }

  test('whose body was read is passed on with the same bytes', async ({ serve }) => {
    const upstream = await serve(() => ({ kind: 'status', status: 418 }));
    const fetch = createFetch();
    const parts = [new TextEncoder().encode('{"no":'), new TextEncoder().encode('"model"}')];
    const body = new ReadableStream({ start: (to) => (parts.forEach((part) => to.enqueue(part)), to.close()) });
    const response = await fetch(`${upstream.url}/chat/completions`, {
      method: 'POST',
      headers: JSON_TYPE,
      body,
      duplex: 'half',
    });
    expect(response.status).toBe(418);
    expect(onlyChat(upstream)).toMatchObject({ rawBody: '{"no":"model"}', headers: JSON_TYPE });
  });

  test('that is a stream of more than 64 MiB is passed on whole', async () => {
    const part = new Uint8Array(1 << 20).fill(32);
    let left = 65;
    const body = new ReadableStream({ pull: (to) => (left > 0 ? to.enqueue(part) : to.close(), void (left -= 1)) });
    let bytes = 0;
    const below = async (/** @type {any} */ _url, /** @type {any} */ init) => {
      for await (const chunk of init.body) bytes += chunk.byteLength;
      return new Response('passed on');
    };
    const response = await createFetch({ fetch: /** @type {any} */ (below) })(`${place}/chat/completions`, post(body));
    expect(await response.text()).toBe('passed on');
    expect(bytes).toBe(65 << 20);
  });

  test('that is a Request whose body was read is passed on complete', async ({ serve }) => {
    const upstream = await serve(() => ({ kind: 'status', status: 418 }));
    const headers = { 'x-mine': '1', 'x-openpipe': '{}', ...JSON_TYPE };
    const request = new Request(`${upstream.url}/chat/completions`, {
      method: 'POST',
      headers,
      body: '{"no":"model"}',
    });
    const response = await createFetch()(request);
    expect(response.status).toBe(418);
    expect(onlyChat(upstream)).toMatchObject({ rawBody: '{"no":"model"}', headers: { 'x-mine': '1' } });
    expect(onlyChat(upstream).headers).not.toHaveProperty('x-openpipe');
  });

  test('goes to the `fetch` that was global when this one was made', async () => {
    const before = globalThis.fetch;
    const first = underlying();
    try {
      globalThis.fetch = /** @type {any} */ (first);
      const fetch = createFetch();
      globalThis.fetch = /** @type {any} */ (fetch);
      await globalThis.fetch('http://127.0.0.1:9/v1/models');
    } finally {
      globalThis.fetch = before;
    }
    expect(first).toHaveBeenCalledOnce();
  });

  test('is one that `match` does not take', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = underlying();
    const openai = createFetch({ fetch, match: (url) => url.hostname === 'api.openai.com' });
    await openai(...chat(upstream, { model: 'ok' }));
    expect(fetch).toHaveBeenCalledOnce();
    const here = createFetch({ fetch, match: (url) => url.startsWith(upstream.url) });
    expect((await here(...chat(upstream, { model: 'ok' }))).openpipe?.servedBy).toBe('primary');
    expect(fetch).toHaveBeenCalledOnce();
  });
});

describe('options of one call', () => {
  test('are read from the header x-openpipe', async ({ serve }) => {
    const upstream = await serve(byModel);
    const headers = { 'x-openpipe': JSON.stringify({ fallback: { model: 'ok' } }) };
    const response = await createFetch()(...chat(upstream, { model: 'status-500' }, { headers }));
    expect(response.openpipe).toMatchObject({ servedBy: 'fallback', model: 'ok' });
  });

  for (const malformed of ['{"secret', '[]', '"text"', 'null']) {
    test(`that are malformed are a TypeError which does not quote them: ${malformed}`, async ({ serve }) => {
      const upstream = await serve(byModel);
      const error = await rejection(
        createFetch()(...chat(upstream, { model: 'ok' }, { headers: { 'x-openpipe': malformed } })),
      );
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).not.toContain(malformed);
      expect(upstream.requests).toHaveLength(0);
    });
  }

  test('of a body are removed and ignored, with one warning', async ({ serve }) => {
    const upstream = await serve(byModel);
    const logger = { warn: vi.fn() };
    const fetch = createFetch({ logger });
    const body = { model: 'status-500', openpipe: { fallback: { model: 'ok' } } };
    for (let times = 0; times < 2; times += 1) {
      const response = await fetch(...chat(upstream, body, { headers: { 'x-openpipe': '{"maxRetries":0}' } }));
      expect(response.status).toBe(500);
    }
    expect(upstream.requests.map((request) => request.body.openpipe)).toEqual([undefined, undefined]);
    expect(logger.warn).toHaveBeenCalledOnce();
  });

  test('of a body have effect where `allowInBody` allows them', async ({ serve }) => {
    const upstream = await serve(byModel);
    const logger = { warn: () => {} };
    const silent = { model: 'silence', openpipe: { fallback: { model: 'silence' }, deadline: 50 } };
    const all = await createFetch({ allowInBody: true, logger })(...chat(upstream, silent));
    expect(all.status).toBe(504);
    // Were it read, this deadline would be refused.
    const malformed = { model: 'status-500', openpipe: { fallback: { model: 'ok' }, deadline: 'soon' } };
    const some = await createFetch({ allowInBody: ['fallback'], logger })(...chat(upstream, malformed));
    expect(some.openpipe?.servedBy).toBe('fallback');
    expect(upstream.requests.every((request) => request.body.openpipe === undefined)).toBe(true);
  });

  for (const [name, options] of /** @type {[string, any][]} */ ([
    ['a client of a target', { fallback: { model: 'm', client: { chat: { completions: { create() {} } } } } }],
    ['a fallbackClient', { fallbackClient: { chat: { completions: { create() {} } } } }],
    ['an unknown name in allowInBody', { allowInBody: ['fallbak'] }],
    ['a name in allowInBody that no call has', { allowInBody: ['upstreams'] }],
    ['a timeout of 0', { timeout: 0 }],
    ['a `fetch` that is not a function', { fetch: 'x' }],
    ['another onFailure', { onFailure: 'throw' }],
    ['no object', 7],
  ])) {
    test(`that are refused at once: ${name}`, () => {
      expect(() => createFetch(options)).toThrow(TypeError);
    });
  }
});
