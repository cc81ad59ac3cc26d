/** The constructor's `fetch` and `fetchOptions` say how traffic leaves this machine: all of it (contract.md, section 2). */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { callToItsEnd, MODEL, test as reporting } from '../support/reporting.mjs';
import { rejection } from '../support/calls.mjs';
import { OPENAI_KEY } from '../support/keys.mjs';
import { PRIMARY, test } from '../support/upstreams.mjs';
import { REQUEST } from '../support/through-fallback.mjs';

reporting(
  'the constructor’s `fetch` carries OpenPipe’s calls, declared upstreams and reports',
  async ({ stageReports, serve }) => {
    const declared = await serve();
    /** @type {string[]} */
    const seen = [];
    /** @type {any} */
    const own = (/** @type {string} */ url, /** @type {any} */ init) => {
      seen.push(new URL(url).pathname);
      return fetch(url, init);
    };
    const upstreams = { declared: { baseURL: declared.url, apiKey: null } };
    const { openai } = await stageReports({ fetch: own, openpipe: { upstreams } });
    await callToItsEnd(openai, { model: PRIMARY });
    await callToItsEnd(openai, { model: 'declared:x' });
    await callToItsEnd(openai.withOptions({ timeout: 5_000 }), { model: MODEL });
    expect(await openai.flush()).toMatchObject({ delivered: 2, dropped: 0, pending: 0 });
    expect(seen.filter((path) => path.endsWith('/chat/completions'))).toHaveLength(3);
    expect(seen.filter((path) => path.endsWith('/report'))).toHaveLength(2);
  },
);

reporting('the constructor’s `fetchOptions` go along with reports', async ({ stageReports }) => {
  let dispatched = 0;
  const { Agent } = await import('undici');
  class Counting extends Agent {
    /** @param {any} options @param {any} handler */
    dispatch(options, handler) {
      dispatched += 1;
      return super.dispatch(options, handler);
    }
  }
  const { fetch } = await import('undici');
  const { openai } = await stageReports({
    fetch: /** @type {any} */ (fetch),
    fetchOptions: { dispatcher: new Counting() },
  });
  await callToItsEnd(openai, { model: MODEL });
  expect(await openai.flush()).toMatchObject({ delivered: 1 });
  expect(dispatched).toBe(2);
});

class Hooked extends OpenAI {
  async prepareRequest() {}
}

/** @type {Record<string, (options: any) => any>} */
const WAYS = {
  'transport "fetch"': (options) => new OpenAI({ ...options, openpipe: { ...options.openpipe, transport: 'fetch' } }),
  'a `fetch` of the constructor': (options) => new OpenAI({ ...options, fetch: (url, init) => fetch(url, init) }),
  'a subclass with a hook': (options) => new Hooked(options),
};

for (const [way, make] of Object.entries(WAYS)) {
  describe(way, () => {
    const options = { apiKey: OPENAI_KEY, maxRetries: 0, openpipe: { logRequest: false } };
    const request = { ...REQUEST, model: 'gpt-4o' };

    for (const status of [301, 302, 303, 307, 308]) {
      test(`treats a ${status} to another origin as an invalid response`, async ({ serve }) => {
        const elsewhere = await serve();
        const location = `${elsewhere.url}/chat/completions`;
        const upstream = await serve({ kind: 'status', status, headers: { location } });
        const openai = make({ ...options, baseURL: upstream.url });
        const error = await rejection(openai.chat.completions.create(request));
        expect(error.openpipe.attempts).toMatchObject([{ outcome: 'invalid_response', status }]);
        expect(elsewhere.requests).toEqual([]);
      });
    }

    for (const stream of [false, true]) {
      test(`follows a 307 within the origin, for a ${stream ? 'stream' : 'completion'}`, async ({ serve }) => {
        let requests = 0;
        const upstream = await serve(() =>
          requests++ === 0
            ? { kind: 'status', status: 307, headers: { location: '/v1/chat/completions' } }
            : { kind: 'answer' },
        );
        const openai = make({ ...options, baseURL: upstream.url });
        const got = await openai.chat.completions.create({ ...request, stream });
        if (stream) for await (const _ of got);
        expect(got.openpipe.attempts).toMatchObject([{ outcome: 'ok' }]);
        expect(upstream.requests.map(({ path }) => path)).toHaveLength(2);
      });
    }

    test('fails on an endless redirect', async ({ serve }) => {
      const headers = { location: '/chat/completions' };
      const upstream = await serve({ kind: 'status', status: 308, headers });
      const openai = make({ ...options, baseURL: upstream.url });
      const error = await rejection(openai.chat.completions.create(request));
      expect(error.openpipe.attempts).toMatchObject([{ outcome: 'invalid_response', status: 308 }]);
      expect(upstream.requests.length).toBeLessThan(12);
    });

    test('refuses a path on another origin', async ({ serve }) => {
      const elsewhere = await serve();
      const upstream = await serve();
      const openai = make({ ...options, baseURL: upstream.url });
      const error = await rejection(
        openai.chat.completions.create(request, { path: `${elsewhere.url}/chat/completions` }),
      );
      expect(error).toBeInstanceOf(TypeError);
      expect(elsewhere.requests).toEqual([]);
    });

    test('throws an error of the SDK, with the reason, for a stream that breaks off', async ({ serve }) => {
      const upstream = await serve({ kind: 'answer', fault: { after: 2, how: 'reset' } });
      const openai = make({ ...options, baseURL: upstream.url });
      const stream = await openai.chat.completions.create({ ...request, stream: true });
      const error = await rejection(
        (async () => {
          for await (const _ of stream);
        })(),
      );
      expect(error).toBeInstanceOf(OpenAI.APIConnectionError);
      expect(error.cause).toBeInstanceOf(Error);
      expect(stream.openpipe.attempts.at(-1).outcome).toBe('stream');
    });
  });
}
