/** The same with each version of the SDK that is supported: the classes, the helpers, and what goes over the wire. */

import { createRequire } from 'node:module';

import { afterEach, describe, expect, vi } from 'vitest';
import { z } from 'zod';

import { MESSAGES, readAll, rejection, textOf } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { misbehaviours } from '../support/misbehaviours.mjs';
import { chats, clientOptions, FALLBACK, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';

/** @import { LoggedRequest, Upstream } from '../../demo/upstream.mjs' */

const require = createRequire(import.meta.url);
/** @type {typeof import('../../lib/sdk/client.js')} */
const { defineClient } = require('../../lib/sdk/client.js');

const REQUEST = { model: PRIMARY, messages: MESSAGES };
const REQUEST_OF_OPENAI = { ...REQUEST, model: 'gpt-4o' };
const WITH_FALLBACK = { openpipe: { fallback: { model: FALLBACK } } };

const LAST = '{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}';

/** What `fetch` adds by itself, and where a request goes: no business of the SDK's. */
const NOT_THE_SDKS = ['accept-encoding', 'accept-language', 'connection', 'host', 'sec-fetch-mode'];

afterEach(() => {
  vi.unstubAllEnvs();
});

for (const name of ['openai5', 'openai', 'openai7']) {
  const sdk = require(name);
  const { Stream } = require(`${name}/core/streaming`);
  const { zodResponseFormat } = require(`${name}/helpers/zod`);
  const version = String(require(`${name}/version`).VERSION);
  /** @type {any} Of a class that is only known here. */
  const Client = defineClient({ ...sdk, OpenAI: sdk.OpenAI, Stream });

  describe(`openai ${version.split('.')[0]}`, () => {
    /** @param {{ primary: Upstream, fallback: Upstream }} staged @param {any} [more] */
    const clientFor = ({ primary, fallback }, more) => new Client(clientOptions(primary.url, fallback.url, more));

    test('is of its version', () => {
      expect(version).toMatch({ openai5: /^5\./, openai: /^6\./, openai7: /^7\./ }[name] ?? /never/);
      expect(new Client({ apiKey: 'k', logLevel: 'off' })).toBeInstanceOf(sdk.OpenAI);
    });

    test('gives a completion, by the fallback if necessary', async ({ stage }) => {
      const staged = await stage({ primary: { kind: 'status', status: 500 } });
      const promise = clientFor(staged).chat.completions.create({ ...REQUEST, ...WITH_FALLBACK });
      expect(promise).toBeInstanceOf(sdk.APIPromise);
      const { data, response, request_id } = await promise.withResponse();

      expect(data.choices[0].message.content).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
      expect(data.openpipe).toMatchObject({ servedBy: 'fallback', attempts: [{ status: 500 }, { outcome: 'ok' }] });
      expect(data._request_id).toBe(request_id);
      expect(request_id).toMatch(/^req_/);
      expect(await response.json()).toEqual(data);
    });

    test('gives a stream, by the fallback if necessary, that is read, left, split', async ({ stage }) => {
      const staged = await stage({ primary: { kind: 'answer', fault: { after: 'role', how: 'reset' } } });
      const openai = clientFor(staged);
      const create = () => openai.chat.completions.create({ ...REQUEST, ...WITH_FALLBACK, stream: true });

      const read = await create();
      expect(read).toBeInstanceOf(Stream);
      const { chunks, error } = await readAll(read);
      expect(error).toBeUndefined();
      expect(textOf(chunks)).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
      expect(chunks.at(-1).choices[0].finish_reason).toBe('stop');
      expect(read.openpipe.servedBy).toBe('fallback');

      for await (const _ of await create()) break;
      const [left, right] = (await create()).tee();
      expect(await readAll(left)).toEqual(await readAll(right));
      const lines = (await create()).toReadableStream();
      expect((await readAll(Stream.fromReadableStream(lines, new AbortController()))).chunks).toHaveLength(6);
      expect((await readAll(read)).error).toBeInstanceOf(sdk.OpenAIError);
    });

    test('reads a stream with malformed choices to its end', async ({ stage }) => {
      const odd = [null, [null], ['x', 1], [{ index: 0, finish_reason: 'stop' }, null]];
      const events = [...odd.map((choices) => JSON.stringify({ choices })), LAST, '[DONE]'];
      // One event after the other, to a reader who waits, and all of them at once.
      for (const paceMs of [5, 0]) {
        const sse = events.map((event) => `data: ${event}\n\n`);
        const staged = await stage({ primary: { kind: 'sse', sse, paceMs } });
        const { chunks, error } = await readAll(
          await clientFor(staged).chat.completions.create({ ...REQUEST, stream: true }),
        );
        expect(error).toBeUndefined();
        expect(chunks).toHaveLength(5);
        expect(chunks[0]).toEqual({ choices: null });
        expect(chunks[4]).toEqual(JSON.parse(LAST));
      }
    });

    test('iterates a stream once, and aborts its controller when it is left, as the plain SDK does', async ({
      serve,
    }) => {
      const { url } = await serve({ kind: 'sse', sse: [`data: ${LAST}\n\n`, `data: ${LAST}\n\n`, 'data: [DONE]\n\n'] });
      const basics = { apiKey: OPENAI_KEY, baseURL: url };
      /** @param {AsyncIterator<unknown>} iterator */
      const nextOf = (iterator) => iterator.next().catch((error) => error.message);
      const told = [];
      for (const openai of [new sdk.OpenAI(basics), new Client({ ...basics, openpipe: { logRequest: false } })]) {
        for (const leave of ['return', 'throw', 'next']) {
          const stream = await openai.chat.completions.create({ ...REQUEST_OF_OPENAI, stream: true });
          const iterator = stream[Symbol.asyncIterator]();
          await iterator.next();
          const again = stream[Symbol.asyncIterator]();
          told.push(await nextOf(again), await nextOf(again));
          const [left] = stream.tee();
          told.push(await nextOf(left[Symbol.asyncIterator]()));
          // All events have arrived by now.
          await new Promise((resolve) => setTimeout(resolve, 50));
          told.push(
            await iterator[leave]().catch((/** @type {unknown} */ error) => error),
            stream.controller.signal.aborted,
          );
          for (let turn = 0; turn < 2; turn += 1) told.push(await iterator.next());
          await iterator.return();
          told.push(stream.controller.signal.aborted);
        }
      }
      const [theirs, ours] = [told.slice(0, told.length / 2), told.slice(told.length / 2)];
      expect(ours).toEqual(theirs);
    });

    test('closes a stream that is aborted, and its loop ends quietly', async ({ stage }) => {
      const staged = await stage({ primary: { kind: 'answer', fault: { after: 2, how: 'stall' } } });
      const stream = await clientFor(staged).chat.completions.create({ ...REQUEST, stream: true });
      let read = 0;
      for await (const _ of stream) if (++read === 3) stream.controller.abort();

      expect(read).toBe(3);
      expect(await onlyChat(staged.primary).closed).toBe('broken off');
    });

    for (const { name: how, completion, stream: streamed } of misbehaviours) {
      test(`throws its own errors, of an upstream that ${how}`, async ({ stage }) => {
        for (const failing of [completion, streamed]) {
          const staged = await stage({ primary: failing.doing, maxRetries: 0 });
          const openai = clientFor(staged, { maxRetries: 0 });
          const body = { ...REQUEST, stream: failing === streamed };
          const options = failing.timeout ? { timeout: failing.timeout } : {};
          const error = await rejection(
            openai.chat.completions.create(body, options).then(async (/** @type {any} */ answer) => {
              if (!body.stream) return answer;
              const { error } = await readAll(answer);
              if (error) throw error;
            }),
          );
          expect(error.constructor).toBe(sdk[failing.error]);
          expect(error.status).toBe(failing.status);
          expect(error.openpipe.attempts).toMatchObject([{ outcome: failing.kind }]);
        }
      });
    }

    test('throws its own abort error', async ({ stage }) => {
      const staged = await stage({ primary: { kind: 'silence' } });
      const options = { signal: AbortSignal.timeout(50) };
      const error = await rejection(clientFor(staged).chat.completions.create(REQUEST, options));
      expect(error.constructor).toBe(sdk.APIUserAbortError);
    });

    test('has `withOptions` keep `openpipe`, and not count defaults as given', async ({ stage }) => {
      const staged = await stage({ primary: { kind: 'status', status: 500 } });
      const derived = clientFor(staged, WITH_FALLBACK).withOptions({}).withOptions({ timeout: 9_000 });
      expect(derived).toBeInstanceOf(Client);
      const { openpipe } = await derived.chat.completions.create(REQUEST);

      expect(openpipe.attempts).toMatchObject([{ tries: 1, outcome: 'server_error' }, { outcome: 'ok' }]);
      expect(chats(staged.primary)).toHaveLength(1);
      expect(onlyChat(staged.primary).headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
    });

    test('parses a completion, and keeps its `openpipe`', async ({ stage }) => {
      const staged = await stage({ primary: { kind: 'answer', content: '{"count":10}' } });
      const response_format = zodResponseFormat(z.object({ count: z.number() }), 'counting');
      const parsed = await clientFor(staged).chat.completions.parse({ ...REQUEST, response_format });

      expect(parsed.choices[0].message.parsed).toEqual({ count: 10 });
      expect(parsed.openpipe.servedBy).toBe('primary');
      expect(parsed._request_id).toMatch(/^req_/);
      expect(onlyChat(staged.primary).headers['x-stainless-helper-method']).toBe('chat.completions.parse');
    });

    test('has the `stream()` helper', async ({ stage }) => {
      const staged = await stage({ primary: { kind: 'status', status: 500 } });
      const final = await clientFor(staged)
        .chat.completions.stream({ ...REQUEST, ...WITH_FALLBACK })
        .finalChatCompletion();
      expect(final.choices[0].message.content).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
    });

    test('calls an async `apiKey` function before each call', async ({ stage }) => {
      let asked = 0;
      const staged = await stage();
      const openai = clientFor(staged, { apiKey: async () => `sk-${++asked}` });
      for (let call = 0; call < 3; call += 1) await openai.chat.completions.create({ ...REQUEST, model: 'm' });

      const keys = chats(staged.fallback).map(({ headers }) => headers.authorization);
      expect(keys).toEqual(['Bearer sk-1', 'Bearer sk-2', 'Bearer sk-3']);
    });

    test('rejects with the error of an async `apiKey` function, and still serves OpenPipe', async ({ stage }) => {
      const staged = await stage();
      const mine = new Error('the vault is closed');
      const openai = clientFor(staged, { apiKey: () => Promise.reject(mine), logLevel: 'off' });
      const error = await rejection(openai.chat.completions.create({ ...REQUEST, model: 'm' }));

      expect(error === mine || error.cause === mine).toBe(true);
      expect(staged.fallback.totalConnections).toBe(0);
      expect((await openai.chat.completions.create(REQUEST)).openpipe.servedBy).toBe('primary');
    });

    test('works without a key where none is needed, and names the missing key', async ({ stage }) => {
      const staged = await stage();
      const openai = clientFor(staged, { apiKey: undefined });
      expect((await openai.chat.completions.create(REQUEST)).openpipe.servedBy).toBe('primary');
      const error = await rejection(openai.chat.completions.create({ ...REQUEST, model: 'm' }));
      expect(error.constructor).toBe(sdk.OpenAIError);
      expect(error.message).toContain('OPENAI_API_KEY');
    });

    test("sends no headers to OpenPipe by `fetch` that are OpenAI's only", async ({ stage }) => {
      const staged = await stage();
      vi.stubEnv('OPENAI_ADMIN_KEY', 'secret-admin');
      vi.stubEnv('OPENAI_CUSTOM_HEADERS', 'x-gateway-token: secret-gateway\nauthorization: Bearer secret-custom');
      vi.stubEnv('OPENAI_BASE_URL', 'http://127.0.0.1:9/v1');
      const openai = clientFor(staged, {
        organization: null,
        defaultHeaders: { 'x-default': 'd', 'x-api-key': 'secret-default' },
        openpipe: { transport: 'fetch' },
      });
      // When OpenPipe's own client is made.
      vi.stubEnv('OPENAI_ORG_ID', 'secret-organization');
      expect((await openai.chat.completions.create(REQUEST)).openpipe.servedBy).toBe('primary');

      const { headers, rawHeaders } = onlyChat(staged.primary);
      expect(headers).toMatchObject({ authorization: `Bearer ${OPENPIPE_KEY}`, 'x-default': 'd' });
      expect(String(rawHeaders)).not.toContain('secret');
    });

    describe('sends what the plain SDK sends', () => {
      /** @type {[string, any, any?, any?][]} Of a client, a body and options. */
      const cases = [
        ['for a completion', {}],
        ['for a stream', {}, { stream: true }],
        [
          'with options of the client',
          {
            organization: 'org-1',
            project: 'proj-1',
            timeout: 12_345,
            maxRetries: 1,
            defaultHeaders: { 'X-Default': 'd', 'User-Agent': 'mine/1', 'x-stainless-arch': null },
            defaultQuery: { 'api-version': '2024' },
          },
        ],
        [
          'with options of the call',
          { defaultHeaders: { 'x-default': 'd', 'x-gone': 'd' }, defaultQuery: { a: '1' } },
          {},
          {
            timeout: 9_999,
            maxRetries: 4,
            headers: { 'X-Mine': 'm', 'x-gone': null, 'x-default': 'call', Authorization: 'Bearer other' },
            query: { b: '2' },
            idempotencyKey: 'once',
          },
        ],
        ['with headers as Headers', {}, {}, { headers: new Headers({ 'x-mine': 'm', 'content-type': 'text/x' }) }],
        ['with headers as pairs', {}, {}, { headers: [['x-mine', 'a'], ['X-Mine', 'b'], ['x-other', ' c ']] }],
        ['with a timeout of less than a second', {}, {}, { timeout: 500 }],
        ['with a body that is not ASCII', {}, { messages: [{ role: 'user', content: 'größe 🎉 \ud800' }], seed: 1e21 }],
        ['with an async key', { apiKey: async () => 'sk-async' }],
      ]; // prettier-ignore

      for (const [what, client, body, options] of cases) {
        test(what, async ({ serve }) => {
          const upstream = await serve();
          const basics = { apiKey: OPENAI_KEY, baseURL: upstream.url, ...client };
          const request = { model: 'gpt-4o', messages: MESSAGES, ...body };
          for (const openai of [
            new sdk.OpenAI(basics),
            new Client({ ...basics, openpipe: { logRequest: false, apiKey: OPENPIPE_KEY } }),
          ]) {
            const answer = await openai.chat.completions.create(request, options);
            if (request.stream) await readAll(answer);
          }

          const [theirs, ours] = upstream.requests;
          expect(headersOf(ours)).toEqual(headersOf(theirs));
          expect(ours?.rawBody).toBe(theirs?.rawBody);
          expect(ours?.path).toBe(theirs?.path);
          expect(ours?.method).toBe('POST');
        });
      }

      test('in its retries too', async ({ serve }) => {
        const headers = { 'retry-after-ms': '1' };
        const upstream = await serve({
          kind: 'answer',
          failFirst: 2,
          failWith: { kind: 'status', status: 500, headers },
        });
        const basics = { apiKey: OPENAI_KEY, baseURL: upstream.url };
        await new sdk.OpenAI(basics).chat.completions.create({ ...REQUEST, model: 'a' });
        await new Client({ ...basics, logLevel: 'off' }).chat.completions.create({ ...REQUEST, model: 'b' });

        const [a, b] = ['a', 'b'].map((model) => chats(upstream).filter(({ body }) => body.model === model));
        expect(b?.map(headersOf)).toEqual(a?.map(headersOf));
        expect(a).toHaveLength(3);
      });

      test('with an idempotency key, where the client has a header for it', async ({ serve }) => {
        const headers = { 'retry-after-ms': '1' };
        const upstream = await serve({
          kind: 'answer',
          failFirst: 1,
          failWith: { kind: 'status', status: 500, headers },
        });
        const basics = { apiKey: OPENAI_KEY, baseURL: upstream.url };
        for (const openai of [new sdk.OpenAI(basics), new Client({ ...basics, logLevel: 'off' })]) {
          Object.assign(openai, { idempotencyHeader: 'Idempotency-Key' });
          upstream.reset();
          await openai.chat.completions.create(REQUEST_OF_OPENAI, { idempotencyKey: 'once' });
          await openai.chat.completions.create(REQUEST_OF_OPENAI);

          const keys = chats(upstream).map((request) => request.headers['idempotency-key']);
          expect(keys).toEqual(['once', 'once', expect.stringMatching(/^stainless-node-retry-/)]);
        }
      });

      test('by `parse()` too', async ({ serve }) => {
        const upstream = await serve({ kind: 'answer', content: '{"count":1}' });
        const basics = { apiKey: OPENAI_KEY, baseURL: upstream.url };
        const response_format = zodResponseFormat(z.object({ count: z.number() }), 'counting');
        for (const openai of [new sdk.OpenAI(basics), new Client({ ...basics, logLevel: 'off' })]) {
          await openai.chat.completions.parse({ ...REQUEST, model: 'm', response_format });
        }
        const [theirs, ours] = chats(upstream);
        expect(headersOf(ours)).toEqual(headersOf(theirs));
        expect(ours?.rawBody).toBe(theirs?.rawBody);
      });
    });
  });
}

/** @param {LoggedRequest | undefined} request */
function headersOf(request) {
  const headers = Object.entries(request?.headers ?? {}).filter(([name]) => !NOT_THE_SDKS.includes(name));
  return Object.fromEntries(headers);
}
