/** What holds of every stream, at each endpoint that has streams (contract.md, section 5). */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { readAll } from '../support/calls.mjs';
import { ENDPOINTS } from '../support/endpoints.mjs';
import { eventsOf, GOOD_TEXT, goodAnswer } from '../support/shapes.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour, LoggedRequest } from '../../demo/upstream.mjs' */

/** Sends the first events of a good stream, and then does something. @param {number} count @param {'end' | 'reset' | 'hang'} then */
const breaking = (count, then) => (/** @type {LoggedRequest} */ request) => {
  if (request.body.model !== 'a') return goodAnswer(request);
  const sse = eventsOf(request.path, 'a', GOOD_TEXT).slice(0, count);
  return /** @type {Behaviour} */ ({ kind: 'sse', sse, then });
};

for (const [name, { create, body, piece }] of Object.entries(ENDPOINTS)) {
  if (name === 'embeddings') continue;

  describe(`a stream of ${name}`, () => {
    /** @param {any} serve @param {any} doing @param {any} [openpipe] @param {any} [options] */
    const begin = async (serve, doing, openpipe, options) => {
      const upstream = await serve(doing);
      const openai = new OpenAI({ apiKey: 'sk-0', baseURL: upstream.url, maxRetries: 0, openpipe: { apiKey: '' } });
      const stream = await create(openai)({ model: 'a', ...body, stream: true }, { openpipe, ...options });
      return { stream, upstream };
    };
    const FALLBACK = { fallback: { model: 'b' } };
    const textOf = (/** @type {any[]} */ chunks) => chunks.map(piece).join('');
    const outcomes = (/** @type {any} */ { openpipe }) =>
      openpipe.attempts.map((/** @type {any} */ { outcome }) => outcome);

    for (const [what, transport] of [
      ['', {}],
      [', through `fetch`', { transport: 'fetch' }],
    ]) {
      test(`comes from the next target where it breaks off before its content${what}`, async ({ serve }) => {
        const upstream = await serve(breaking(1, 'reset'));
        const openpipe = { apiKey: '', .../** @type {any} */ (transport) };
        const openai = new OpenAI({ apiKey: 'sk-0', baseURL: upstream.url, maxRetries: 0, openpipe });
        const stream = await create(openai)({ model: 'a', ...body, stream: true }, { openpipe: FALLBACK });
        const { chunks, error } = await readAll(stream);

        expect([error, textOf(chunks), outcomes(stream)]).toEqual([undefined, GOOD_TEXT, ['stream', 'ok']]);
      });
    }

    test('is answered in full by the next target with `holdUntil: "finish"`', async ({ serve }) => {
      const { stream } = await begin(serve, breaking(3, 'end'), { ...FALLBACK, holdUntil: 'finish' });
      const { chunks, error } = await readAll(stream);

      expect([error, textOf(chunks), outcomes(stream)]).toEqual([undefined, GOOD_TEXT, ['stream', 'ok']]);
    });

    test('ends with an error where it breaks off after its content', async ({ serve }) => {
      const { stream } = await begin(serve, breaking(3, 'reset'), FALLBACK);
      const { chunks, error } = await readAll(stream);

      expect(textOf(chunks)).toBe('One, two, ');
      expect(error).toBeInstanceOf(OpenAI.APIConnectionError);
      expect(outcomes(error)).toEqual(['stream']);
    });

    test('ends with a timeout after a silence of `idleTimeout`', async ({ serve }) => {
      const { stream, upstream } = await begin(serve, breaking(3, 'hang'), { idleTimeout: 100 });
      const { error } = await readAll(stream);

      expect(error).toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
      expect(await upstream.requests[0].closed).toBe('broken off');
    });

    test('ends with its last event, whether the connection stays open or not', async ({ serve }) => {
      const { stream } = await begin(serve, breaking(100, 'hang'));
      expect(textOf((await readAll(stream)).chunks)).toBe(GOOD_TEXT);
    });

    /** @type {[string, (stream: any, controller: AbortController) => void][]} */
    const ways = [
      ['`controller.abort()`', (stream) => stream.controller.abort()],
      ["the caller's signal", (_, controller) => controller.abort()],
    ];
    for (const [how, leave] of ways) {
      test(`ends without an error by ${how}, and closes its connection`, async ({ serve }) => {
        const controller = new AbortController();
        const { stream, upstream } = await begin(serve, breaking(3, 'hang'), undefined, { signal: controller.signal });
        let read = 0;
        for await (const _ of stream) if (++read === 2) leave(stream, controller);

        expect(await upstream.requests[0].closed).toBe('broken off');
      });
    }

    test('closes its connection when the loop is left', async ({ serve }) => {
      const { stream, upstream } = await begin(serve, breaking(3, 'hang'));
      for await (const _ of stream) break;
      expect(await upstream.requests[0].closed).toBe('broken off');
    });

    test('waits for a slow reader, and does not count that as silence', async ({ serve }) => {
      const { stream } = await begin(serve, goodAnswer, { idleTimeout: 60 });
      const chunks = [];
      for await (const chunk of stream) {
        chunks.push(chunk);
        if (chunks.length < 3) await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(textOf(chunks)).toBe(GOOD_TEXT);
    });

    test('can be split, and read as lines, as in the SDK', async ({ serve }) => {
      const { stream } = await begin(serve, goodAnswer);
      const [left, right] = stream.tee();
      const lines = (await new Response(left.toReadableStream()).text()).trim().split('\n');
      const { chunks } = await readAll(right);

      expect(lines.map((line) => JSON.parse(line))).toEqual(chunks);
      expect(textOf(chunks)).toBe(GOOD_TEXT);
    });
  });
}
