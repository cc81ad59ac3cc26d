/** Responses, embeddings and plain completions through the engine, with each version of the SDK (contract.md, section 9). */

import { describe, expect } from 'vitest';

import { rejection } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { versions } from '../support/sdk-versions.mjs';
import { answering } from '../support/sdk-api.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

const FAILING = answering({ error: { message: 'Down.' } }, 500);

/** @param {string} text @param {any} [more] */
const responseOf = (text, more) => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  status: 'completed',
  error: null,
  model: 'm',
  output: [
    {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text, annotations: [] }],
    },
  ],
  ...more,
});

const created = { type: 'response.created', response: responseOf('', { status: 'in_progress', output: [] }) };
const inProgress = { ...created, type: 'response.in_progress' };

/** The events of a response, without a `[DONE]`. @param {string} text */
const eventsOf = (text) => [
  created,
  inProgress,
  {
    type: 'response.output_item.added',
    output_index: 0,
    item: { id: 'msg_1', type: 'message', role: 'assistant', status: 'in_progress', content: [] },
  },
  {
    type: 'response.content_part.added',
    item_id: 'msg_1',
    output_index: 0,
    content_index: 0,
    part: { type: 'output_text', text: '', annotations: [] },
  },
  ...(text.match(/.{1,4}/gs) ?? []).map((delta) => ({
    type: 'response.output_text.delta',
    item_id: 'msg_1',
    output_index: 0,
    content_index: 0,
    delta,
  })),
  { type: 'response.completed', response: responseOf(text) },
];

/** @param {any[]} events @returns {Behaviour} */
const sending = (events) => ({
  kind: 'sse',
  sse: events.map(
    (event, index) => `event: ${event.type}\ndata: ${JSON.stringify({ sequence_number: index, ...event })}\n\n`,
  ),
});

/** @param {string} text @returns {Behaviour} */
const completing = (text) => answering({ id: 'cmpl-1', object: 'text_completion', choices: [{ index: 0, text }] });

/** @param {any} embedding @returns {Behaviour} */
const embedding = (embedding) =>
  answering({ object: 'list', model: 'e', data: [{ object: 'embedding', index: 0, embedding }] });

/** @param {AsyncIterable<any>} stream */
async function read(stream) {
  const events = [];
  try {
    for await (const event of stream) events.push(event);
  } catch (error) {
    return { events, error };
  }
  return { events };
}

/** @param {any[]} events */
const textOf = (events) => events.map(({ delta }) => delta ?? '').join('');

const RESPONSE = { model: 'm', input: 'Count.' };

for (const { title, sdk, Ours, Plain } of versions) {
  describe(title, () => {
    /** @param {any} serve @param {Behaviour} first @param {Behaviour} second @param {any} [openpipe] */
    const between = async (serve, first, second, openpipe) => {
      const [primary, other] = await Promise.all([serve(first), serve(second)]);
      const options = { apiKey: OPENAI_KEY, baseURL: primary.url, maxRetries: 0 };
      const declared = {
        apiKey: OPENPIPE_KEY,
        logRequest: false,
        upstreams: { second: { baseURL: other.url, apiKey: 'k2' } },
      };
      return { primary, other, openai: new Ours({ ...options, openpipe: { ...declared, ...openpipe } }) };
    };
    const FALLBACK = { fallback: { model: 'second:m2' } };

    describe('a response', () => {
      test('is answered by the fallback after a 500, with the members that the SDK adds', async ({ serve }) => {
        const { openai, primary, other } = await between(serve, FAILING, answering(responseOf('Ten.')), FALLBACK);
        const response = await openai.responses.create(RESPONSE);

        expect([response.output_text, response._request_id]).toEqual(['Ten.', 'req_1']);
        expect(response.openpipe).toMatchObject({ servedBy: 'fallback', model: 'm2' });
        expect(primary.requests.map((/** @type {any} */ request) => request.path)).toEqual(['/v1/responses']);
        expect(other.requests[0]).toMatchObject({ path: '/v1/responses', body: { model: 'm2', input: 'Count.' } });
        expect(other.requests[0].headers.authorization).toBe('Bearer k2');
      });

      test('that has failed is an error', async ({ serve }) => {
        const failed = responseOf('', { status: 'failed', error: { code: 'server_error', message: 'Broken.' } });
        const { openai } = await between(serve, answering(failed), answering(responseOf('Ten.')), FALLBACK);
        const { output_text: text, openpipe } = await openai.responses.create(RESPONSE);

        expect(text).toBe('Ten.');
        expect(openpipe.attempts[0].outcome).toBe('server_error');
      });

      test('has `withResponse()` and `asResponse()`', async ({ serve }) => {
        const { openai } = await between(serve, FAILING, answering(responseOf('Ten.')), FALLBACK);
        const { data, response, request_id: id } = await openai.responses.create(RESPONSE).withResponse();
        expect([data.output_text, data.openpipe.servedBy, response.status, id]).toEqual([
          'Ten.',
          'fallback',
          200,
          'req_1',
        ]);
        expect(await (await openai.responses.create(RESPONSE).asResponse()).json()).toEqual(responseOf('Ten.'));
      });

      test('is parsed by `parse()`', async ({ serve }) => {
        const { openai } = await between(serve, FAILING, answering(responseOf('{"n":10}')), FALLBACK);
        const format = { type: 'json_schema', name: 'n', schema: {}, $brand: 'auto-parseable-response-format' };
        const parser = { $parseRaw: { value: JSON.parse, enumerable: false } };
        Object.defineProperty(format, '$brand', { value: format.$brand, enumerable: false });
        const response = await openai.responses.parse({
          ...RESPONSE,
          text: { format: Object.defineProperties(format, parser) },
        });

        expect([response.output_parsed, response.openpipe.servedBy]).toEqual([{ n: 10 }, 'fallback']);
      });

      test('whose arguments are no objects rejects', async ({ serve }) => {
        const { openai, primary } = await between(serve, FAILING, FAILING);
        for (const resource of ['responses', 'embeddings', 'completions']) {
          const errors = [
            await rejection(openai[resource].create()),
            await rejection(openai[resource].create({ ...RESPONSE, prompt: 'x' }, 5)),
            await rejection(openai[resource].create({ model: '', input: 'x' })),
          ];
          expect(errors.map((error) => error.constructor)).toEqual([TypeError, TypeError, TypeError]);
        }
        expect(primary.requests).toEqual([]);
      });

      test('needs no model where it has a stored prompt', async ({ serve }) => {
        const { openai, primary } = await between(serve, answering(responseOf('Ten.')), FAILING);
        const response = await openai.responses.create({ prompt: { id: 'pmpt_1' } });

        expect(response.openpipe.attempts).toMatchObject([{ model: '', upstream: 'openai' }]);
        expect(primary.requests[0].body).toEqual({ prompt: { id: 'pmpt_1' } });
      });
    });

    describe('a streamed response', () => {
      const streamed = { ...RESPONSE, stream: true };

      /** @type {[string, Behaviour][]} */
      const failures = [
        ['a 500', FAILING],
        [
          'an `error` event after `response.created`',
          sending([created, { type: 'error', code: 'server_error', message: 'Broken.' }]),
        ],
        ['an end after `response.in_progress`', sending([created, inProgress])],
        [
          '`response.failed`',
          sending([
            created,
            {
              type: 'response.failed',
              response: responseOf('', { status: 'failed', error: { code: 'server_error', message: 'Broken.' } }),
            },
          ]),
        ],
      ];
      for (const [what, failing] of failures) {
        test(`is the fallback's after ${what}`, async ({ serve }) => {
          const { openai } = await between(serve, failing, sending(eventsOf('Counted to ten.')), FALLBACK);
          const stream = await openai.responses.create(streamed);
          const { events, error } = await read(stream);

          expect([error, textOf(events)]).toEqual([undefined, 'Counted to ten.']);
          expect(events).toEqual(
            eventsOf('Counted to ten.').map((event, index) => ({ sequence_number: index, ...event })),
          );
          expect(stream.openpipe).toMatchObject({ servedBy: 'fallback', model: 'm2' });
        });
      }

      test('is what the plain SDK gives, also as text', async ({ serve }) => {
        const { openai, primary } = await between(serve, sending(eventsOf('Counted to ten.')), FAILING);
        const plain = new Plain({ apiKey: OPENAI_KEY, baseURL: primary.url });
        const [ours, theirs] = await Promise.all(
          [openai, plain].map(async (client) => (await read(await client.responses.create(streamed))).events),
        );
        expect(ours).toEqual(theirs);
        const texts = [openai, plain].map(async (client) =>
          (await client.responses.create(streamed).asResponse()).text(),
        );
        const [our, their] = await Promise.all(texts);
        expect(our).toBe(their);
      });

      test('gives `response.failed` after its commit, then the error', async ({ serve }) => {
        const failed = responseOf('', { status: 'failed', error: { code: 'server_error', message: 'Broken.' } });
        const begun = eventsOf('Counted.').slice(0, -1);
        const { openai } = await between(
          serve,
          sending([...begun, { type: 'response.failed', response: failed }]),
          FAILING,
          FALLBACK,
        );
        const { events, error } = await read(await openai.responses.create(streamed));

        expect(events.at(-1)).toMatchObject({ type: 'response.failed' });
        expect(error).toBeInstanceOf(sdk.APIError);
      });

      test('is assembled by `responses.stream()`', async ({ serve }) => {
        const { openai } = await between(serve, FAILING, sending(eventsOf('Counted to ten.')), FALLBACK);
        const response = await openai.responses.stream(RESPONSE).finalResponse();
        expect(response.output_text ?? response.output[0].content[0].text).toBe('Counted to ten.');
      });
    });

    describe('embeddings', () => {
      const REQUEST = { model: 'e', input: 'x' };

      test('are answered by the same model elsewhere after a 500, unpacked by the SDK', async ({ serve }) => {
        const base64 = Buffer.from(new Float32Array([0.5, -1]).buffer).toString('base64');
        for (const vector of [base64, [0.5, -1]]) {
          const { openai, other } = await between(serve, FAILING, embedding(vector));
          const result = await openai.embeddings.create({ ...REQUEST, openpipe: { fallback: { model: 'second:e' } } });

          expect([...result.data[0].embedding]).toEqual([0.5, -1]);
          expect(result.openpipe).toMatchObject({ servedBy: 'fallback', model: 'e' });
          expect(other.requests[0].path).toBe('/v1/embeddings');
        }
      });

      test('of another model are refused, unless it has the same vectors', async ({ serve }) => {
        const { openai, primary } = await between(serve, FAILING, embedding([0.5, -1]));
        const asked = (/** @type {any} */ more) =>
          openai.embeddings.create(REQUEST, { openpipe: { fallback: { model: 'second:e2', ...more } } });

        const error = await rejection(asked({}));
        expect([error.constructor, error.message]).toEqual([TypeError, expect.stringContaining('sameVectors')]);
        expect(await rejection(asked({ sameVectors: true, params: { dimensions: 2 } }))).toBeInstanceOf(TypeError);
        expect(primary.requests).toEqual([]);
        expect((await asked({ sameVectors: true })).openpipe.servedBy).toBe('fallback');
      });

      test('and completions have no fallback by default', async ({ serve }) => {
        const { openai, other } = await between(serve, FAILING, FAILING, FALLBACK);
        for (const call of [
          () => openai.embeddings.create(REQUEST),
          () => openai.completions.create({ model: 'm', prompt: 'x' }),
        ]) {
          const error = await rejection(call());
          expect([error.status, error.openpipe.attempts.length]).toEqual([500, 1]);
        }
        expect(other.requests).toEqual([]);
      });
    });

    describe('a completion', () => {
      const REQUEST = { model: 'm', prompt: 'x' };

      test('is answered by the fallback after a 500', async ({ serve }) => {
        const { openai, other } = await between(serve, FAILING, completing('Ten.'));
        const completion = await openai.completions.create(REQUEST, { openpipe: FALLBACK });

        expect([completion.choices[0].text, completion.openpipe.servedBy]).toEqual(['Ten.', 'fallback']);
        expect(other.requests[0]).toMatchObject({ path: '/v1/completions', body: { model: 'm2', prompt: 'x' } });
      });

      test('is streamed by the fallback after a 500', async ({ serve }) => {
        const chunk = (/** @type {string} */ text, /** @type {string | null} */ finish) => ({
          id: 'cmpl-1',
          choices: [{ index: 0, text, finish_reason: finish }],
        });
        const chunks = [chunk('Te', null), chunk('n.', 'stop')];
        const sse = [...chunks.map((data) => `data: ${JSON.stringify(data)}\n\n`), 'data: [DONE]\n\n'];
        const { openai } = await between(serve, FAILING, { kind: 'sse', sse });
        const stream = await openai.completions.create({ ...REQUEST, stream: true, openpipe: FALLBACK });

        expect((await read(stream)).events).toEqual(chunks);
        expect(stream.openpipe.servedBy).toBe('fallback');
      });
    });

    test('other requests are not taken over', async ({ serve }) => {
      const { openai, primary, other } = await between(serve, answering(responseOf('Ten.')), FAILING, FALLBACK);
      await openai.responses.retrieve('resp_1');
      await openai.responses.cancel('resp_1');
      await openai.get('/responses');
      await openai.post('/responses?a=b', { body: RESPONSE });
      await openai.post('/made/up', { body: { a: 1, openpipe: FALLBACK } });

      expect(primary.requests.map((/** @type {any} */ { method, path }) => `${method} ${path}`)).toEqual([
        'GET /v1/responses/resp_1',
        'POST /v1/responses/resp_1/cancel',
        'GET /v1/responses',
        'POST /v1/responses?a=b',
        'POST /v1/made/up',
      ]);
      expect(primary.requests.at(-1)?.body).toEqual({ a: 1 });
      expect(other.requests).toEqual([]);
    });
  });
}
