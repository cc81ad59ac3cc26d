/** Without a fallback, retries and the final error are those of the plain class. */

import { describe, expect } from 'vitest';

import { MESSAGES } from '../support/calls.mjs';
import { test } from '../support/upstreams.mjs';
import { saying } from '../support/sdk-api.mjs';
import { expectTheSame, versions } from '../support/sdk-versions.mjs';

/** @import { LoggedRequest } from '../../demo/upstream.mjs' */

const REQUEST = { model: 'gpt-4o', messages: MESSAGES };
const SOON = { 'retry-after-ms': '1', 'x-request-id': 'req_e' };

/** @param {number} status @param {Record<string, string>} [headers] */
const failing = (status, headers) =>
  /** @type {const} */ ({ kind: 'status', status, headers: { ...SOON, ...headers } });

/** Fails so often, then answers. @param {number} times @param {import('../../demo/upstream.mjs').Behaviour} failure */
function failingFirst(times, failure) {
  const answer = saying({ role: 'assistant', content: 'At last.' });
  return (/** @type {LoggedRequest} */ request) =>
    Number(request.headers['x-stainless-retry-count']) < times ? failure : answer(request);
}

/** @type {[string, import('../support/upstreams.mjs').Doing, any, any, number][]} What happens, client, call, requests. */
const cases = [
  ['two retries where nothing is said', failing(500), {}, {}, 3],
  ['as many as the client says', failing(503), { maxRetries: 4 }, {}, 5],
  ['as many as the call says', failing(429), { maxRetries: 4 }, { maxRetries: 1 }, 2],
  ['none where none are wanted', failing(500), { maxRetries: 0 }, {}, 1],
  ['none of a bad request', failing(400), {}, {}, 1],
  ['those of 408', failing(408), {}, {}, 3],
  ['those of 409', failing(409), {}, {}, 3],
  ['none of 422', failing(422), {}, {}, 1],
  ['none of 500 where the server says so', failing(500, { 'x-should-retry': 'false' }), {}, {}, 1],
  ['those of 400 where the server says so', failing(400, { 'x-should-retry': 'true' }), {}, {}, 3],
  ['those of a server that says something else', failing(404, { 'x-should-retry': 'maybe' }), {}, {}, 1],
  ['an answer at the second try', failingFirst(1, failing(500)), {}, {}, 2],
  ['an answer after a reset connection', failingFirst(1, { kind: 'reset' }), {}, {}, 2],
  [
    '`Retry-After` in seconds',
    failingFirst(1, { kind: 'status', status: 429, headers: { 'retry-after': '0.01' } }),
    {},
    {},
    2,
  ],
  [
    '`Retry-After` that is a date of the past',
    failingFirst(1, { kind: 'status', status: 429, headers: { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' } }),
    {},
    {},
    2,
  ],
  [
    '`Retry-After-Ms` before `Retry-After`',
    failingFirst(1, failing(429, { 'retry-after': '3600' })),
    {},
    {},
    2,
  ],
]; // prettier-ignore

for (const version of versions) {
  describe.concurrent(`${version.title}: this package makes`, () => {
    for (const [what, doing, client, options, requests] of cases) {
      for (const stream of [false, true]) {
        test(`${what}, of a ${stream ? 'stream' : 'completion'}`, async ({ serve }) => {
          const upstream = await serve(doing);
          const act = async (/** @type {any} */ openai) => {
            const answer = await openai.chat.completions.create({ ...REQUEST, stream }, options);
            if (!stream) return answer;
            const chunks = [];
            for await (const chunk of answer) chunks.push(chunk);
            return chunks;
          };
          await expectTheSame(version, upstream, client, act, requests);
        });
      }
    }
  });

  test(`${version.title}: the pause is that of the response`, async ({ serve }) => {
    const headers = { 'retry-after-ms': '300', 'x-request-id': 'req_e' };
    const upstream = await serve(failingFirst(1, { kind: 'status', status: 429, headers }));
    await expectTheSame(version, upstream, {}, (openai) => openai.chat.completions.create(REQUEST), 2);
    // The last two requests are ours. A millisecond is what the two clocks may differ by.
    const [first, second] = upstream.requests;
    expect(Number(second?.at) - Number(first?.at)).toBeGreaterThanOrEqual(299);
  });

  test(`${version.title}: the same idempotency key at each try, which the call may set`, async ({ serve }) => {
    const upstream = await serve(failing(500));
    const act = (/** @type {any} */ openai) => {
      openai.idempotencyHeader = 'Idempotency-Key';
      return openai.chat.completions.create(REQUEST, { idempotencyKey: 'mine' });
    };
    await expectTheSame(version, upstream, {}, act, 3);
    expect(upstream.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['mine', 'mine', 'mine']);
  });
}

describe('the error of the last try is the same, of', () => {
  /** @type {[string, any][]} */
  const bodies = [
    ['an error of the API', { json: { error: { message: 'm', type: 't', code: 'c', param: 'p' } } }],
    ['an error that is a text', { json: { error: 'only text' } }],
    ['JSON without an error', { json: { detail: 'd' } }],
    ['HTML', 'html'],
    ['nothing', 'empty'],
  ];
  for (const version of versions) {
    for (const status of [400, 401, 403, 404, 409, 418, 422, 429, 500]) {
      for (const [what, body] of bodies) {
        test(`${version.title}: ${status} with ${what}`, async ({ serve }) => {
          const upstream = await serve({ kind: 'status', status, body, headers: { 'x-request-id': 'req_e' } });
          const act = (/** @type {any} */ openai) => openai.chat.completions.create(REQUEST);
          const outcome = await expectTheSame(version, upstream, { maxRetries: 0 }, act);
          expect(outcome).toHaveProperty('status', status);
        });
      }
    }
  }
});
