/** What a caller sees of an error (contract.md, sections 1 and 6). */

import { createRequire } from 'node:module';
import { inspect } from 'node:util';

import * as esm from 'openai';
import OpenAI, * as entry from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask, MESSAGES, readAll, rejection } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { misbehaviours } from '../support/misbehaviours.mjs';
import { clientOptions, FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

const require = createRequire(import.meta.url);
/** @type {typeof import('openai')} */
const cjs = require('openai');
/** @type {any} */
const CjsOpenAI = require('openpipe-native');

describe('the two entries', () => {
  /** @type {['ESM' | 'CommonJS', any, any, any][]} */
  const entries = [
    ['ESM', OpenAI, esm, cjs],
    ['CommonJS', CjsOpenAI, cjs, esm],
  ];
  for (const [name, Client, own, other] of entries) {
    test(`throw the classes of their own copy of the SDK: ${name}`, async ({ serve }) => {
      const upstream = await serve(({ body }) => ({ kind: 'status', status: body.model.endsWith('429') ? 429 : 500 }));
      const openai = new Client(clientOptions(upstream.url, upstream.url, { maxRetries: 0 }));
      const error = await rejection(openai.chat.completions.create({ model: '429', messages: MESSAGES }));

      expect(error).toBeInstanceOf(own.RateLimitError);
      expect(error).toBeInstanceOf(own.APIError);
      expect(error).toBeInstanceOf(Client.RateLimitError);
      expect(error).not.toBeInstanceOf(other.APIError);
    });

    test(`make clients of their own copy of the SDK: ${name}`, async ({ serve }) => {
      const upstream = await serve();
      const openai = new Client(clientOptions(upstream.url, upstream.url));

      expect(openai).toBeInstanceOf(own.OpenAI);
      expect(openai).not.toBeInstanceOf(other.OpenAI);
      expect(openai.chat.completions).toBeInstanceOf(own.OpenAI.Chat.Completions);
      const promise = openai.chat.completions.create({ model: 'm', messages: [] });
      expect(promise).toBeInstanceOf(own.APIPromise);
      await promise;
    });
  }

  test('export what the SDK exports, and `openpipe-native/openai` is the same class', async () => {
    expect(CjsOpenAI.OpenAI).toBe(CjsOpenAI);
    expect(CjsOpenAI.default).toBe(CjsOpenAI);
    expect(require('openpipe-native/openai')).toBe(CjsOpenAI);
    expect((await import('openpipe-native/openai')).default).toBe(OpenAI);
    expect(entry.OpenAI).toBe(OpenAI);
    expect(entry.RateLimitError).toBe(esm.RateLimitError);
    for (const name of Object.keys(esm)) expect(entry).toHaveProperty(name);
    for (const name of Object.keys(cjs)) expect(CjsOpenAI).toHaveProperty(name);
  });
});

describe('an error of a status', () => {
  test('carries headers, request id, code, type, param and the error as the API sent it', async ({ stage }) => {
    const sent = { message: 'Use another model.', type: 'invalid_request_error', param: 'model', code: 'model_gone' };
    const { openai } = await stage({
      primary: { kind: 'status', status: 404, error: sent, headers: { 'x-request-id': 'req_404', 'x-mine': 'yes' } },
    });
    const { error } = await ask(openai);

    expect(error).toMatchObject({ status: 404, code: 'model_gone', type: sent.type, param: 'model', error: sent });
    expect(error.requestID).toBe('req_404');
    expect(error.headers).toBeInstanceOf(Headers);
    expect(error.headers.get('x-mine')).toBe('yes');
    expect(error.message).toMatch(/^404 Use another model\. \(OpenPipe's platform has ended/);
    expect(error.openpipe.attempts).toMatchObject([{ status: 404, requestId: 'req_404' }]);
  });

  for (const [what, body] of /** @type {[string, any][]} */ ([
    ['in the API’s shape', { json: { error: { message: 'Too bad.', code: 'x' } } }],
    ['with an error that is text', { json: { error: 'Too bad.' } }],
    ['that is JSON without an error', { json: { detail: 'Too bad.' } }],
    ['that is no object', { json: ['Too', 'bad'] }],
    ['of HTML', 'html'],
    ['of text', { bytes: 'Too bad, 🎉.' }],
    ['of nothing', 'empty'],
    ['of invalid UTF-8', { bytes: Uint8Array.of(0x61, 0xff, 0x62) }],
  ])) {
    test(`is the one that the SDK makes of a body ${what}`, async ({ serve }) => {
      const upstream = await serve({ kind: 'status', status: 422, body, headers: { 'x-request-id': 'r', date: 'd' } });
      const ours = new OpenAI(clientOptions(upstream.url, upstream.url));
      const theirs = new esm.OpenAI({ apiKey: OPENAI_KEY, baseURL: upstream.url });
      const request = { model: 'm', messages: MESSAGES };
      const [got, expected] = [
        await rejection(ours.chat.completions.create(request)),
        await rejection(theirs.chat.completions.create(request)),
      ];

      expect(got.constructor).toBe(expected.constructor);
      for (const name of ['message', 'status', 'error', 'code', 'type', 'param', 'requestID', 'name']) {
        expect(got[name], name).toEqual(expected[name]);
      }
      expect(Object.keys(got)).toEqual(Object.keys(expected));
      expect([...got.headers]).toEqual([...expected.headers]);
    });
  }
});

test('an error of a status is made by the hook of the SDK that a subclass may have', async ({ serve }) => {
  class Mine extends OpenAI {
    /** @param {number} status @param {object} body @returns {any} */
    makeStatusError(status, body) {
      return Object.assign(new Error('mine'), { status, body });
    }
  }
  const upstream = await serve({ kind: 'status', status: 404 });
  const { error } = await ask(new Mine(clientOptions(upstream.url, upstream.url)));

  expect(error).toMatchObject({ message: 'mine', status: 404, body: { error: expect.any(Object) } });
  expect(error.openpipe.attempts).toMatchObject([{ outcome: 'not_found', status: 404 }]);
});

describe('an error of a connection', () => {
  test('has the low-level reason as its cause', async ({ stage }) => {
    const { openai } = await stage({ primary: 'refused', maxRetries: 0 });
    const { error } = await ask(openai);

    expect(error.constructor).toBe(OpenAI.APIConnectionError);
    expect(error.message).toMatch(/^Connection error\./);
    expect(error.status).toBeUndefined();
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.cause.code).toBe('ECONNREFUSED');
  });

  test('names the host that does not exist', async () => {
    const openai = new OpenAI(clientOptions('http://x.invalid/v1', 'http://x.invalid/v1', { maxRetries: 0 }));
    const { error } = await ask(openai);

    expect(error.constructor).toBe(OpenAI.APIConnectionError);
    expect(error.cause.code).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
  });

  test('has a cause with a message where the server does not speak TLS', async ({ serve }) => {
    const { port } = await serve();
    const url = `https://127.0.0.1:${port}/v1`;
    const { error } = await ask(new OpenAI(clientOptions(url, url, { maxRetries: 0 })));

    expect(error.constructor).toBe(OpenAI.APIConnectionError);
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.cause.message).not.toBe('');
  });
});

test('an error of a timeout is worded as the SDK does', async ({ stage }) => {
  const { openai } = await stage({ primary: { kind: 'silence' }, maxRetries: 0 });
  const { error } = await ask(openai, { options: { timeout: 100 } });

  expect(error.message).toBe(new OpenAI.APIConnectionTimeoutError().message);
  expect(error.openpipe.attempts[0].message).toContain('100 ms');
});

test('an error of a malformed response shows the response', async ({ stage }) => {
  const { openai } = await stage({
    primary: {
      kind: 'status',
      status: 200,
      body: { json: { error: { message: 'The model is overloaded.', code: 'overloaded' } } },
    },
  });
  const { error } = await ask(openai);

  expect(error.constructor).toBe(OpenAI.APIError);
  expect(error).toMatchObject({
    status: undefined,
    code: 'overloaded',
    error: { message: 'The model is overloaded.' },
  });
  expect(error.message).toContain('The model is overloaded.');
  expect(error.headers.get('content-type')).toContain('json');
});

test('`openpipe` on an error is not enumerable, and each call has its own', async ({ stage }) => {
  const { openai } = await stage({
    primary: { kind: 'status', status: 400 },
    fallback: { kind: 'status', status: 401 },
  });
  const [first, second] = await Promise.all([
    ask(openai),
    ask(openai, { openpipe: { fallback: { model: FALLBACK } } }),
  ]);

  for (const { error } of [first, second]) {
    expect(Object.keys(error)).not.toContain('openpipe');
    expect(JSON.stringify(error)).not.toContain('servedBy');
  }
  expect(first.error.openpipe.errors).toHaveLength(1);
  expect(second.error.openpipe.errors).toHaveLength(2);
});

test('a call without the key that it needs names the variable and the option, and sends nothing', async ({ serve }) => {
  const upstream = await serve();
  const neither = new OpenAI({ baseURL: upstream.url, openpipe: { baseUrl: upstream.url }, logLevel: 'off' });
  const ofOpenAI = await ask(neither, { model: 'gpt-4o' });
  const ofOpenPipe = await ask(neither, { model: 'openpipe:x' });

  expect(ofOpenAI.error.constructor).toBe(OpenAI.OpenAIError);
  expect(ofOpenAI.error.message).toMatch(/OPENAI_API_KEY.*`apiKey`/);
  expect(ofOpenPipe.error.constructor).toBe(OpenAI.OpenAIError);
  expect(ofOpenPipe.error.message).toMatch(/OPENPIPE_API_KEY.*`openpipe\.apiKey`/);
  expect(upstream.totalConnections).toBe(0);
});

describe('no key is ever shown', () => {
  /** Every way to print a value. @param {unknown} value */
  function printed(value) {
    let json = '';
    try {
      json = JSON.stringify(value) ?? '';
    } catch {
      // The SDK's own objects are circular.
    }
    return [
      json,
      String(value),
      inspect(value),
      inspect(value, { depth: 20, showHidden: true, getters: true }),
      String(/** @type {any} */ (value)?.stack),
      String(/** @type {any} */ (value)?.message),
    ].join('\n');
  }

  /** @param {string} text */
  function expectNoKey(text) {
    for (const key of [OPENAI_KEY, OPENPIPE_KEY]) {
      expect(text).not.toContain(key);
      expect(text).not.toContain(Buffer.from(key).toString('base64').replace(/=+$/, ''));
      // As an array of bytes or character codes, or cut in the middle.
      expect(text).not.toContain(key.slice(3, 20));
    }
  }

  for (const { name, completion, stream } of misbehaviours) {
    test(`by an error of an upstream that ${name}`, async ({ stage }) => {
      for (const failing of [completion, stream]) {
        const { openai } = await stage({ primary: failing.doing, fallback: failing.doing, maxRetries: 0 });
        const { error } = await ask(openai, {
          stream: failing === stream,
          openpipe: { fallback: { model: FALLBACK } },
          options: { timeout: failing.timeout },
        });
        for (const each of [error, error.cause, error.openpipe, ...error.openpipe.errors]) expectNoKey(printed(each));
      }
    });
  }

  test('by a client, its parts, its promises, completions and streams', async ({ stage }) => {
    const { openai } = await stage({ defaultHeaders: { 'x-api-key': OPENAI_KEY } });
    const promise = openai.chat.completions.create({ model: PRIMARY, messages: MESSAGES });
    const completion = await promise;
    const stream = await openai.chat.completions.create({ model: PRIMARY, messages: MESSAGES, stream: true });
    const shown = [openai, openai.withOptions({}), openai.chat, openai.chat.completions, openai.embeddings];
    for (const each of [...shown, promise, completion, completion.openpipe, stream]) expectNoKey(printed(each));
    await readAll(stream);
    expectNoKey(printed(stream));
    expect(inspect(openai)).toContain('OpenAI');
  });

  test('by a client whose `baseURL` holds one', async () => {
    const openai = new OpenAI({ apiKey: 'k', baseURL: `http://me:${OPENAI_KEY}@127.0.0.1:1/v1?key=${OPENPIPE_KEY}` });
    expectNoKey(printed(openai));
  });

  test('by the log, at any level', async ({ stage }) => {
    /** @type {string[]} */
    const lines = [];
    const log = (/** @type {unknown[]} */ ...what) => void lines.push(what.map(printed).join(' '));
    const logger = { debug: log, info: log, warn: log, error: log };
    const { openai } = await stage({
      primary: { kind: 'status', status: 500 },
      logger,
      logLevel: 'debug',
      openpipe: { fallback: { model: FALLBACK }, onFallback: () => { throw new Error('mine'); } }, // prettier-ignore
    });
    await ask(openai, { openpipe: /** @type {any} */ ({ apiKey: OPENPIPE_KEY, unknown: OPENAI_KEY }) });

    expect(lines.join('\n')).toContain('mine');
    expectNoKey(lines.join('\n'));
  });

  test('by the refusal of a malformed one', async ({ serve }) => {
    const upstream = await serve();
    for (const [apiKey, openpipeKey] of [
      [`${OPENAI_KEY}\nx: y`, OPENPIPE_KEY],
      [OPENAI_KEY, `${OPENPIPE_KEY}\r\nx: y`],
      [`${OPENAI_KEY}\u{1f389}`, OPENPIPE_KEY],
    ]) {
      const openai = new OpenAI(
        clientOptions(upstream.url, upstream.url, { apiKey, openpipe: { apiKey: openpipeKey } }),
      );
      for (const model of ['gpt-4o', 'openpipe:x']) {
        const { error } = await ask(openai, { model });
        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toMatch(/apiKey/);
        expectNoKey(printed(error));
      }
    }
  });

  test('by the refusal of a malformed option that holds one', async ({ serve }) => {
    const upstream = await serve();
    const openai = new OpenAI(clientOptions(upstream.url, upstream.url));
    for (const value of [`Bearer ${OPENAI_KEY}\nx: y`, `${OPENAI_KEY}\0`, `${OPENAI_KEY}\u{1f389}`]) {
      const { error } = await ask(openai, { options: { headers: { authorization: value } } });
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(/authorization/);
      expectNoKey(printed(error));
      const withDefaults = openai.withOptions({ defaultHeaders: { 'x-api-key': value } });
      const refused = (await ask(withDefaults)).error;
      expect(refused).toBeInstanceOf(TypeError);
      expect(refused.message).toMatch(/defaultHeaders/);
      expectNoKey(printed(refused));
    }
    expect(upstream.totalConnections).toBe(0);
    for (const make of [
      () => new OpenAI({ openpipe: /** @type {any} */ ({ apiKey: [OPENPIPE_KEY] }) }),
      () => new OpenAI({ openpipe: /** @type {any} */ (OPENPIPE_KEY) }),
      () => new OpenAI({ openpipe: { baseUrl: /** @type {any} */ ({ OPENPIPE_KEY }) } }),
    ]) {
      expect(make).toThrow(TypeError);
      try {
        make();
      } catch (error) {
        expectNoKey(printed(error));
      }
    }
  });
});
