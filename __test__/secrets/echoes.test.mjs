/** Some upstreams repeat the key that they refuse: it stays out of what a caller sees and OpenPipe gets (contract.md, section 6). */

import { inspect } from 'node:util';

import { OpenAI as SdkOpenAI } from 'openai';
import OpenAI from 'openpipe-native';
import OpenPipe from 'openpipe-native/client';
import { describe, expect } from 'vitest';

import { ask, rejection } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { PRIMARY, test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

const THEIR_KEY = 'key-of-a-client-that-was-handed-in';
const told = (/** @type {string} */ key) => ({
  message: `Incorrect API key provided: ${key}.`,
  code: 'invalid_api_key',
});

/** How an upstream repeats a key. @type {[string, (key: string) => Behaviour, boolean][]} */
const echoes = [
  ["an error's body", (key) => ({ kind: 'status', status: 401, error: told(key) }), false],
  ["an error's headers", (key) => ({ kind: 'status', status: 403, headers: { 'x-refused': `Bearer ${key}` } }), false],
  ['HTML', (key) => ({ kind: 'status', status: 502, body: { bytes: `<p>${key}</p>` } }), false],
  ['a good status', (key) => ({ kind: 'status', status: 200, body: { json: { error: told(key) } } }), false],
  ['an event', (key) => ({ kind: 'sse', sse: [`data: ${JSON.stringify({ error: told(key) })}\n\n`] }), true],
  [
    'an error event',
    (key) => ({ kind: 'sse', sse: [`event: error\ndata: ${JSON.stringify({ error: told(key) })}\n\n`] }),
    true,
  ],
];

/** Everything that can be seen of a value. @param {unknown} value */
function seen(value) {
  return inspect(value, { depth: Infinity, showHidden: true, getters: true, maxStringLength: Infinity });
}

for (const [name, echo, stream] of echoes) {
  describe(`a key in ${name}`, () => {
    test.for(/** @type {const} */ (['native', 'fetch']))(
      'of the client’s own upstream (%s)',
      async (transport, { serve }) => {
        const upstream = await serve(echo(OPENAI_KEY));
        const openpipe = await serve({ kind: 'status', status: 200, body: { json: {} } });
        const openai = new OpenAI({
          apiKey: OPENAI_KEY,
          baseURL: upstream.url,
          maxRetries: 0,
          openpipe: { apiKey: OPENPIPE_KEY, baseUrl: openpipe.url, transport },
        });
        const { error, info } = await ask(openai, { stream, model: 'theirs' });
        await openai.flush();

        const { headers, ...rest } = error;
        expect(seen([rest, error.message, error.stack, info, [...(headers ?? [])]])).not.toContain(OPENAI_KEY);
        expect(openpipe.requests).toHaveLength(1);
        expect(JSON.stringify(openpipe.requests[0]?.body)).not.toContain(OPENAI_KEY);
        // What is left still says what was wrong.
        if (name !== 'HTML' && name !== "an error's headers") expect(seen(error)).toContain('Incorrect API key');
      },
    );

    test('of OpenPipe, when the fallback answers', async ({ stage }) => {
      /** @type {unknown[]} */
      const events = [];
      const { openai } = await stage({
        primary: echo(OPENPIPE_KEY),
        openpipe: { fallback: { model: 'next' }, onFallback: (event) => void events.push(event) },
      });
      const { error, info } = await ask(openai, { stream });

      expect(error).toBeUndefined();
      expect(events).toHaveLength(1);
      expect(seen([events, info])).not.toContain(OPENPIPE_KEY);
    });

    test('of a custom client', async ({ serve, stage }) => {
      const theirs = await serve(echo(THEIR_KEY));
      const openpipe = await serve(({ path }) =>
        path.endsWith('/report')
          ? { kind: 'status', status: 200, body: { json: {} } }
          : { kind: 'status', status: 500 },
      );
      const { openai } = await stage({ openpipe: { baseUrl: openpipe.url, logRequest: true } });
      const client = new SdkOpenAI({ apiKey: THEIR_KEY, baseURL: theirs.url, maxRetries: 0 });
      const { info } = await ask(openai, { stream, openpipe: { fallback: { model: 'theirs', client } } });
      await openai.flush();

      expect(info.attempts).toHaveLength(2);
      expect(seen(info.attempts)).not.toContain(THEIR_KEY);
      const reports = openpipe.requests.filter(({ path }) => path.endsWith('/report'));
      expect(reports).toHaveLength(1);
      expect(JSON.stringify(reports[0]?.body)).not.toContain(THEIR_KEY);
    });
  });
}

describe.for(/** @type {const} */ (['native', 'fetch']))('a credential that is no `apiKey` (%s)', (transport) => {
  const [HEADER, QUERY] = ['key-of-a-header/0=1', 'key-of-the-query/2+3'];
  /** Repeats all that it was sent. @param {any} request @returns {Behaviour} */
  const repeats = ({ headers, path }) => ({
    kind: 'status',
    status: 400,
    headers: { 'x-sent': JSON.stringify(headers) },
    error: { message: `bad request: ${JSON.stringify(headers)} ${path} ${decodeURIComponent(path)}` },
  });

  test.for([
    ['the client’s own upstream', 'gpt-4o'],
    ['a declared upstream', 'declared:m'],
  ])('of %s', async ([, model], { serve }) => {
    const { url } = await serve(repeats);
    const own = { defaultHeaders: { 'x-api-key': HEADER }, defaultQuery: { key: QUERY } };
    const declared = { baseURL: url, apiKey: null, headers: { 'x-api-key': HEADER }, query: { key: QUERY } };
    const openpipe = { transport, upstreams: { declared } };
    const openai = new OpenAI({ apiKey: OPENAI_KEY, baseURL: url, maxRetries: 0, ...own, openpipe });
    const { error, info } = await ask(openai, { model });

    const all = seen([error.message, error.stack, error.error, [...error.headers], info]);
    for (const key of [OPENAI_KEY, HEADER, QUERY]) {
      for (const form of [key, encodeURIComponent(key)]) expect(all).not.toContain(form);
    }
    expect(error.message).toContain('bad request');
  });
});

test("a key that OpenPipe's API repeats", async ({ serve }) => {
  const upstream = await serve({ kind: 'status', status: 401, error: told(OPENPIPE_KEY) });
  const openpipe = new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url });
  const error = await rejection(openpipe.listDatasets());
  expect(error).toMatchObject({ status: 401 });
  expect(seen(error)).not.toContain(OPENPIPE_KEY);
});

test('the text of an answer is not changed, also where it is a key', async ({ stage }) => {
  const { openai } = await stage({ primary: { kind: 'answer', content: `The key is ${OPENPIPE_KEY}.` } });
  for (const stream of [false, true]) {
    expect((await ask(openai, { stream, model: PRIMARY })).text).toBe(`The key is ${OPENPIPE_KEY}.`);
  }
});
