/** Custom clients among other targets, and their attempts, errors and events (contract.md, sections 2, 3, 6). */

import diagnostics from 'node:diagnostics_channel';

import Groq from 'groq-sdk';
import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { chats, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';
import { completion, FAILING, healthyClient, MODEL, onlyAsked, plainClient, streamOf, TO_CLIENT } from '../support/custom-clients.mjs'; // prettier-ignore
import { CLIENT_KEY } from '../support/custom-sdks.mjs';

/** @import { CallEvent, FallbackEvent } from 'openpipe-native' */

const MODES = /** @type {const} */ ([
  ['completion', false],
  ['stream', true],
]);

for (const [what, stream] of MODES) {
  describe(`a ${what} with native and custom targets`, () => {
    test('goes from a failing client to a native target', async ({ stage }) => {
      const failing = failingClient(503);
      const { openai, fallback } = await stage({ primary: FAILING });
      const told = await ask(openai, {
        stream,
        openpipe: { fallback: [{ model: 'a', client: failing.client }, { model: 'b' }] },
      });

      expect(told.text).toBe('Answered by the fallback, with the model b.');
      expect(told.info).toMatchObject({ servedBy: 'fallback', model: 'b' });
      expect(told.info.attempts).toMatchObject([
        { upstream: 'openpipe', model: PRIMARY, outcome: 'bad_request' },
        { upstream: 'client', model: 'a', outcome: 'server_error', status: 503 },
        { upstream: 'openai', model: 'b', outcome: 'ok' },
      ]);
      expect(onlyChat(fallback).body.model).toBe('b');
    });

    test('goes from a failing native target to a client', async ({ stage }) => {
      const last = healthyClient();
      const { openai, fallback } = await stage({ primary: FAILING, fallback: FAILING });
      const told = await ask(openai, {
        stream,
        openpipe: { fallback: [{ model: 'a' }, { model: 'b', client: last.client }] },
      });

      expect(told.text).toBe('Answered by the client.');
      expect(told.info.attempts.map(({ upstream }) => upstream)).toEqual(['openpipe', 'openai', 'client']);
      expect(onlyChat(fallback).body.model).toBe('a');
      expect(onlyAsked(last.asked).body.model).toBe('b');
    });

    test('goes through clients and native targets in their order', async ({ stage }) => {
      const first = failingClient(429);
      const second = failingClient(401);
      const { openai, primary, fallback } = await stage({
        primary: ({ body }) => (body.model === PRIMARY ? FAILING : { kind: 'status', status: 404 }),
        fallback: { kind: 'status', status: 422 },
        maxRetries: 0,
      });
      const told = await ask(openai, {
        stream,
        openpipe: {
          fallback: [
            { model: 'a', client: first.client },
            { model: 'b' },
            { model: 'openpipe:c' },
            { model: 'd', client: second.client },
          ],
        },
      });

      expect(told.info.attempts.map(({ upstream, model, outcome }) => [upstream, model, outcome])).toEqual([
        ['openpipe', PRIMARY, 'bad_request'],
        ['client', 'a', 'rate_limit'],
        ['openai', 'b', 'bad_request'],
        ['openpipe', 'openpipe:c', 'not_found'],
        ['client', 'd', 'auth'],
      ]);
      const { error } = told;
      expect(error.status).toBe(401);
      expect(error.openpipe.errors).toHaveLength(5);
      expect(error.openpipe.errors.map((/** @type {any} */ each) => each.status)).toEqual([418, 429, 422, 404, 401]);
      expect(chats(primary).map(({ body }) => body.model)).toEqual([PRIMARY, 'openpipe:c']);
      expect(onlyChat(fallback).body.model).toBe('b');
    });
  });
}

for (const [what, stream] of MODES) {
  test(`a ${what} whose primary is healthy calls no client`, async ({ stage }) => {
    const { client, asked } = healthyClient();
    const { openai } = await stage({ openpipe: { fallbackClient: client } });
    const told = await ask(openai, { stream, openpipe: { fallback: [{ model: 'a' }, { model: 'b', client }] } });

    expect(told.info).toMatchObject({ servedBy: 'primary', attempts: [{ upstream: 'openpipe', outcome: 'ok' }] });
    expect(asked).toEqual([]);
  });
}

test("a target's own client comes before the constructor's", async ({ stage }) => {
  const own = healthyClient('Answered by its own.');
  const constructors = healthyClient();
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: constructors.client } });
  const told = await ask(openai, { openpipe: { fallback: { model: MODEL, client: own.client } } });

  expect(told.text).toBe('Answered by its own.');
  expect(constructors.asked).toEqual([]);
});

test("the constructor's client serves every fallback without its own, whatever its model's name", async ({ stage }) => {
  const { client, asked } = healthyClient();
  const { openai, primary } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const told = await ask(openai, { openpipe: { fallback: { model: 'openpipe:elsewhere' } } });

  expect(told.text).toBe('Answered by the client.');
  expect(onlyAsked(asked).body.model).toBe('openpipe:elsewhere');
  expect(chats(primary)).toHaveLength(1);
});

test("the constructor's client serves no primary", async ({ stage }) => {
  const { client, asked } = healthyClient();
  const { openai, fallback: direct } = await stage({ openpipe: { fallbackClient: client } });
  const told = await ask(openai, { model: 'gpt-4o', openpipe: TO_CLIENT });

  expect(told.text).toBe('Answered by the fallback, with the model gpt-4o.');
  expect(onlyChat(direct).body.model).toBe('gpt-4o');
  expect(asked).toEqual([]);
});

test("the constructor's default fallback may name a client", async ({ stage }) => {
  const { client } = healthyClient('Answered by the default.');
  const { openai } = await stage({ primary: FAILING, openpipe: { fallback: { model: MODEL, client } } });

  expect((await ask(openai)).text).toBe('Answered by the default.');
});

test('a client of `withOptions` has the fallback client of the one before it', async ({ stage }) => {
  const { client } = healthyClient();
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client, ...TO_CLIENT } });

  expect((await ask(openai.withOptions({ timeout: 10_000 }))).text).toBe('Answered by the client.');
});

test('a client with a key of its own serves calls of a client without a key', async ({ serve }) => {
  const upstream = await serve(FAILING);
  const { client } = healthyClient();
  const openai = new OpenAI({ openpipe: { apiKey: OPENPIPE_KEY, baseUrl: upstream.url, fallbackClient: client } });

  expect((await ask(openai, { openpipe: TO_CLIENT })).text).toBe('Answered by the client.');
});

test('`on` and `except` see the kinds of failure of clients', async ({ stage }) => {
  const failing = failingClient(429);
  const { openai } = await stage({ primary: FAILING });
  const told = await ask(openai, {
    openpipe: {
      fallback: [
        { model: 'a', client: failing.client },
        { model: 'not-for-rate-limits', except: ['rate_limit'] },
        { model: 'not-for-429', on: ['server_error', 500] },
        { model: 'taken', on: [429] },
      ],
    },
  });

  expect(told.info.model).toBe('taken');
  expect(told.info.attempts).toHaveLength(3);
});

test("a client's failure that no target takes is the error of the call, the same object", async ({ stage }) => {
  const error = Object.assign(new Error('no such model'), { status: 404 });
  const { client } = plainClient(() => Promise.reject(error));
  const { openai, fallback } = await stage({ primary: FAILING });
  const told = await ask(openai, {
    openpipe: {
      fallback: [
        { model: 'a', client },
        { model: 'b', on: ['timeout'] },
      ],
    },
  });

  expect(told.error).toBe(error);
  expect(told.info.attempts).toHaveLength(2);
  expect(fallback.requests).toEqual([]);
});

test('the same client may be several targets', async ({ stage }) => {
  const { client, asked } = plainClient(async (body) => {
    if (body.model !== 'c') throw Object.assign(new Error('no'), { status: 500 });
    return completion(body.model, 'the third time');
  });
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const told = await ask(openai, { openpipe: { fallback: [{ model: 'a' }, { model: 'b' }, { model: 'c', client }] } });

  expect(told.text).toBe('the third time');
  expect(asked.map(({ body }) => body.model)).toEqual(['a', 'b', 'c']);
});

describe('an error of a client is classified', () => {
  /** @type {[string, unknown, string][]} */
  const thrown = [
    ...statuses([
      [400, 'bad_request'],
      [401, 'auth'],
      [403, 'auth'],
      [404, 'not_found'],
      [408, 'server_error'],
      [409, 'server_error'],
      [413, 'bad_request'],
      [422, 'bad_request'],
      [429, 'rate_limit'],
      [500, 'server_error'],
      [503, 'server_error'],
      [529, 'server_error'],
    ]),
    ['by the code of the API', withMembers({ status: 400, code: 'context_length_exceeded' }), 'context_length'],
    ['by `error.code`', withMembers({ status: 400, error: { code: 'content_filter' } }), 'content_filter'],
    [
      'by the code in the whole body',
      withMembers({ status: 400, error: { error: { code: 'content_policy_violation' } } }),
      'content_filter',
    ],
    ['by the code of Node.js', withMembers({ code: 'ECONNREFUSED' }), 'connection'],
    ['by a name that was not found', withMembers({ code: 'ENOTFOUND' }), 'connection'],
    ['by the code of undici', withMembers({ code: 'UND_ERR_SOCKET' }), 'connection'],
    ['by the code of its cause', new Error('fetch', { cause: withMembers({ code: 'ECONNRESET' }) }), 'connection'],
    ['by the cause of its cause', new Error('', { cause: { cause: { code: 'EPIPE' } } }), 'connection'],
    ['by a certificate', withMembers({ code: 'CERT_HAS_EXPIRED' }), 'connection'],
    ['by what `fetch` says', new TypeError('fetch failed'), 'connection'],
    ['by the code of a timeout', withMembers({ code: 'ETIMEDOUT' }), 'timeout'],
    ['by undici’s timeout', new TypeError('x', { cause: { code: 'UND_ERR_HEADERS_TIMEOUT' } }), 'timeout'],
    ['by the name of a timeout', withMembers({ name: 'TimeoutError' }), 'timeout'],
    ['by the class of a timeout', new (class RequestTimeoutError extends Error {})('late'), 'timeout'],
    ['by a class above its own', new (class Mine extends Groq.APIConnectionTimeoutError {})(), 'timeout'],
    ['by the class of a connection', new Groq.APIConnectionError({}), 'connection'],
    ['by an abort that the caller did not cause', new DOMException('stopped', 'AbortError'), 'connection'],
    ['by nothing that is known', new Error('something else'), 'invalid_response'],
    ['by a number that is not an HTTP status', withMembers({ status: 12 }), 'invalid_response'],
    ['by a status that is no number', withMembers({ status: '500' }), 'invalid_response'],
  ];
  for (const [how, error, kind] of thrown) {
    test(`${how}: ${kind}`, async ({ stage }) => {
      const { client } = plainClient(() => Promise.reject(error));
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { openpipe: TO_CLIENT });

      expect(told.error).toBe(error);
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: kind, tries: 1 });
    });
  }
});

test('the cause that was added to an error does not count when that error is thrown again', async ({ stage }) => {
  const error = new Error('always the same');
  const { client } = plainClient(() => Promise.reject(error));
  const { openai } = await stage({ primary: { kind: 'status', status: 429 }, openpipe: { fallbackClient: client } });
  for (let round = 0; round < 2; round += 1) {
    const told = await ask(openai, { openpipe: TO_CLIENT });
    expect(told.error).toBe(error);
    expect(error.cause).toBe(told.error.openpipe.errors[0]);
    expect(told.info.attempts[1]).toMatchObject({ outcome: 'invalid_response' });
    expect(told.info.attempts[1]).not.toHaveProperty('status');
  }
});

test('an error that went through an inner client of this package keeps its kind', async ({ stage, serve }) => {
  const error = new TypeError('fetch failed');
  const inner = await serve({ kind: 'status', status: 429 });
  const innermost = plainClient(() => Promise.reject(error)).client;
  const client = new OpenAI({
    openpipe: { apiKey: CLIENT_KEY, baseUrl: inner.url, fallback: { model: 'x', client: innermost } },
  });
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const told = await ask(openai, { openpipe: { fallback: { model: 'openpipe:inner' } } });

  expect(told.error).toBe(error);
  expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'connection' });
  expect(onlyChat(inner).body.model).toBe('openpipe:inner');
});

describe("a custom client's error that the caller gets", () => {
  test('has the failure before it as its cause, unless it has one', async ({ stage }) => {
    const own = new Error('with a cause', { cause: 'its own' });
    const bare = new Error('without');
    for (const error of [own, bare]) {
      const { client } = plainClient(() => Promise.reject(error));
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      expect((await ask(openai, { openpipe: TO_CLIENT })).error).toBe(error);
    }

    expect(own.cause).toBe('its own');
    expect(bare.cause).toBe(/** @type {any} */ (bare).openpipe.errors[0]);
    expect(bare.cause).toBeInstanceOf(OpenAI.APIError);
  });

  test('has an `openpipe` that is not enumerable', async ({ stage }) => {
    const error = Object.assign(new Error('seen'), { status: 500 });
    const { client } = plainClient(() => Promise.reject(error));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    await ask(openai, { openpipe: TO_CLIENT });

    expect(error).toHaveProperty('openpipe');
    expect(Object.keys(error)).toEqual(['status']);
    expect(JSON.stringify(error)).toBe('{"status":500}');
  });

  test('has the record of the current call where the same object is thrown again', async ({ stage }) => {
    const error = Object.assign(new Error('always the same'), { status: 500 });
    const { client } = plainClient(() => Promise.reject(error));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const first = await ask(openai, { openpipe: { fallback: { model: 'a' } } });
    const second = await ask(openai, { openpipe: { fallback: [{ model: 'b' }, { model: 'c' }] } });

    expect(first.error).toBe(second.error);
    expect(error).toHaveProperty('openpipe.model', 'c');
    expect(/** @type {any} */ (error).openpipe.errors.slice(1)).toEqual([error, error]);
  });
});

describe('observers get `client` as the upstream', () => {
  test('by `onFallback`', async ({ stage }) => {
    const events = /** @type {FallbackEvent[]} */ ([]);
    const failing = failingClient(503);
    const { openai } = await stage({
      primary: FAILING,
      openpipe: { onFallback: (event) => events.push(event), fallbackClient: failing.client },
    });
    const last = healthyClient();
    await ask(openai, { openpipe: { fallback: [{ model: 'a' }, { model: 'b', client: last.client }] } });

    expect(events).toMatchObject([
      { from: { upstream: 'openpipe', model: PRIMARY }, to: { upstream: 'client', model: 'a' } },
      { from: { upstream: 'client', model: 'a', outcome: 'server_error' }, to: { upstream: 'client', model: 'b' } },
    ]);
  });

  test('by the channel `openpipe:fallback`', async ({ stage }) => {
    const heard = await listening('openpipe:fallback', async () => {
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: healthyClient().client } });
      await ask(openai, { openpipe: TO_CLIENT });
    });

    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatchObject({ from: { upstream: 'openpipe' }, to: { upstream: 'client', model: MODEL } });
  });

  for (const [what, stream] of MODES) {
    test(`by the channel \`openpipe:call\`, of a ${what}`, async ({ stage }) => {
      const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
      const { client } = plainClient(async (body) => {
        const whole = { ...completion(body.model, 'x'), usage };
        const last = { ...whole, choices: [{ index: 0, delta: { content: 'x' }, finish_reason: 'stop' }] };
        return body.stream ? streamOf([last]) : whole;
      });
      const heard = /** @type {CallEvent[]} */ (
        await listening('openpipe:call', async () => {
          const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
          await ask(openai, { stream, openpipe: TO_CLIENT });
        })
      );

      expect(heard).toHaveLength(1);
      expect(heard[0]).toMatchObject({ model: MODEL, servedBy: 'fallback', usage });
      expect(heard[0]?.attempts).toMatchObject([{ upstream: 'openpipe' }, { upstream: 'client', outcome: 'ok' }]);
    });
  }

  test('by the channel `openpipe:call`, of a call that failed', async ({ stage }) => {
    const heard = await listening('openpipe:call', async () => {
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: failingClient(500).client } });
      await ask(openai, { openpipe: TO_CLIENT });
    });

    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatchObject({ model: MODEL, attempts: [{}, { upstream: 'client', outcome: 'server_error' }] });
  });
});

test('a custom client gets no key of ours, and its key is in no output', async ({ stage, serve }) => {
  const clientUpstream = await serve({ kind: 'status', status: 401 });
  const groq = new Groq({ apiKey: CLIENT_KEY, baseURL: new URL(clientUpstream.url).origin, maxRetries: 0 });
  const given = failingClient(500);
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: groq } });
  const { error } = await ask(openai, {
    openpipe: { fallback: [{ model: 'a', client: given.client }, { model: 'b' }] },
    options: { headers: { authorization: `Bearer ${OPENAI_KEY}` } },
  });

  expect(error.openpipe.attempts).toHaveLength(3);
  expect(JSON.stringify(error.openpipe.attempts)).not.toContain(CLIENT_KEY);
  const { body, options } = onlyAsked(given.asked);
  for (const key of [OPENAI_KEY, OPENPIPE_KEY]) expect(JSON.stringify({ body, options })).not.toContain(key);
});

/** A client that fails with a status. @param {number} status */
function failingClient(status) {
  return plainClient(async () => {
    throw Object.assign(new Error(`the client answered ${status}`), { status });
  });
}

/** @param {Record<string, unknown>} members */
function withMembers(members) {
  return Object.assign(new Error('thrown'), members);
}

/** @param {[number, string][]} rows @returns {[string, unknown, string][]} */
function statuses(rows) {
  return rows.map(([status, kind]) => [`by the status ${status}`, withMembers({ status }), kind]);
}

/**
 * What a channel carries while something is done.
 * @param {string} channel @param {() => Promise<void>} work
 */
async function listening(channel, work) {
  /** @type {unknown[]} */
  const heard = [];
  const listener = (/** @type {unknown} */ message) => void heard.push(message);
  diagnostics.subscribe(channel, listener);
  try {
    await work();
  } finally {
    diagnostics.unsubscribe(channel, listener);
  }
  return heard;
}

test('a client whose getter of another endpoint throws is called', async ({ stage }) => {
  const { client } = healthyClient();
  const fallbackClient = Object.defineProperty({ ...client }, 'responses', {
    enumerable: true,
    get: () => {
      throw new Error('this client has no responses');
    },
  });
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient } });
  const { text } = await ask(openai, { openpipe: TO_CLIENT });
  expect(text).toBe('Answered by the client.');
});
