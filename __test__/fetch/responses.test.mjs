/** What a call is resolved with: a real `Response`, at the commit, that says what became of the call. */

import { createFetch } from 'openpipe-native/fetch';
import { describe, expect } from 'vitest';

import { byModel, chat, contentOf, readEvents } from '../support/fetching.mjs';
import { eventually, rejection } from '../support/calls.mjs';
import { closedPort } from '../../demo/upstream.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

describe('a response', () => {
  for (const stream of [false, true]) {
    test(`is a \`Response\` (stream: ${stream})`, async ({ serve }) => {
      const upstream = await serve({ kind: 'answer', headers: { 'x-theirs': 'yes' }, status: 201, encoding: 'gzip' });
      const response = await createFetch()(...chat(upstream, { model: 'ok', stream }));
      expect(response).toBeInstanceOf(Response);
      expect(response).toMatchObject({
        ok: true,
        status: 201,
        statusText: 'Created',
        redirected: false,
        type: 'basic',
        bodyUsed: false,
      });
      expect(response.url).toBe(`${upstream.url}/chat/completions`);
      expect(response.headers.get('x-theirs')).toBe('yes');
      for (const name of ['content-encoding', 'content-length', 'transfer-encoding'])
        expect(response.headers.get(name)).toBeNull();
      const clone = /** @type {typeof response} */ (response.clone());
      expect(await clone.text()).toBe(await response.text());
      expect(clone).toMatchObject({ url: response.url, openpipe: { servedBy: 'primary' } });
      expect(response.bodyUsed).toBe(true);
    });
  }

  for (const read of /** @type {const} */ (['text', 'json'])) {
    test(`is used and locked after \`${read}()\`, its clones are not`, async ({ serve }) => {
      const upstream = await serve(byModel);
      const response = await createFetch()(...chat(upstream, { model: 'ok' }));
      const clone = response.clone();
      const again = await new Response(clone.body)[read]();
      expect(await response[read]()).toEqual(again);
      expect(response).toMatchObject({ bodyUsed: true, body: { locked: true } });
      await expect(response[read]()).rejects.toThrow(TypeError);
      await expect(response.arrayBuffer()).rejects.toThrow(TypeError);
      expect(() => response.clone()).toThrow(TypeError);
    });
  }

  for (const read of /** @type {const} */ (['text', 'json'])) {
    test(`is used and locked after \`${read}()\`, where \`body\` was not accessed before`, async ({ serve }) => {
      const upstream = await serve(byModel);
      const response = await createFetch()(...chat(upstream, { model: 'ok' }));
      await response[read]();
      await expect(response[read]()).rejects.toThrow(TypeError);
      await expect(response.blob()).rejects.toThrow(TypeError);
      expect(response).toMatchObject({ bodyUsed: true, body: { locked: true } });
      expect(() => response.clone()).toThrow(TypeError);
    });
  }

  test('has its body in every form', async ({ serve }) => {
    const upstream = await serve(byModel);
    const response = await createFetch()(...chat(upstream, { model: 'ok' }));
    const text = await response.clone().text();
    expect(JSON.parse(text)).toMatchObject({ object: 'chat.completion' });
    expect(Buffer.from(await response.clone().arrayBuffer()).toString()).toBe(text);
    const blob = await response.clone().blob();
    expect([await blob.text(), blob.type]).toEqual([text, 'application/json']);
    expect(await new Response(response.clone().body).text()).toBe(text);
    await expect(response.clone().formData()).rejects.toThrow(TypeError);
    expect(await response.text()).toBe(text);
  });

  test('whose `body` is accessed can be read once', async ({ serve }) => {
    const upstream = await serve(byModel);
    const response = await createFetch()(...chat(upstream, { model: 'ok' }));
    expect(response).toMatchObject({ body: { locked: false }, bodyUsed: false });
    expect(response.body).toBe(response.body);
    const copy = new Response(response.body, response);
    expect(copy.headers.get('content-type')).toBe('application/json');
    expect(await copy.json()).toMatchObject({ object: 'chat.completion' });
    expect(response.bodyUsed).toBe(true);
    await expect(response.text()).rejects.toThrow(TypeError);
  });

  for (const stream of [false, true]) {
    test(`keeps changes of its headers, which its clones get (stream: ${stream})`, async ({ serve }) => {
      const upstream = await serve(byModel);
      const response = await createFetch()(...chat(upstream, { model: 'ok', stream }));
      response.headers.set('x-mine', '1');
      const clone = response.clone();
      response.headers.set('x-later', '1');
      expect(clone.headers.get('x-later')).toBeNull();
      clone.headers.set('x-mine', '2');
      expect([response.headers.get('x-mine'), clone.headers.get('x-mine')]).toEqual(['1', '2']);
      expect([clone.constructor, clone.status, clone.url]).toEqual([Response, 200, response.url]);
    });
  }

  test('that is not JSON rejects as the platform’s does', async ({ serve }) => {
    const upstream = await serve(() => ({ kind: 'status', status: 400, body: 'html' }));
    const response = await createFetch()(...chat(upstream, { model: 'ok' }));
    await expect(response.json()).rejects.toThrow(SyntaxError);
    expect(response.bodyUsed).toBe(true);
  });

  test('has headers with the record of the call', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = createFetch({ fallback: { model: 'mödel/1 %' } });
    const response = await fetch(...chat(upstream, { model: 'status-503' }));
    expect(response.headers.get('x-openpipe-served-by')).toBe('fallback');
    expect(decodeURIComponent(response.headers.get('x-openpipe-model') ?? '')).toBe('mödel/1 %');
    const attempts = response.headers.get('x-openpipe-attempts') ?? '';
    expect(attempts).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(attempts)).toMatchObject([{ outcome: 'server_error' }, { model: 'mödel/1 %', outcome: 'ok' }]);
    expect(response.openpipe?.attempts).toEqual(JSON.parse(attempts));
    expect(Object.keys(response)).not.toContain('openpipe');
  });

  test('has at most 2 KiB of such headers', async ({ serve }) => {
    const upstream = await serve(() => ({ kind: 'status', status: 400 }));
    const long = Array.from({ length: 12 }, (_, index) => ({ model: `${index}-${'é'.repeat(300)}` }));
    const response = await createFetch({ fallback: long })(...chat(upstream, { model: 'm' }));
    const attempts = response.headers.get('x-openpipe-attempts') ?? '';
    expect(attempts.length).toBeLessThanOrEqual(2048);
    expect(JSON.parse(attempts).at(-1)).toMatchObject({ outcome: 'bad_request', status: 400 });
    expect(response.openpipe?.attempts).toHaveLength(13);
  });

  test('has no such headers with `headers: false`', async ({ serve }) => {
    const upstream = await serve(byModel);
    const response = await createFetch({ headers: false })(...chat(upstream, { model: 'ok' }));
    expect([...response.headers.keys()].filter((name) => name.startsWith('x-openpipe'))).toEqual([]);
    expect(response.openpipe?.servedBy).toBe('primary');
  });

  test('has the answer as it was sent', async ({ serve }) => {
    const text = '{"choices":[{"message":{"content":"\\u00e9"},"n":1e400,"a":-0}] , "a":1,"a":2}';
    const upstream = await serve({ kind: 'status', status: 200, body: { bytes: text } });
    const response = await createFetch()(...chat(upstream, { model: 'm' }));
    expect(await response.text()).toBe(text);
  });

  test('has the events of a stream as they were sent', async ({ serve }) => {
    const events = [
      '{"choices":[{"index":0,"delta":{"content":"a"},"n":1e400}]}',
      '{"choices":[{"index":0,"delta":{"content":"b"},"n":1e400}]}',
      '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"a":1,"a":2}',
    ];
    const upstream = await serve({ kind: 'sse', sse: [...events, '[DONE]'].map((event) => `data: ${event}\n\n`) });
    const { events: read, error } = await readEvents(
      await createFetch()(...chat(upstream, { model: 'm', stream: true })),
    );
    expect(read).toEqual([...events, '[DONE]']);
    expect(error).toBeUndefined();
  });
});

describe('if every target fails, the call resolves', () => {
  test('with the last target’s status, headers and body', async ({ serve }) => {
    const upstream = await serve(({ body }) =>
      body.model === 'a'
        ? { kind: 'status', status: 500 }
        : { kind: 'status', status: 422, headers: { 'x-theirs': 'yes' }, error: { message: 'no such thing' } },
    );
    const response = await createFetch({ fallback: { model: 'b' } })(...chat(upstream, { model: 'a' }));
    expect(response).toMatchObject({ status: 422, ok: false });
    expect(response.headers.get('x-theirs')).toBe('yes');
    expect(response.headers.get('x-openpipe-served-by')).toBe('fallback');
    expect((await response.json()).error.message).toBe('no such thing');
    expect(response.openpipe?.errors).toMatchObject([{ kind: 'server_error' }, { kind: 'bad_request', status: 422 }]);
  });

  /** @type {[string, any, number, boolean][]} */
  const cases = [
    ['502 where the last one’s was no answer', 'html', 502, false],
    ['502 where its stream broke before its content', 'dies-before-content', 502, true],
    ['502 where its stream began with an error', 'error-first', 502, true],
    ['504 where its time was up', 'silence', 504, false],
    ['504 where its stream’s content did not come', 'stalls-before-content', 504, true],
    ['503 where there was no connection', 'reset', 503, false],
  ];
  for (const [name, model, status, stream] of cases) {
    test(`with ${name}`, async ({ serve }) => {
      const upstream = await serve(({ body }) =>
        body.model === 'error-first' ? { kind: 'sse', sse: ['data: {"error":{"message":"no"}}\n\n'] } : undefined,
      );
      const fetch = createFetch({ fallback: { model, timeout: status === 504 ? 200 : 10_000 }, maxRetries: 0 });
      const response = await fetch(...chat(upstream, { model: 'status-500', stream }));
      expect(response.status).toBe(status);
      expect(response.headers.get('x-should-retry')).toBe('false');
      const { error } = await response.json();
      expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
      for (const { upstream: name, model, outcome } of response.openpipe?.attempts ?? [])
        expect(error.message).toContain(`${name} (${model}): ${outcome}`);
    });
  }

  test('or rejects as fetch does, with `onFailure: "reject"`', async ({ serve }) => {
    const upstream = await serve(byModel);
    const url = `http://127.0.0.1:${await closedPort()}/v1`;
    const fetch = createFetch({ onFailure: 'reject', maxRetries: 0 });
    const error = await rejection(fetch(...chat({ url }, { model: 'm' })));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ message: 'fetch failed', cause: { code: 'ECONNREFUSED' } });
    expect(error.openpipe.attempts).toMatchObject([{ outcome: 'connection' }]);
    // A status is a response to fetch too.
    expect((await fetch(...chat(upstream, { model: 'status-404' }))).status).toBe(404);
  });
});

describe('a request that is repeated', () => {
  const retry = { 'x-stainless-retry-count': '1' };

  test('by an SDK’s retry gets the same failure, and one warning', async ({ serve }) => {
    const upstream = await serve(byModel);
    /** @type {string[]} */
    const warnings = [];
    const fetch = createFetch({ maxRetries: 0, logger: { warn: (text) => warnings.push(text) } });
    const first = await fetch(...chat(upstream, { model: 'status-500' }));
    for (let times = 0; times < 2; times += 1) {
      const again = await fetch(...chat(upstream, { model: 'status-500' }, { headers: retry }));
      expect(again.status).toBe(500);
      expect(await again.clone().text()).toBe(await again.text());
      expect(again.openpipe?.attempts).toEqual(first.openpipe?.attempts);
    }
    expect(upstream.requests).toHaveLength(1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('maxRetries');
  });

  test('runs again where it is no retry, has another body, or is another caller’s', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = createFetch({ maxRetries: 0, logger: { warn: () => {} } });
    await fetch(...chat(upstream, { model: 'status-500' }));
    await fetch(...chat(upstream, { model: 'status-500' }));
    await fetch(...chat(upstream, { model: 'status-500', n: 1 }, { headers: retry }));
    await fetch(...chat(upstream, { model: 'status-500' }, { headers: { ...retry, authorization: 'Bearer other' } }));
    expect(upstream.requests).toHaveLength(4);
  });
});

describe('a stream', () => {
  test('resolves at its first content, the last target’s too', async ({ serve }) => {
    const upstream = await serve({ kind: 'answer', fault: { after: 'role', how: 'end' } });
    const response = await createFetch({ maxRetries: 0 })(...chat(upstream, { model: 'm', stream: true }));
    expect(response.status).toBe(502);
  });

  test('is answered by the next target where it breaks before', async ({ serve }) => {
    const upstream = await serve(byModel);
    const fetch = createFetch({ fallback: { model: 'ok' } });
    const response = await fetch(...chat(upstream, { model: 'dies-before-content', stream: true }));
    const { events, error } = await readEvents(response);
    expect(error).toBeUndefined();
    expect(contentOf(events)).toBe('Answered by upstream, with the model ok.');
  });

  for (const [model, code] of /** @type {[string, string][]} */ ([
    ['dies-mid-stream', 'ECONNRESET'],
    ['ends-mid-stream', 'UND_ERR_SOCKET'],
    ['stalls-mid-stream', 'UND_ERR_BODY_TIMEOUT'],
  ])) {
    test(`that fails after its commit is \`terminated\`, with a code: ${model}`, async ({ serve }) => {
      const upstream = await serve(byModel);
      const response = await createFetch({ idleTimeout: 200 })(...chat(upstream, { model, stream: true }));
      const { events, error } = await readEvents(response);
      expect(contentOf(events)).not.toBe('');
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ message: 'terminated', cause: { code } });
      expect(response.openpipe?.attempts).toMatchObject([{ outcome: 'stream' }]);
    });
  }

  test('passes on the upstream’s own error, and then fails', async ({ serve }) => {
    const upstream = await serve(byModel);
    const response = await createFetch()(...chat(upstream, { model: 'error-event', stream: true }));
    const { events, error } = await readEvents(response);
    expect(JSON.parse(events.at(-1) ?? '').error.message).toEqual(expect.any(String));
    expect(error).toMatchObject({ message: 'terminated' });
  });

  test('that is cancelled closes the upstream’s connection', async ({ serve }) => {
    const upstream = await serve({ kind: 'answer', deltas: 1000, content: 'x'.repeat(5000), paceMs: 5 });
    const response = await createFetch()(...chat(upstream, { model: 'm', stream: true }));
    const reader = /** @type {ReadableStream} */ (response.body).getReader();
    await reader.read();
    await reader.cancel();
    expect(await eventually(() => upstream.requests[0]?.outcome === 'broken off')).toBe(true);
  });

  test('can be read twice by `tee()`', async ({ serve }) => {
    const upstream = await serve({ kind: 'answer', deltas: 20, paceMs: 2 });
    const response = await createFetch()(...chat(upstream, { model: 'm', stream: true }));
    const [a, b] = /** @type {ReadableStream} */ (response.body).tee();
    const [first, second] = await Promise.all([new Response(a).text(), new Response(b).text()]);
    expect(first).toBe(second);
    expect(first.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  test('can be read into a buffer of the reader’s own', async ({ serve }) => {
    const upstream = await serve(byModel);
    const response = await createFetch()(...chat(upstream, { model: 'm', stream: true }));
    const reader = /** @type {any} */ (response.body).getReader({ mode: 'byob' });
    let text = '';
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(64));
      if (done) break;
      text += new TextDecoder().decode(value);
    }
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  test('slows down its upstream where it is read slowly', async ({ serve }) => {
    const content = 'x'.repeat(16 * 1024 * 1024);
    const upstream = await serve({ kind: 'answer', content, deltas: 500 });
    const response = await createFetch()(...chat(upstream, { model: 'm', stream: true }));
    const reader = /** @type {ReadableStream} */ (response.body).getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const sent = upstream.requests[0]?.eventsSent ?? 0;
    expect(sent).toBeLessThan(400);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(upstream.requests[0]?.eventsSent).toBe(sent);
    await reader.cancel();
  });
});
