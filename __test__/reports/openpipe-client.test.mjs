/** OpenPipe's own API: the class of `openpipe-native/client` (issue 4). */

import { createRequire } from 'node:module';
import { inspect } from 'node:util';

import * as esm from 'openai';
import OpenAI from 'openpipe-native';
import OpenPipe, * as entry from 'openpipe-native/client';
import Reference from 'openpipe/client';
import { afterEach, describe, expect, vi } from 'vitest';

import { eventually, rejection } from '../support/calls.mjs';
import { OPENPIPE_KEY } from '../support/keys.mjs';
import { runProgram } from '../support/programs.mjs';
import { clientOptions, test } from '../support/upstreams.mjs';
import { NOWHERE } from '../support/reporting.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

const require = createRequire(import.meta.url);
/** @type {typeof import('openai')} */
const cjs = require('openai');
/** @type {any} */
const CjsOpenPipe = require('openpipe-native/client');
const { version } = require('../../package.json');

afterEach(() => vi.unstubAllEnvs());

const RESULT = { object: 'list', data: [{ id: 'é漢😀', big: 1.5 }] };
/** @type {Behaviour} */
const GIVES = { kind: 'status', status: 200, body: { json: RESULT } };

const messages = [{ role: 'user', content: 'Ünïcödé 😀' }];
const filters = [{ field: 'completionId', equals: 'chatcmpl-1' }];
/** Each method, its arguments, and the HTTP request that it sends. @type {[string, any[], string, string, any?][]} */
const methods = [
  ['report', [{ requestedAt: 1, reqPayload: { messages } }], 'POST', '/report'],
  ['reportAnthropic', [{ reqPayload: { messages }, metadata: { a: 'b' } }], 'POST', '/report-anthropic'],
  ['updateLogMetadata', [{ filters, metadata: { a: null } }], 'POST', '/logs/update-metadata'],
  ['updateLogTags', [{ filters, tags: { a: 1 } }], 'POST', '/logs/update-tags'],
  ['getCriterionJudgement', [{ criterion_id: 'c', output: { role: 'assistant', content: '' } }], 'POST', '/criteria/judge'],
  ['createDataset', [{ name: 'counting' }], 'POST', '/datasets'],
  ['listDatasets', [], 'GET', '/datasets'],
  ['deleteDataset', ['id-1'], 'DELETE', '/datasets/id-1'],
  ['createDatasetEntries', ['id-1', { entries: [{ messages }] }], 'POST', '/datasets/id-1/entries'],
  ['createModel', [{ datasetId: 'd', slug: 's', trainingConfig: { provider: 'openpipe', baseModel: 'm' } }], 'POST', '/models'],
  ['listModels', [], 'GET', '/models'],
  ['getModel', ['openpipe-model.v2'], 'GET', '/models/openpipe-model.v2'],
  ['deleteModel', ['s'], 'DELETE', '/models/s'],
]; // prettier-ignore
const names = methods.map(([name]) => name);

/** @type {[string, any, any, any][]} */
const entries = [
  ['ESM', OpenPipe, esm, cjs],
  ['CommonJS', CjsOpenPipe, cjs, esm],
];

/** @param {any} client @param {string} name @param {any[]} args */
const call = (client, name, args) => client[name](...args);

describe('the entries', () => {
  test('export the class', () => {
    expect(entry.OpenPipe).toBe(OpenPipe);
    expect(CjsOpenPipe.default).toBe(CjsOpenPipe);
    expect(CjsOpenPipe.OpenPipe).toBe(CjsOpenPipe);
    expect(CjsOpenPipe).not.toBe(OpenPipe);
    expect([OpenPipe.name, CjsOpenPipe.name]).toEqual(['OpenPipe', 'OpenPipe']);
  });

  test('have every method of the reference client that is not called unstable', () => {
    const wanted = Object.getOwnPropertyNames(Reference.prototype).filter(
      (name) => !/^unstable|^constructor$/.test(name),
    );
    expect([...names].sort()).toEqual(wanted.sort());
    for (const name of names) expect(Reflect.get(new OpenPipe(), name)).toBeTypeOf('function');
  });
});

describe('a method', () => {
  for (const [format, Client] of entries) {
    for (const [name, args, method, path] of methods) {
      test(`${name} sends its request and gives the result: ${format}`, async ({ serve }) => {
        const upstream = await serve(GIVES);
        const openpipe = new Client({ apiKey: OPENPIPE_KEY, baseUrl: `${upstream.url}/` });
        expect(await call(openpipe, name, args)).toEqual(RESULT);

        const [request, ...more] = upstream.requests;
        expect(more).toEqual([]);
        expect([request?.method, request?.path]).toEqual([method, `/v1${path}`]);
        expect(request?.headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
        expect(request?.headers.accept).toBe('application/json');
        expect(request?.headers['user-agent']).toBe(`openpipe-native/${version}`);
        if (method === 'POST') {
          expect(request?.body).toEqual(args.at(-1));
          expect(request?.headers['content-type']).toBe('application/json');
        } else {
          expect(request?.rawBody).toBe('');
          expect(request?.headers).not.toHaveProperty('content-type');
        }
      });
    }
  }

  test('sends what the reference client sends', async ({ serve }) => {
    const upstream = await serve(GIVES);
    const options = { apiKey: OPENPIPE_KEY, baseUrl: upstream.url };
    for (const [name, args] of methods) {
      upstream.reset();
      const results = [];
      for (const client of [new Reference(options), new OpenPipe(options)])
        results.push(await call(client, name, args));
      const [theirs, ours] = upstream.requests.map(({ method, path, rawBody, headers }) => ({
        ...{ method, path, rawBody },
        ...{ key: headers.authorization, type: headers['content-type'] },
      }));
      expect(ours, name).toEqual(theirs);
      expect(results[1], name).toEqual(results[0]);
    }
  });

  test('encodes an id as one segment of the path', async ({ serve }) => {
    const upstream = await serve(GIVES);
    const openpipe = new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url });
    for (const id of ['a/b', '../secrets', 'a?b=c#d', 'ü 😀', '%2e%2e', '$&']) {
      upstream.reset();
      await openpipe.getModel(id);
      await openpipe.createDatasetEntries(id, { entries: [] });
      const paths = upstream.requests.map(({ path }) => path);
      expect(paths).toEqual([`/v1/models/${encodeURIComponent(id)}`, `/v1/datasets/${encodeURIComponent(id)}/entries`]);
    }
  });

  test('returns the response as JavaScript parses it, and undefined for an empty one', async ({ serve }) => {
    const answers = [
      { bytes: '{"a":1.0,"b":[null,true],"c":"\\ud83d\\ude00"}' },
      { bytes: '[]' },
      { bytes: 'null' },
      /** @type {const} */ ('empty'),
    ];
    const upstream = await serve(() => ({ kind: 'status', status: 200, body: answers[upstream.requests.length - 1] }));
    const openpipe = new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url });
    const results = [];
    for (const _ of answers) results.push(await openpipe.listModels());
    expect(results).toEqual([{ a: 1, b: [null, true], c: '😀' }, [], null, undefined]);
  });

  test('may run concurrently', async ({ serve }) => {
    const upstream = await serve(({ path }) => ({
      kind: 'status',
      status: 200,
      delayMs: 30 - Number(path.slice(-2)),
      body: { json: { path } },
    }));
    const openpipe = new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url });
    const ids = Array.from({ length: 20 }, (_, number) => `m${number + 10}`);
    const results = /** @type {any[]} */ (await Promise.all(ids.map((id) => openpipe.getModel(id))));
    expect(results.map(({ path }) => path)).toEqual(ids.map((id) => `/v1/models/${id}`));
  });
});

describe('an error', () => {
  /** @type {[number, any][]} */
  const statuses = [
    [400, 'BadRequestError'],
    [401, 'AuthenticationError'],
    [403, 'PermissionDeniedError'],
    [404, 'NotFoundError'],
    [409, 'ConflictError'],
    [422, 'UnprocessableEntityError'],
    [429, 'RateLimitError'],
    [500, 'InternalServerError'],
    [503, 'InternalServerError'],
    [418, 'APIError'],
  ];
  for (const [format, Client, own, other] of entries) {
    test(`of a status is the SDK's class for it: ${format}`, async ({ serve }) => {
      const upstream = await serve(({ path }) => ({
        kind: 'status',
        status: Number(path.slice(-3)),
        headers: { 'x-request-id': 'req_1' },
        body: { json: { message: 'Not today.', code: 'NOPE', issues: [1] } },
      }));
      const openpipe = new Client({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url });
      for (const [status, name] of statuses) {
        const error = await rejection(openpipe.getModel(String(status)));
        expect(error.constructor, name).toBe(own[name]);
        expect(error).not.toBeInstanceOf(other.APIError);
        expect(error).toMatchObject({ status, requestID: 'req_1', code: 'NOPE' });
        expect(error.message).toBe(`${status} Not today.`);
        expect(error.error).toMatchObject({ message: 'Not today.', issues: [1] });
        expect(error.headers).toBeInstanceOf(Headers);
      }
      expect(upstream.requests).toHaveLength(statuses.length);
    });

    test(`of the connection is the SDK's: ${format}`, async () => {
      const error = await rejection(new Client({ apiKey: OPENPIPE_KEY, baseUrl: NOWHERE }).listModels());
      expect(error.constructor).toBe(own.APIConnectionError);
      expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
    });

    test(`of a missing key is the SDK's OpenAIError, before anything is sent: ${format}`, async ({ serve }) => {
      const upstream = await serve(GIVES);
      for (const config of [{ baseUrl: upstream.url }, { baseUrl: upstream.url, apiKey: '  ' }]) {
        for (const [name, args] of methods) {
          const error = await rejection(call(new Client(config), name, args));
          expect(error.constructor, name).toBe(own.OpenAIError);
          expect(error.message).toMatch(/OPENPIPE_API_KEY.*`apiKey`/);
        }
      }
      expect(upstream.requests).toEqual([]);
    });
  }

  test("has the body's `error` where it has one", async ({ serve }) => {
    const upstream = await serve({ kind: 'status', status: 400, error: { message: 'So.', code: 'c', param: 'p' } });
    const error = await rejection(new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url }).listModels());
    expect(error).toMatchObject({ message: '400 So.', code: 'c', param: 'p' });
  });

  test('is an APIError where the response is malformed', async ({ serve }) => {
    for (const [behaviour, message] of /** @type {[Behaviour, RegExp][]} */ ([
      [{ kind: 'status', status: 200, body: 'html' }, /JSON/],
      [{ kind: 'status', status: 502, body: 'html' }, /502/],
      [{ kind: 'status', status: 500, body: 'empty' }, /500/],
      [{ kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: 'empty' }, /302/],
    ])) {
      const upstream = await serve(behaviour);
      const error = await rejection(new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url }).listModels());
      expect(error).toBeInstanceOf(esm.APIError);
      expect(error.message).toMatch(message);
    }
    for (const kind of /** @type {const} */ (['reset', 'half-body', 'garbage'])) {
      const upstream = await serve({ kind });
      const error = await rejection(new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url }).listModels());
      expect(error.constructor, kind).toBe(esm.APIConnectionError);
    }
  });

  test('is a TypeError for a bad argument, before anything is sent', async ({ serve }) => {
    const upstream = await serve(GIVES);
    const openpipe = new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url });
    /** @type {any} */
    const circular = {};
    circular.self = circular;
    for (const [name, args] of methods) {
      for (let index = 0; index < args.length; index += 1) {
        const isId = typeof args[index] === 'string';
        for (const bad of isId
          ? [undefined, null, '', '.', '..', 5, {}]
          : [undefined, null, 'text', 5, circular, { n: 1n }]) {
          const promise = call(openpipe, name, args.with?.(index, bad) ?? Object.assign([...args], { [index]: bad }));
          expect(promise).toBeInstanceOf(Promise);
          const error = await rejection(promise);
          expect(error, `${name} ${inspect(bad)}`).toBeInstanceOf(TypeError);
          if (isId) expect(error.message).toContain(name);
        }
      }
    }
    expect(upstream.requests).toEqual([]);
  });

  test('is a TypeError for a malformed URL or key, and never repeats the key', async () => {
    for (const baseUrl of ['nonsense', 'ftp://example.com', '/api', 'https://exa mple']) {
      const error = await rejection(new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl }).listModels());
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('`baseUrl`');
    }
    for (const apiKey of [`${OPENPIPE_KEY}\r\nx-evil: 1`, `${OPENPIPE_KEY}\0`, `${OPENPIPE_KEY}…`]) {
      const error = await rejection(new OpenPipe({ apiKey, baseUrl: NOWHERE }).listModels());
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('`apiKey`');
      expect(inspect(error)).not.toContain(OPENPIPE_KEY);
    }
  });

  test('is a TypeError of the constructor for an option of the wrong kind', () => {
    for (const config of [
      { apiKey: 5 },
      { apiKey: async () => 'k' },
      { baseUrl: new URL(NOWHERE) },
      'a key',
      null,
      5,
    ]) {
      const make = () => new OpenPipe(/** @type {any} */ (config));
      expect(make, inspect(config)).toThrow(TypeError);
      expect(make).not.toThrow('a key');
    }
  });

  test('is a TypeError of a method that is called on another object', async () => {
    const { listModels } = OpenPipe.prototype;
    for (const self of [undefined, {}, Object.create(new OpenPipe({ apiKey: OPENPIPE_KEY }))]) {
      const error = await rejection(listModels.call(self));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('listModels');
    }
  });
});

describe('key and URL', () => {
  test('are read from the environment when the client is made, where they are not given', async ({ serve }) => {
    const [upstream, other] = [await serve(GIVES), await serve(GIVES)];
    vi.stubEnv('OPENPIPE_API_KEY', ` ${OPENPIPE_KEY} `);
    vi.stubEnv('OPENPIPE_BASE_URL', `${upstream.url}//`);
    const fromEnvironment = [new OpenPipe(), new OpenPipe({}), new CjsOpenPipe({ apiKey: undefined, baseUrl: '' })];
    const given = new OpenPipe({ apiKey: 'opk-other', baseUrl: other.url });
    vi.unstubAllEnvs();
    for (const client of [...fromEnvironment, given]) await client.listModels();

    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual(
      Array(3).fill(`Bearer ${OPENPIPE_KEY}`),
    );
    expect(upstream.requests.map(({ path }) => path)).toEqual(Array(3).fill('/v1/models'));
    expect(other.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer opk-other']);
  });

  test('are not shown when a client is printed', () => {
    for (const [, Client] of entries) {
      const openpipe = new Client({ apiKey: OPENPIPE_KEY, baseUrl: NOWHERE });
      const shown = [
        inspect(openpipe, { showHidden: true, depth: 9, getters: true, showProxy: true }),
        inspect(Client, { showHidden: true, depth: 9 }),
        JSON.stringify(openpipe),
        String(openpipe),
        JSON.stringify(Object.getOwnPropertyDescriptors(openpipe)),
        ...Reflect.ownKeys(openpipe).map((name) => String(openpipe[name])),
      ];
      for (const text of shown) expect(text).not.toContain(OPENPIPE_KEY);
    }
  });

  test('are not in an error', async ({ serve }) => {
    for (const kind of /** @type {const} */ (['reset', 'garbage', 'close'])) {
      const upstream = await serve({ kind });
      const error = await rejection(new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url }).report({}));
      expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain(OPENPIPE_KEY);
    }
  });
});

test('an instance can be given as the option `openpipe`', async ({ serve }) => {
  const [upstream, openpipe] = [await serve(), await serve()];
  const { code, stdout, stderr } = await runProgram('reports/programs/instance', [upstream.url, openpipe.url]);

  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const pairs = ['esm esm', 'esm cjs', 'cjs esm', 'cjs cjs'];
  expect(stdout.trim().split('\n')).toEqual(
    pairs.flatMap((pair) => Array(4).fill(`${pair} openpipe openai no key seen`)),
  );
  expect(openpipe.requests).toHaveLength(32);
  for (const { headers } of openpipe.requests) expect(headers.authorization).toBe('Bearer opk-of-the-instance');
  const tags = openpipe.requests.filter(({ path }) => path.endsWith('/report')).map(({ body }) => body.tags.a);
  expect(tags).toEqual(pairs.flatMap(() => [undefined, undefined, 1, undefined]));
});

test('a call that is reported by hand is not reported again', async ({ serve }) => {
  const upstream = await serve({ kind: 'status', status: 200, body: { json: { status: 'ok' } } });
  const openpipe = new OpenPipe({ apiKey: OPENPIPE_KEY, baseUrl: upstream.url });
  expect(await openpipe.report({ reqPayload: {} })).toEqual({ status: 'ok' });
  expect(await new OpenAI(clientOptions(upstream.url, upstream.url)).flush()).toMatchObject({ pending: 0 });
  expect(await eventually(() => upstream.requests.length > 1, 300)).toBe(false);
});
