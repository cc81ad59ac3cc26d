/**
 * Each endpoint beside the plain SDK, with each version of it: what goes over the wire and what the caller gets are the same
 * (contract.md, sections 1, 2 and 9).
 */

import { describe, expect } from 'vitest';

import { ENDPOINTS } from '../support/endpoints.mjs';
import { expectTheSame, versions } from '../support/sdk-versions.mjs';
import { answering } from '../support/sdk-api.mjs';
import { goodAnswer } from '../support/shapes.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

/** Options of a client, and of a call. @type {[string, any, any?][]} */
const REQUESTS = [
  ['nothing else', {}],
  [
    'options of the client',
    {
      ...{ organization: 'org-1', project: 'proj-1', timeout: 12_345, maxRetries: 1, defaultQuery: { version: '1' } },
      defaultHeaders: { 'X-Default': 'd', 'User-Agent': 'mine/1', 'x-stainless-arch': null },
    },
  ],
  [
    'options of the call',
    { defaultHeaders: { 'x-default': 'd', 'x-gone': 'd' } },
    { timeout: 900, maxRetries: 4, headers: { 'X-Mine': 'm', 'x-gone': null, Authorization: 'Bearer other' }, query: { b: '2' } },
  ],
  ['an async key', { apiKey: async () => 'sk-async' }],
]; // prettier-ignore

/** @type {[string, Behaviour][]} */
const ERRORS = [
  ['400 with a code', answering({ error: { message: 'No.', code: 'c', param: 'p', type: 't' } }, 400)],
  ['401', answering({ error: { message: 'Who?' } }, 401)],
  ['404 with a text for an error', answering({ error: 'no such model' }, 404)],
  ['422 of HTML', { kind: 'status', status: 422, body: 'html' }],
  ['429 of nothing', { kind: 'status', status: 429, body: 'empty' }],
  ['503 with `detail`', answering({ detail: 'Later.' }, 503)],
];

for (const version of versions) {
  for (const [name, { create, body }] of Object.entries(ENDPOINTS)) {
    describe(`${version.title}, ${name}`, () => {
      const request = { model: 'gpt-4o', ...body, user: 'größe \ud83c\udf89', seed: 1e21 };

      test('sends what the plain SDK sends', async ({ serve }) => {
        const upstream = await serve(goodAnswer);
        for (const [, client, options] of REQUESTS) {
          await expectTheSame(version, upstream, client, (openai) => create(openai)(request, options));
        }
      });

      test('returns what the plain SDK returns', async ({ serve }) => {
        const upstream = await serve(goodAnswer);
        /** @type {((promise: any) => any)[]} */
        const looks = [
          (promise) => promise,
          async (promise) => (await promise.asResponse()).text(),
          async (promise) => {
            const { data, response, request_id } = await promise.withResponse();
            return { data, request_id, status: response.status, id: data._request_id };
          },
        ];
        for (const look of looks) {
          await expectTheSame(version, upstream, {}, (openai) => look(create(openai)(request, undefined)));
        }
      });

      test('fails with the same errors', async ({ serve }) => {
        for (const [, behaviour] of ERRORS) {
          const upstream = await serve(behaviour);
          await expectTheSame(version, upstream, { maxRetries: 0 }, (openai) => create(openai)(request, undefined));
        }
      });

      test('retries as often', async ({ serve }) => {
        /** @type {any} */
        const failing = answering({ error: { message: 'Busy.' } }, 503);
        const upstream = await serve({ ...failing, headers: { ...failing.headers, 'retry-after-ms': '1' } });
        await expectTheSame(version, upstream, {}, (openai) => create(openai)(request, undefined), 3);
      });

      if (name === 'embeddings') return;

      test('streams the same events as the plain SDK', async ({ serve }) => {
        const upstream = await serve(goodAnswer);
        const read = async (/** @type {any} */ stream) => {
          const events = [];
          for await (const event of stream) events.push(event);
          return events;
        };
        /** @type {((promise: any) => any)[]} */
        const looks = [
          async (promise) => read(await promise),
          async (promise) => Promise.all((await promise).tee().map(read)),
          async (promise) => new Response((await promise).toReadableStream()).text(),
        ];
        for (const look of looks) {
          const streamed = { ...request, stream: true };
          const { value } = await expectTheSame(version, upstream, {}, (openai) => look(create(openai)(streamed, undefined)));
          expect(JSON.stringify(value)).toContain('three');
        }
      }); // prettier-ignore
    });
  }
}
