/** The contents of reports, and which calls are reported (contract.md, section 7). */

import { createRequire } from 'node:module';

import SdkOpenAI from 'openai';
import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { completion } from '../../demo/upstream/payload.mjs';
import { MESSAGES } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { clientOptions, onlyChat, PRIMARY } from '../support/upstreams.mjs';
import { allReported, callToItsEnd, MODEL, NOWHERE, reportsAt, test } from '../support/reporting.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

const require = createRequire(import.meta.url);
const { version } = require('../../package.json');
const SDK_TAGS = { $sdk: 'openpipe-native', '$sdk.version': version };

/** @param {string} model @param {string} content */
const says = (model, content) => ({ choices: [{ message: { role: 'assistant', content } }], model });

describe('a completion', () => {
  test('is reported with the whole request and answer', async ({ stageReports }) => {
    const { openai, openpipe, reports } = await stageReports();
    const body = { model: MODEL, messages: MESSAGES, temperature: 0.5, tools: [], user: 'someone' };
    const before = Date.now();
    const answer = await openai.chat.completions.create({ ...body, openpipe: { tags: { prompt_id: 'counting' } } });
    const after = Date.now();
    await answer.openpipe.reportingFinished;

    const [report, ...more] = reports();
    const { requestedAt, receivedAt, ...rest } = report;
    expect(more).toEqual([]);
    expect(rest).toEqual({
      reqPayload: body,
      respPayload: JSON.parse(JSON.stringify(answer)),
      statusCode: 200,
      tags: { prompt_id: 'counting', ...SDK_TAGS },
    });
    expect(requestedAt).toBe(answer.openpipe.attempts[0]?.startedAt);
    expect(requestedAt).toBeGreaterThanOrEqual(before);
    expect(receivedAt).toBeGreaterThanOrEqual(requestedAt);
    expect(receivedAt).toBeLessThanOrEqual(after);
    expect(Number.isInteger(requestedAt) && Number.isInteger(receivedAt)).toBe(true);
    expect(openpipe.requests).toHaveLength(1);
  });

  test('has its duration in the report', async ({ stageReports }) => {
    const { only } = await stageReports({ calls: { kind: 'answer', delayMs: 400 } });
    const { requestedAt, receivedAt } = await only();
    expect(receivedAt - requestedAt).toBeGreaterThanOrEqual(390);
  });

  test('is reported without changes to numbers and texts', async ({ stageReports }) => {
    const answer =
      '{"choices":[{"message":{}}],"seed":12345678901234567890,"float":1.0,"text":"\\ud83d\\ude00 é","later":null}';
    const calls = /** @type {Behaviour} */ ({ kind: 'status', status: 200, body: { bytes: answer } });
    const { only, openpipe } = await stageReports({ calls });
    await only({ body: { messages: [{ role: 'user', content: 'Ünïcödé 漢字 😀 "\\\n' }] } });

    const { rawBody, body } = /** @type {any} */ (openpipe.requests[0]);
    expect(rawBody).toContain(`"respPayload":${answer}`);
    expect(body.reqPayload.messages[0].content).toBe('Ünïcödé 漢字 😀 "\\\n');
  });

  test('of `parse()` is reported as any other', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({ calls: { kind: 'answer', content: '{"a":1}' } });
    const format = /** @type {const} */ ({ type: 'json_schema', json_schema: { name: 's', schema: {} } });
    const { openpipe } = await openai.chat.completions.parse({
      model: MODEL,
      messages: MESSAGES,
      response_format: format,
    });
    await openpipe.reportingFinished;

    expect(reports()).toMatchObject([
      { reqPayload: { response_format: format }, respPayload: says(MODEL, '{"a":1}'), statusCode: 200 },
    ]);
    expect(reports()[0].respPayload.choices[0].message).not.toHaveProperty('parsed');
  });

  test('of the third try is reported once', async ({ stageReports }) => {
    const failWith = /** @type {const} */ ({ kind: 'status', status: 500, headers: { 'retry-after-ms': '1' } });
    const stage = await stageReports({ calls: { kind: 'answer', failFirst: 2, failWith }, maxRetries: 2 });
    const report = await stage.only();

    expect(stage.upstream.requests).toHaveLength(3);
    expect(report).toMatchObject({ statusCode: 200 });
    expect(report).not.toHaveProperty('errorMessage');
    expect(await allReported(stage)).toHaveLength(1);
  });
});

describe('tags', () => {
  test("of the call are merged over the client's, with those of this package", async ({ stageReports }) => {
    const { only } = await stageReports({ openpipe: { tags: { team: 'a', prompt_id: 'none', n: 1, off: false } } });
    const tags = { prompt_id: 'counting', name: 'é漢😀', nothing: null };
    const report = await only({ body: { openpipe: { tags } } });

    expect(report.tags).toEqual({ team: 'a', n: 1, off: false, ...tags, ...SDK_TAGS });
  });

  test('of this package are sent where the caller has none', async ({ stageReports }) => {
    const { only } = await stageReports();
    expect((await only()).tags).toEqual(SDK_TAGS);
  });
});

describe('metadata', () => {
  for (const [name, body, sent] of /** @type {[string, any, any][]} */ ([
    ['is reported, though it is not sent', { metadata: { prompt_id: 'x' } }, undefined],
    ['is sent as well with `store`', { store: true, metadata: { prompt_id: 'x' } }, { prompt_id: 'x' }],
  ])) {
    test(name, async ({ stageReports }) => {
      const { only, upstream } = await stageReports();
      const { reqPayload } = await only({ body });

      expect(reqPayload).toEqual({ model: MODEL, messages: MESSAGES, ...body });
      expect(onlyChat(upstream).body.metadata).toEqual(sent);
    });
  }

  test('of a fallback is reported, though it is not sent', async ({ stageReports }) => {
    const { only, upstream } = await stageReports({ openpipeCalls: { kind: 'status', status: 500 } });
    const body = { model: PRIMARY, metadata: { a: 'b' }, openpipe: { fallback: { model: MODEL } } };
    expect((await only({ body })).reqPayload).toEqual({ model: MODEL, messages: MESSAGES, metadata: { a: 'b' } });
    expect(onlyChat(upstream).body).not.toHaveProperty('metadata');
  });
});

describe('a fallback', () => {
  test('is reported with its own model, and OpenPipe logs the primary itself', async ({ stageReports }) => {
    const { only, openpipe } = await stageReports({ openpipeCalls: { kind: 'status', status: 503 } });
    const fallback = { model: 'second', params: { temperature: 0 }, omit: ['user'] };
    const report = await only({ body: { model: PRIMARY, user: 'me', openpipe: { fallback } } });

    expect(report).toMatchObject({ respPayload: says('second', 'Answered by the upstream, with the model second.') });
    expect(report.reqPayload).toEqual({ model: 'second', messages: MESSAGES, temperature: 0 });
    expect(report.statusCode).toBe(200);
    expect(onlyChat(openpipe).headers['op-log-request']).toBe('true');
  });

  test('is reported with the failed primary, where that was not OpenPipe either', async ({ stageReports }) => {
    const stage = await stageReports({
      calls: ({ body }) => (body.model === 'second' ? undefined : { kind: 'status', status: 500 }),
    });
    const info = await callToItsEnd(stage.openai, { openpipe: { fallback: { model: 'second' } } });
    await info.reportingFinished;

    const reports = stage.reports();
    expect(reports.map(({ reqPayload, statusCode }) => [reqPayload.model, statusCode]).sort()).toEqual([
      [MODEL, 500],
      ['second', 200],
    ]);
    for (const { requestedAt, reqPayload } of reports) {
      const attempt = info.attempts.find((/** @type {any} */ { model }) => model === reqPayload.model);
      expect(requestedAt).toBe(attempt.startedAt);
    }
  });

  test('of a custom client is reported by its completion', async ({ stageReports }) => {
    const { only } = await stageReports({ openpipeCalls: { kind: 'status', status: 500 } });
    const client = clientThat(async ({ model }) => ({ ...completion(model, 'from JavaScript'), extra: 1 }));
    const body = { model: PRIMARY, metadata: { a: 'b' }, openpipe: { fallback: { model: 'third', client } } };
    const report = await only({ body });

    expect(report).toMatchObject({ respPayload: { ...says('third', 'from JavaScript'), extra: 1 }, statusCode: 200 });
    expect(report.reqPayload).toEqual({ model: 'third', messages: MESSAGES, metadata: { a: 'b' } });
    expect(report.tags).toEqual(SDK_TAGS);
    expect(report).not.toHaveProperty('errorMessage');
  });

  test('of every target in a long chain is reported once', async ({ stageReports }) => {
    const stage = await stageReports({ calls: { kind: 'status', status: 500 } });
    const failing = clientThat(() => Promise.reject(new TypeError('my own mistake')));
    const fallback = [
      { model: 'two' },
      { model: 'three', client: failing },
      { model: 'openpipe:four' },
      { model: 'five' },
    ];
    const info = await callToItsEnd(stage.openai, { openpipe: { fallback } });
    await info.reportingFinished;
    expect(info.attempts).toHaveLength(4);
    expect(info.servedBy).toBe('fallback');

    const reports = await allReported(stage);
    expect(reports.map(({ reqPayload }) => reqPayload.model).sort()).toEqual([MODEL, 'three', 'two']);
    const three = reports.find(({ reqPayload }) => reqPayload.model === 'three');
    expect(three.errorMessage).toBe('my own mistake');
    expect(three).not.toHaveProperty('statusCode');
  });
});

describe('a failure', () => {
  /** What an upstream does, and what the report says besides what was asked. */
  /** @type {[string, Behaviour, object, any?][]} */
  const failures = [
    [
      'with an error object',
      { kind: 'status', status: 429, error: { message: 'Slow "down".', code: 'rate', type: 'limit', param: null } },
      {
        statusCode: 429,
        errorMessage: 'Slow "down".',
        respPayload: { message: 'Slow "down".', code: 'rate', type: 'limit', param: null },
      },
    ],
    [
      'with HTML',
      { kind: 'status', status: 502, body: 'html' },
      { statusCode: 502, errorMessage: expect.stringContaining('502') },
    ],
    [
      'with nothing',
      { kind: 'status', status: 500, body: 'empty' },
      { statusCode: 500, errorMessage: expect.stringContaining('500') },
    ],
    [
      'that is no completion',
      { kind: 'status', status: 200, body: 'html' },
      { statusCode: 200, errorMessage: expect.any(String) },
    ],
    [
      'that says it is a success',
      { kind: 'status', status: 200, body: { json: { error: { message: 'overloaded' } } } },
      { statusCode: 200, errorMessage: 'overloaded', respPayload: { message: 'overloaded' } },
    ],
    ['of the connection', { kind: 'reset' }, { errorMessage: expect.any(String) }],
    ['in the middle of the body', { kind: 'half-body' }, { errorMessage: expect.any(String) }],
    ['by silence', { kind: 'silence' }, { errorMessage: expect.stringContaining('300') }, { timeout: 300 }],
  ];
  for (const [name, calls, expected, options] of failures) {
    test(`${name} is reported`, async ({ stageReports }) => {
      const stage = await stageReports({ calls });
      const { requestedAt, receivedAt, reqPayload, tags, ...rest } = await stage.only({ options });

      expect(rest).toEqual(expected);
      expect([reqPayload, tags]).toEqual([{ model: MODEL, messages: MESSAGES }, SDK_TAGS]);
      expect(receivedAt).toBeGreaterThanOrEqual(requestedAt);
      expect(await allReported({ ...stage, options: { ...stage.options, timeout: 300 } })).toHaveLength(1);
    });
  }

  test('of the connection is reported', async ({ stageReports }) => {
    const { only } = await stageReports({ baseURL: NOWHERE });
    const report = await only();

    expect(report.errorMessage).toEqual(expect.any(String));
    expect(report).not.toHaveProperty('statusCode');
    expect(report).not.toHaveProperty('respPayload');
  });

  test("of the SDK as a custom client is reported with the error's status, message and object", async ({
    stageReports,
    serve,
  }) => {
    const told = { message: 'No such model.', code: 'model_not_found', type: 'invalid_request_error', param: null };
    const elsewhere = await serve({ kind: 'status', status: 404, error: told });
    const { only } = await stageReports({ openpipeCalls: { kind: 'status', status: 500 } });
    const client = new SdkOpenAI({ apiKey: OPENAI_KEY, baseURL: elsewhere.url });
    const report = await only({ body: { model: PRIMARY, openpipe: { fallback: { model: 'gone', client } } } });

    expect(report).toMatchObject({ statusCode: 404, reqPayload: { model: 'gone' }, respPayload: told });
    expect(report.errorMessage).toBe('No such model.');
  });
});

describe('nothing is reported', () => {
  /** @type {[string, any, any?, any?][]} */
  const cases = [
    ['of what OpenPipe served', { model: PRIMARY }],
    ['of what OpenPipe failed to serve', { model: PRIMARY }, { openpipeCalls: { kind: 'status', status: 500 } }],
    ['of a call through the cache', { openpipe: { cache: 'readWrite' } }],
    ['where the call says so', { openpipe: { logRequest: false } }],
    ['where the client says so', {}, { openpipe: { logRequest: false } }],
    ['of a fallback, where the call says so',
      { model: PRIMARY, openpipe: { logRequest: false, fallback: { model: MODEL } } },
      { openpipeCalls: { kind: 'status', status: 500 } }],
    ['of a failure, where the call says so', { openpipe: { logRequest: false } },
      { calls: (/** @type {any} */ { body }) => body.user ? undefined : { kind: 'status', status: 500 } }],
    ['of a malformed call', { model: 5 }],
  ]; // prettier-ignore
  for (const [name, body, staging] of cases) {
    for (const stream of [false, true]) {
      test(`${name} (${stream ? 'stream' : 'completion'})`, async ({ stageReports }) => {
        const stage = await stageReports(staging);
        const info = await callToItsEnd(stage.openai, { stream, ...body });
        await info?.reportingFinished;
        expect(await allReported(stage)).toEqual([]);
      });
    }
  }

  test('without a key of OpenPipe', async ({ stageReports }) => {
    const stage = await stageReports();
    const openai = new OpenAI({
      apiKey: OPENAI_KEY,
      baseURL: stage.upstream.url,
      logLevel: 'off',
      openpipe: { baseUrl: stage.openpipe.url },
    });
    const info = await callToItsEnd(openai, {});
    await info.reportingFinished;
    expect(info.attempts).toMatchObject([{ outcome: 'ok' }]);
    expect(await allReported(stage)).toEqual([]);
  });

  test('for a call of another endpoint', async ({ stageReports }) => {
    const stage = await stageReports({
      calls: ({ path }) =>
        path.endsWith('/models') ? { kind: 'status', status: 200, body: { json: { data: [] } } } : undefined,
    });
    await stage.openai.models.list();
    expect(await allReported(stage)).toEqual([]);
  });
});

describe('a client of this package as the fallback of another', () => {
  const CjsOpenAI = require('openpipe-native');
  for (const [name, Inner] of /** @type {[string, any][]} */ ([
    ['the same entry', OpenAI],
    ['the other entry', CjsOpenAI],
  ])) {
    for (const stream of [false, true]) {
      test(`leaves the report to the outer one: ${name}, ${stream ? 'stream' : 'completion'}`, async ({
        stageReports,
        serve,
      }) => {
        const [elsewhere, otherProject] = [await serve(), await serve()];
        const stage = await stageReports({ openpipeCalls: { kind: 'status', status: 500 } });
        const inner = new Inner(clientOptions(otherProject.url, elsewhere.url, { openpipe: { logRequest: true } }));
        const openpipe = { fallback: { model: 'inner', client: inner } };
        const report = await stage.only({ body: { model: PRIMARY, stream, openpipe } });

        expect(report).toMatchObject({
          reqPayload: { model: 'inner' },
          respPayload: { model: 'inner' },
          statusCode: 200,
        });
        expect(onlyChat(elsewhere).body).not.toHaveProperty('openpipe');
        await inner.flush();
        expect(reportsAt(otherProject)).toEqual([]);
        expect(await allReported(stage)).toHaveLength(1);
      });
    }
  }

  for (const [how, standIn] of /** @type {[string, (inner: any) => any][]} */ ([
    ['a proxy around it', (inner) => new Proxy(inner, {})],
    ['an object with its `chat`', (inner) => ({ chat: inner.chat })],
    ['an object made from it', (inner) => Object.create(inner)],
  ])) {
    test(`leaves the report to the outer one, also by ${how}`, async ({ stageReports, serve }) => {
      const [elsewhere, otherProject] = [await serve(), await serve()];
      const stage = await stageReports({ openpipeCalls: { kind: 'status', status: 500 } });
      const inner = new OpenAI(clientOptions(otherProject.url, elsewhere.url, { openpipe: { logRequest: true } }));
      const openpipe = { fallback: { model: 'inner', client: standIn(inner) } };
      await stage.only({ body: { model: PRIMARY, openpipe } });

      await inner.flush();
      expect(reportsAt(otherProject)).toEqual([]);
    });
  }

  test('whose members cannot be read is still called', async ({ stageReports }) => {
    const stage = await stageReports({ openpipeCalls: { kind: 'status', status: 500 } });
    const create = async () => ({ id: 'c', model: 'm', choices: [{ message: {} }] });
    const client = {
      get chat() {
        return {
          completions: new Proxy(
            { create },
            { get: (target, name) => (name !== 'create' ? refuse() : Reflect.get(target, name)) },
          ),
        };
      },
    };
    expect(
      await stage.only({ body: { model: PRIMARY, openpipe: { fallback: { model: 'inner', client } } } }),
    ).toMatchObject({ statusCode: 200 });
  });

  test('reports its own calls as before', async ({ stageReports }) => {
    const inner = await stageReports();
    const outer = await stageReports({ openpipe: { fallbackClient: inner.openai } });
    expect(await inner.only()).toMatchObject({ statusCode: 200 });
    expect(await allReported(outer)).toEqual([]);
  });
});

describe('a report holds no key', () => {
  // Every report of all these tests is searched for those of the client.
  test("nor one of a call's headers", async ({ stageReports }) => {
    const secrets = ['sk-of-the-call-91', 'cookie-of-the-call-92', 'api-key-of-the-call-93'];
    const headers = { authorization: `Bearer ${secrets[0]}`, cookie: secrets[1], 'x-api-key': secrets[2] };
    for (const calls of /** @type {Behaviour[]} */ ([{ kind: 'answer' }, { kind: 'status', status: 401 }])) {
      const { only, openpipe, upstream } = await stageReports({ calls, defaultHeaders: { 'x-api-key': 'default-94' } });
      await only({ options: { headers } });

      expect(onlyChat(upstream).headers['x-api-key']).toBe(secrets[2]);
      const { rawBody, rawHeaders } = /** @type {any} */ (openpipe.requests[0]);
      for (const secret of [...secrets, 'default-94', OPENAI_KEY]) {
        expect(rawBody).not.toContain(secret);
        expect(rawHeaders.join('\n')).not.toContain(secret);
      }
      expect(rawHeaders.join('\n')).toContain(OPENPIPE_KEY);
    }
  });
});

/** @returns {never} */
function refuse() {
  throw new Error('no such member');
}

/** @param {(body: any, options: any) => Promise<any>} create */
function clientThat(create) {
  return { chat: { completions: { create } } };
}
