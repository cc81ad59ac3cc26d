/**
 * What only JavaScript can honour goes through the SDK's own client, under the same policy: `fetch`, `fetchOptions`, hooks
 * of subclasses, and `transport: 'fetch'` (contract.md, section 2; issue 3).
 */

import OpenAI from 'openpipe-native';
import { afterEach, describe, expect, vi } from 'vitest';

import { sseEvent } from '../../demo/upstream/payload.mjs';
import { ask, eventually, readAll, rejection, textOf } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { chats, clientOptions, FALLBACK, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';
import { chunks, completion, healthyClient, never, TO_CLIENT } from '../support/custom-clients.mjs';

/** A primary at the client's own upstream, to which the constructor's options apply. */
const DIRECT = 'gpt-4o';
const ASKED = { model: DIRECT, messages: [] };
/** Nobody is there: what reaches it was not intercepted. */
const NOWHERE = 'http://127.0.0.1:9/v1';
/** What a call does not send through a mocked `fetch` stays native. */
const NATIVE = { openpipe: { transport: /** @type {const} */ ('native') } };

afterEach(() => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
});

/**
 * @typedef {object} Fetched
 * @property {string} url
 * @property {any} init
 * @property {Headers} headers
 * @property {any} body
 */

/**
 * A `fetch` that records its requests, and answers without a server.
 * @param {(call: Fetched, count: number) => Response | Promise<Response>} [answer] Default: good answers.
 */
function fakeFetch(answer = good) {
  /** @type {Fetched[]} */
  const calls = [];
  /** @param {any} url @param {any} init */
  const fetch = async (url, init) => {
    const call = { url: String(url), init, headers: new Headers(init.headers), body: JSON.parse(init.body) };
    calls.push(call);
    return answer(call, calls.length);
  };
  return { fetch, calls };
}

/** What OpenPipe is asked goes on to the network. @param {any} fetch */
function forOwn(fetch) {
  const { fetch: real } = globalThis;
  return (/** @type {any} */ url, /** @type {any} */ init) =>
    JSON.parse(init.body).model === PRIMARY ? real(url, init) : fetch(url, init);
}

/** @param {Fetched} call */
function good({ body }) {
  const headers = { 'x-request-id': 'req_of_fetch' };
  if (!body.stream) return Response.json(completion(body.model, 'Fetched.'), { headers });
  const text = [...chunks('Fetched.'), '[DONE]'].map(sseEvent).join('');
  return new Response(text, { headers: { ...headers, 'content-type': 'text/event-stream' } });
}

/** @param {number} status @param {Record<string, string>} [headers] */
function failing(status, headers) {
  return Response.json({ error: { message: 'no', code: null } }, { status, headers });
}

describe('a response that goes through the SDK', () => {
  test('is judged by its text where no content type says JSON, as natively', async () => {
    const text = JSON.stringify(completion('gpt-4o', 'Untyped.'));
    const untyped = () => new Response(text, { headers: { 'content-type': 'text/plain', 'x-request-id': 'req_1' } });
    const answer = await clientWith({ fetch: async () => untyped() }).chat.completions.create(ASKED);

    expect(answer.choices[0]?.message.content).toBe('Untyped.');
    expect(answer._request_id).toBe('req_1');
  });

  for (const [text, status, says] of /** @type {const} */ ([
    ['<html>', 200, /not JSON/],
    ['', 200, /is empty/],
    [null, 204, /is empty/],
  ])) {
    test(`is an invalid one where it is ${JSON.stringify(text)} with ${status}`, async () => {
      const bad = () => new Response(text, { status, headers: { 'content-type': 'text/html' } });
      const error = await rejection(clientWith({ fetch: async () => bad() }).chat.completions.create(ASKED));

      expect(error).toBeInstanceOf(OpenAI.APIError);
      expect(error.message).toMatch(says);
    });
  }

  for (const [type, text] of /** @type {const} */ ([
    ['application/json', JSON.stringify(completion('gpt-4o', 'Whole.'))],
    ['text/html; charset=utf-8', '<html>'],
    ['application/json', ''],
  ])) {
    test(`is an invalid one where a stream was requested and ${JSON.stringify(text.slice(0, 6))} came, as natively`, async () => {
      const fetch = async () => new Response(text, { headers: { 'content-type': type } });
      const stream = await clientWith({ fetch }).chat.completions.create({ ...ASKED, stream: true });
      const { error } = await readAll(stream);

      expect(error).toBeInstanceOf(OpenAI.APIError);
      expect(error.message).toBe(`the response is no event stream, but ${type.split(';')[0]}`);
      expect(error.openpipe.attempts).toMatchObject([{ outcome: 'invalid_response', status: 200 }]);
    });
  }

  for (const [body, error, outcome] of /** @type {const} */ ([
    [{ error: { message: 'no money', type: 'billing' } }, { message: 'no money' }, 'invalid_response'],
    [{ error: { message: 'slow down', code: 429 } }, { message: 'slow down' }, 'rate_limit'],
    [{ object: 'error', message: 'slow down', code: 429 }, { message: 'slow down' }, 'rate_limit'],
    [{ object: 'error', code: 429 }, undefined, 'rate_limit'],
  ])) {
    test(`has the words and the kind of its error where a stream was requested and ${JSON.stringify(body)} came`, async () => {
      const fetch = async () => Response.json(body);
      const stream = await clientWith({ fetch }).chat.completions.create({ ...ASKED, stream: true });
      const thrown = (await readAll(stream)).error;

      expect(thrown).toBeInstanceOf(OpenAI.APIError);
      expect(thrown).toMatchObject(error ? { message: error.message, error } : { error: undefined });
      expect(thrown.openpipe.attempts).toMatchObject([{ outcome }]);
    });
  }

  test('is an event stream where its content type is JSON and its body is events', async () => {
    const text = [...chunks('Events.'), '[DONE]'].map(sseEvent).join('');
    const fetch = async () => new Response(`\n${text}`, { headers: { 'content-type': 'application/json' } });
    const stream = await clientWith({ fetch }).chat.completions.create({ ...ASKED, stream: true });

    expect(textOf((await readAll(stream)).chunks)).toBe('Events.');
  });

  for (const stream of [false, true]) {
    test(`is bounded by \`maxResponseBytes\`${stream ? ', each event of a stream' : ''}`, async () => {
      const { fetch } = fakeFetch();
      const asked = create(clientWith({ fetch }, { maxResponseBytes: 30 }), stream);
      const error = await rejection(
        stream ? asked.then(readAll).then((/** @type {any} */ read) => Promise.reject(read.error)) : asked,
      );

      expect(error.message).toMatch(/larger than `openpipe.maxResponseBytes` \(30\)/);
      expect(error.openpipe.attempts).toMatchObject([{ outcome: 'invalid_response' }]);
    });
  }
});

for (const [what, stream] of /** @type {const} */ ([
  ['completion', false],
  ['stream', true],
])) {
  describe(`a custom \`fetch\`, asked for a ${what},`, () => {
    test('is called once, with what the SDK sends', async () => {
      const { fetch, calls } = fakeFetch();
      const openai = clientWith({ fetch, defaultHeaders: { 'x-default': 'd' }, organization: 'org' });
      const told = await ask(openai, {
        stream,
        model: DIRECT,
        body: { temperature: 0 },
        openpipe: { tags: { a: 'b' } },
        options: { headers: { 'x-call': 'c' } },
      });

      expect(told.text).toBe('Fetched.');
      expect(calls).toHaveLength(1);
      const [call] = calls;
      expect(call?.url).toBe(`${NOWHERE}/chat/completions`);
      expect(call?.init.method?.toUpperCase()).toBe('POST');
      expect(call?.body).toEqual({
        model: DIRECT,
        messages: [{ role: 'user', content: 'Count to 10' }],
        stream,
        temperature: 0,
      });
      expect(Object.fromEntries(call?.headers ?? [])).toMatchObject({
        authorization: `Bearer ${OPENAI_KEY}`,
        'content-type': 'application/json',
        'openai-organization': 'org',
        'x-default': 'd',
        'x-call': 'c',
      });
    });

    test('is named openai in attempts', async () => {
      const { fetch } = fakeFetch();
      const told = await ask(clientWith({ fetch }), { stream, model: DIRECT });

      expect(told.info).toMatchObject({ servedBy: 'primary', model: DIRECT });
      expect(told.info.attempts).toMatchObject([{ upstream: 'openai', model: DIRECT, outcome: 'ok', tries: 1 }]);
    });

    test('gives a response without the headers of its encoding', async () => {
      const { fetch } = fakeFetch((call) => {
        const response = good(call);
        response.headers.set('content-encoding', 'gzip');
        response.headers.set('transfer-encoding', 'chunked');
        response.headers.set('x-kept', 'yes');
        return response;
      });
      const { headers } = await create(clientWith({ fetch }), stream).asResponse();

      expect(headers.get('x-kept')).toBe('yes');
      expect(headers.has('content-encoding')).toBe(false);
      expect(headers.has('transfer-encoding')).toBe(false);
    });

    test('gives a response with the status and headers of its own', async () => {
      /** @type {Response | undefined} */
      let response;
      const { fetch } = fakeFetch((call) => (response = good(call)));
      const call = create(clientWith({ fetch }), stream);
      const told = await call.withResponse();

      for (const part of /** @type {const} */ (['status', 'statusText', 'url']))
        expect(told.response[part]).toBe(response?.[part]);
      expect([...told.response.headers]).toEqual([...(response?.headers ?? [])]);
      expect(told.request_id).toBe('req_of_fetch');
      if (stream) expect(textOf((await readAll(told.data)).chunks)).toBe('Fetched.');
      else expect(told.data._request_id).toBe('req_of_fetch');
    });

    test('that answers 500 moves on to the fallback at once', async ({ stage }) => {
      const { fetch, calls } = fakeFetch(() => failing(500));
      const { openai, primary: atOpenPipe } = await stage({ fetch: forOwn(fetch) });
      const told = await ask(openai, { stream, model: DIRECT, openpipe: { fallback: { model: PRIMARY } } });

      expect(told.text).toBe(`Answered by the primary, with the model ${PRIMARY}.`);
      expect(calls).toHaveLength(1);
      expect(told.info.attempts).toMatchObject([
        { upstream: 'openai', outcome: 'server_error', status: 500, tries: 1 },
        { upstream: 'openpipe', outcome: 'ok' },
      ]);
      expect(chats(atOpenPipe)).toHaveLength(1);
    });

    test('that never answers is aborted when its time is up, and the fallback answers', async ({ stage }) => {
      const { fetch, calls } = fakeFetch(never);
      const { openai } = await stage({ fetch: forOwn(fetch) });
      const told = await ask(openai, {
        stream,
        model: DIRECT,
        openpipe: { fallback: { model: PRIMARY } },
        options: { timeout: 500 },
      });

      expect(told.text).toBe(`Answered by the primary, with the model ${PRIMARY}.`);
      expect(told.info.attempts[0]).toMatchObject({ upstream: 'openai', outcome: 'timeout', tries: 1 });
      expect(calls).toHaveLength(1);
      expect(await eventually(() => calls[0]?.init.signal.aborted)).toBe(true);
    });

    test('is retried as often as `maxRetries` says, by this package’s policy', async () => {
      const { fetch, calls } = fakeFetch(() => failing(500, { 'retry-after-ms': '5' }));
      const told = await ask(clientWith({ fetch }), { stream, model: DIRECT, options: { maxRetries: 1 } });

      expect(calls).toHaveLength(2);
      expect(told.error).toBeInstanceOf(OpenAI.InternalServerError);
      expect(told.info.attempts).toMatchObject([{ upstream: 'openai', outcome: 'server_error', tries: 2 }]);
    });

    test('is retried until it answers', async () => {
      const { fetch, calls } = fakeFetch((call, count) =>
        count < 3 ? failing(count === 1 ? 429 : 503, { 'retry-after-ms': '5' }) : good(call),
      );
      const told = await ask(clientWith({ fetch }), { stream, model: DIRECT });

      expect(told.text).toBe('Fetched.');
      expect(calls).toHaveLength(3);
      expect(told.info.attempts).toMatchObject([{ outcome: 'ok', tries: 3 }]);
    });

    test('is not retried where the server says so', async () => {
      const { fetch, calls } = fakeFetch(() => failing(500, { 'x-should-retry': 'false' }));
      await ask(clientWith({ fetch }), { stream, model: DIRECT, options: { maxRetries: 3 } });

      expect(calls).toHaveLength(1);
    });

    test('that rejects is a failed connection', async () => {
      const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      const { fetch } = fakeFetch(() => Promise.reject(new TypeError('fetch failed', { cause })));
      const told = await ask(clientWith({ fetch, maxRetries: 0 }), { stream, model: DIRECT });

      expect(told.error).toBeInstanceOf(OpenAI.APIConnectionError);
      expect(told.info.attempts).toMatchObject([{ upstream: 'openai', outcome: 'connection', tries: 1 }]);
    });

    test('is used by a fallback to the client’s own upstream', async ({ stage }) => {
      const { fetch, calls } = fakeFetch();
      const { openai } = await stage({ fetch: forOwn(fetch), primary: { kind: 'status', status: 500 } });
      const told = await ask(openai, { stream, openpipe: { fallback: { model: FALLBACK } } });

      expect(told.text).toBe('Fetched.');
      expect(told.info.attempts).toMatchObject([{ upstream: 'openpipe' }, { upstream: 'openai', outcome: 'ok' }]);
      expect(calls).toHaveLength(1);
      expect(calls[0]?.body.model).toBe(FALLBACK);
    });

    test('is stopped when the caller aborts', async () => {
      const { fetch, calls } = fakeFetch(never);
      const caller = new AbortController();
      const told = ask(clientWith({ fetch }), { stream, model: DIRECT, options: { signal: caller.signal } });
      await eventually(() => calls.length > 0);
      caller.abort();

      expect((await told).error).toBeInstanceOf(OpenAI.APIUserAbortError);
      expect(calls[0]?.init.signal.aborted).toBe(true);
      expect(calls).toHaveLength(1);
    });
  });
}

describe('a custom `fetch`', () => {
  for (const [what, answer] of /** @type {[string, () => Response][]} */ ([
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['nothing', () => new Response('')],
    ['JSON that is no completion', () => Response.json({ choices: null })],
    ['an error under a good status', () => Response.json({ choices: [], error: { message: 'no' } })],
  ])) {
    test(`that answers ${what} has failed`, async ({ stage }) => {
      const { fetch, calls } = fakeFetch(answer);
      const { openai } = await stage({ fetch: forOwn(fetch) });
      const told = await ask(openai, { model: DIRECT, openpipe: { fallback: { model: PRIMARY } } });

      expect(told.info.servedBy).toBe('fallback');
      expect(told.info.attempts[0]).toMatchObject({ upstream: 'openai', outcome: 'invalid_response' });
      expect(calls).toHaveLength(1);
    });
  }

  test('that gives a stream with `[DONE]` has ended it well, though one choice was never finished', async () => {
    const [opening, ...rest] = chunks('Fetched.');
    const other = { ...opening, choices: [{ index: 1, delta: { content: 'b' }, finish_reason: null }] };
    const events = [opening, other, ...rest].map(sseEvent).join('');
    const asked = async (/** @type {BodyInit} */ body) =>
      ask(clientWith({ fetch: async () => new Response(body) }), { model: DIRECT, stream: true });

    expect((await asked(events + sseEvent('[DONE]'))).error).toBeUndefined();
    expect((await asked(events)).error.message).toContain('before it was complete');
  });

  test('may answer with a body that cannot be rewritten', async () => {
    const events = [...chunks('Fetched.'), '[DONE]'].map(sseEvent).join('');
    const answer = async () => {
      const response = new Response(events);
      Object.freeze(response.body);
      return response;
    };
    const told = await ask(clientWith({ fetch: answer }), { model: DIRECT, stream: true });
    expect(told).toMatchObject({ text: 'Fetched.', error: undefined });
  });

  test('sends requests to OpenPipe, without the credentials of the own upstream', async ({ stage }) => {
    const { fetch, calls } = fakeFetch();
    const defaultHeaders = { 'x-default': 'd', 'x-api-key': 'secret' };
    const { openai, primary } = await stage({ fetch, defaultHeaders });
    await ask(openai, { options: { headers: { 'x-call': 'c' } } });
    expect(primary.requests).toEqual([]);
    const headers = Object.fromEntries(calls[0]?.headers ?? []);
    expect(headers).toMatchObject({ 'x-default': 'd', 'x-call': 'c', authorization: `Bearer ${OPENPIPE_KEY}` });
    expect(headers).not.toHaveProperty('x-api-key');
  });

  test('that is set later is used', async () => {
    const { fetch, calls } = fakeFetch();
    const openai = clientWith();
    Reflect.set(openai, 'fetch', fetch);

    expect((await ask(openai, { model: DIRECT })).text).toBe('Fetched.');
    expect(calls).toHaveLength(1);
  });

  test('sends the key of a function, which is called before each call', async () => {
    const { fetch, calls } = fakeFetch();
    let asked = 0;
    const openai = clientWith({ fetch, apiKey: async () => `key-${++asked}` });
    await ask(openai, { model: DIRECT });
    await ask(openai, { model: DIRECT });

    const keys = calls.map(({ headers }) => headers.get('authorization'));
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(2);
    expect(keys.every((key) => /^Bearer key-\d$/.test(key ?? ''))).toBe(true);
  });

  test('gets the call’s options that only the SDK honours', async () => {
    const { fetch, calls } = fakeFetch();
    await ask(clientWith({ fetch }), {
      model: DIRECT,
      options: { query: { 'api-version': '1' }, headers: { authorization: 'Bearer mine' } },
    });

    expect(calls[0]?.url).toBe(`${NOWHERE}/chat/completions?api-version=1`);
    expect(calls[0]?.headers.get('authorization')).toBe('Bearer mine');
  });

  test('gets no further reads when the reader leaves its stream', async () => {
    let cancelled = false;
    const { fetch, calls } = fakeFetch(() => {
      const encoder = new TextEncoder();
      const body = new ReadableStream({
        pull: (controller) => controller.enqueue(encoder.encode(sseEvent(chunks('x')[1]))),
        cancel: () => void (cancelled = true),
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    });
    for await (const _chunk of await create(clientWith({ fetch }), true)) break;

    expect(await eventually(() => cancelled || calls[0]?.init.signal.aborted)).toBe(true);
  });
});

describe('`fetchOptions`', () => {
  test('of the constructor reach the `fetch` that is used', async () => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    const dispatcher = { its: 'own' };
    const openai = clientWith({ fetchOptions: /** @type {any} */ ({ dispatcher }) });

    expect((await ask(openai, { model: DIRECT })).text).toBe('Fetched.');
    expect(calls).toHaveLength(1);
    expect(calls[0]?.init.dispatcher).toBe(dispatcher);
  });

  test('may be an agent, in the way of older versions of the SDK', async () => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    const openai = clientWith(/** @type {any} */ ({ httpAgent: { its: 'own' } }));

    expect((await ask(openai, { model: DIRECT })).text).toBe('Fetched.');
    expect(calls).toHaveLength(1);
  });

  test('of a call reach the `fetch` of that call only', async ({ stage }) => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    const { openai, fallback: direct } = await stage(NATIVE);
    const dispatcher = { its: 'own' };
    const through = await ask(openai, { model: DIRECT, options: { fetchOptions: { dispatcher } } });
    const native = await ask(openai, { model: DIRECT });

    expect(through.text).toBe('Fetched.');
    expect(calls).toHaveLength(1);
    expect(calls[0]?.init.dispatcher).toBe(dispatcher);
    expect(native.text).toBe(`Answered by the fallback, with the model ${DIRECT}.`);
    expect(onlyChat(direct).body.model).toBe(DIRECT);
  });

  test("of a call are retried by this package's policy", async ({ stage }) => {
    const { fetch, calls } = fakeFetch(() => failing(500));
    vi.stubGlobal('fetch', fetch);
    const { openai } = await stage(NATIVE);
    const told = await ask(openai, {
      model: DIRECT,
      openpipe: { fallback: { model: PRIMARY } },
      options: { fetchOptions: {} },
    });

    expect(told.info.servedBy).toBe('fallback');
    expect(calls).toHaveLength(1);
  });
});

describe("`transport: 'fetch'`", () => {
  test("sends OpenPipe's models through `fetch` too, with their headers and key", async () => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    const openai = clientWith({}, { transport: 'fetch' });
    const told = await ask(openai, { openpipe: { tags: { a: 'b' }, cache: 'readOnly' } });

    expect(told.text).toBe('Fetched.');
    expect(told.info.attempts).toMatchObject([{ upstream: 'openpipe', outcome: 'ok', tries: 1 }]);
    expect(calls).toHaveLength(1);
    expect(calls[0]?.url).toBe(`${NOWHERE}/openpipe/chat/completions`);
    expect(calls[0]?.headers.get('authorization')).toBe(`Bearer ${OPENPIPE_KEY}`);
    expect(calls[0]?.headers.get('op-cache')).toBe('readOnly');
    expect(JSON.parse(calls[0]?.headers.get('op-tags') ?? '')).toMatchObject({ a: 'b', $sdk: 'openpipe-native' });
    expect(calls[0]?.body).not.toHaveProperty('openpipe');
  });

  test('sends every target through `fetch`, each with its own key, to its own URL', async () => {
    const { fetch, calls } = fakeFetch((call) => (call.body.model === 'last' ? good(call) : failing(500)));
    vi.stubGlobal('fetch', fetch);
    const openai = clientWith({}, { transport: 'fetch' });
    const told = await ask(openai, {
      openpipe: { fallback: [{ model: DIRECT }, { model: 'openpipe:second' }, { model: 'last' }] },
    });

    expect(told.text).toBe('Fetched.');
    expect(calls.map(({ url, body, headers }) => [url, body.model, headers.get('authorization')])).toEqual([
      [`${NOWHERE}/openpipe/chat/completions`, PRIMARY, `Bearer ${OPENPIPE_KEY}`],
      [`${NOWHERE}/chat/completions`, DIRECT, `Bearer ${OPENAI_KEY}`],
      [`${NOWHERE}/openpipe/chat/completions`, 'openpipe:second', `Bearer ${OPENPIPE_KEY}`],
      [`${NOWHERE}/chat/completions`, 'last', `Bearer ${OPENAI_KEY}`],
    ]);
    expect(told.info.attempts.map(({ upstream }) => upstream)).toEqual(['openpipe', 'openai', 'openpipe', 'openai']);
  });

  test('has no limit with Infinity, of the client or of the call', async ({ stage }) => {
    const answer = /** @type {const} */ ({ kind: 'answer', delayMs: 200 });
    const staging = { primary: answer, fallback: answer, openpipe: /** @type {const} */ ({ transport: 'fetch' }) };
    for (const [timeout, options] of /** @type {const} */ ([
      [Infinity, {}],
      [50, { timeout: Infinity }],
    ])) {
      const { openai } = await stage({ ...staging, timeout, maxRetries: 0 });
      for (const model of [PRIMARY, DIRECT]) expect((await ask(openai, { model, options })).error).toBeUndefined();
    }
  });

  test('follows changes of the default headers', async ({ stage }) => {
    const defaultHeaders = { 'x-trace': '1' };
    const { openai, primary } = await stage({ defaultHeaders, openpipe: { transport: 'fetch' } });
    await ask(openai);
    defaultHeaders['x-trace'] = '2';
    await ask(openai);
    expect(chats(primary).map(({ headers }) => headers['x-trace'])).toEqual(['1', '2']);
  });

  test('works in a simulated browser, as in jsdom', async ({ stage }) => {
    playBrowser();
    const { openai } = await stage({ dangerouslyAllowBrowser: true, openpipe: { transport: 'fetch' } });
    expect((await ask(openai)).info.servedBy).toBe('primary');
  });

  test('that cannot reach OpenPipe is a failure of that target', async ({ stage }) => {
    const { openai } = await stage({ openpipe: { transport: 'fetch', fallback: { model: FALLBACK } } });
    playBrowser();
    // The SDK refuses to make the client of OpenPipe.
    const told = await ask(openai);

    expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
    expect(told.info.attempts).toMatchObject([
      { upstream: 'openpipe', outcome: 'invalid_response' },
      { outcome: 'ok' },
    ]);
  });

  test('streams', async () => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    const told = await ask(clientWith({}, { transport: 'fetch' }), { stream: true });

    expect(told.text).toBe('Fetched.');
    expect(calls[0]?.body.stream).toBe(true);
  });

  test('does not affect custom clients', async () => {
    const { fetch, calls } = fakeFetch(() => failing(500));
    vi.stubGlobal('fetch', fetch);
    const { client } = healthyClient();
    const told = await ask(clientWith({}, { transport: 'fetch', fallbackClient: client }), { openpipe: TO_CLIENT });

    expect(told.text).toBe('Answered by the client.');
    expect(told.info.attempts.map(({ upstream }) => upstream)).toEqual(['openpipe', 'client']);
    expect(calls).toHaveLength(1);
  });

  test('prefers the client’s own `fetch` to the global one', async () => {
    const own = fakeFetch();
    const global = fakeFetch();
    vi.stubGlobal('fetch', global.fetch);
    await ask(clientWith({ fetch: own.fetch }, { transport: 'fetch' }));

    expect(own.calls).toHaveLength(1);
    expect(global.calls).toEqual([]);
  });

  test('may come from the environment', async () => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    vi.stubEnv('OPENPIPE_TRANSPORT', 'fetch');
    const openai = clientWith();
    await ask(openai);
    await ask(openai, { model: DIRECT });

    expect(calls.map(({ url }) => url)).toEqual([
      `${NOWHERE}/openpipe/chat/completions`,
      `${NOWHERE}/chat/completions`,
    ]);
  });

  test('of the environment gives way to the option', async ({ stage }) => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    vi.stubEnv('OPENPIPE_TRANSPORT', 'fetch');
    const { openai } = await stage({ openpipe: { transport: 'native' } });

    expect((await ask(openai)).text).toBe(`Answered by the primary, with the model ${PRIMARY}.`);
    expect(calls).toEqual([]);
  });

  test('reaches real servers as well', async ({ stage }) => {
    const { openai, primary, fallback } = await stage({
      primary: { kind: 'status', status: 500 },
      openpipe: { transport: 'fetch' },
    });
    for (const stream of [false, true]) {
      const told = await ask(openai, { stream, openpipe: { fallback: { model: FALLBACK } } });
      expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
    }

    for (const { headers } of chats(primary)) expect(headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
    for (const { headers } of chats(fallback)) expect(headers.authorization).toBe(`Bearer ${OPENAI_KEY}`);
    expect([chats(primary).length, chats(fallback).length]).toEqual([2, 2]);
  });

  test('of an unknown name is refused', () => {
    expect(() => clientWith({}, { transport: /** @type {any} */ ('carrier pigeon') })).toThrow(TypeError);
  });
});

describe('a subclass that has a hook of the SDK', () => {
  class WithOptions extends OpenAI {
    /** @param {any} options */
    async prepareOptions(options) {
      options.headers = { ...options.headers, 'x-hook': 'prepareOptions' };
    }
  }
  class WithRequest extends OpenAI {
    /** @param {any} request */
    async prepareRequest(request) {
      request.headers.set('x-hook', 'prepareRequest');
    }
  }
  class WithFetch extends OpenAI {
    /** @param {any} url @param {any} init @param {number} ms @param {AbortController} controller */
    fetchWithTimeout(url, init, ms, controller) {
      init.headers.set('x-hook', 'fetchWithTimeout');
      return super.fetchWithTimeout(url, init, ms, controller);
    }
  }
  for (const [hook, Subclass] of /** @type {[string, any][]} */ ([
    ['prepareOptions', WithOptions],
    ['prepareRequest', WithRequest],
    ['fetchWithTimeout', WithFetch],
  ])) {
    for (const stream of [false, true]) {
      test(`has it called: ${hook}, of a ${stream ? 'stream' : 'completion'}`, async ({ serve }) => {
        const upstream = await serve();
        const openai = new Subclass(clientOptions(NOWHERE, upstream.url));
        const told = await ask(openai, { stream, model: DIRECT });

        expect(told.text).toBe(`Answered by upstream, with the model ${DIRECT}.`);
        expect(onlyChat(upstream).headers['x-hook']).toBe(hook);
      });
    }

    test(`is retried by this package's policy: ${hook}`, async ({ serve }) => {
      const upstream = await serve({ kind: 'status', status: 500 });
      const atOpenPipe = await serve();
      const openai = new Subclass(clientOptions(atOpenPipe.url, upstream.url));
      const told = await ask(openai, { model: DIRECT, openpipe: { fallback: { model: PRIMARY } } });

      expect(told.info.servedBy).toBe('fallback');
      expect(onlyChat(upstream).headers['x-hook']).toBe(hook);
      // A hook that may put anything into a request is not let near the other service's.
      expect(onlyChat(atOpenPipe).headers).not.toHaveProperty('x-hook');
    });
  }

  test('may have it refuse a request, which is the failure of that target', async ({ serve }) => {
    const error = new Error('not today');
    class Refusing extends OpenAI {
      async prepareOptions() {
        throw error;
      }
    }
    const atOpenPipe = await serve();
    const openai = new Refusing(clientOptions(atOpenPipe.url, NOWHERE, { maxRetries: 0 }));

    expect((await ask(openai, { model: DIRECT })).error).toBe(error);
    expect((await ask(openai, { model: DIRECT, openpipe: { fallback: { model: PRIMARY } } })).info.servedBy).toBe(
      'fallback',
    );
  });

  test('of one instance, set later, has it called too', async ({ stage }) => {
    const { openai, fallback: direct } = await stage();
    await ask(openai, { model: DIRECT });
    Reflect.set(openai, 'prepareRequest', async (/** @type {any} */ request) => request.headers.set('x-hook', 'late'));
    await ask(openai, { model: DIRECT });

    expect(chats(direct).map(({ headers }) => headers['x-hook'])).toEqual([undefined, 'late']);
  });

  test('of one instance, set later, has it called too, whichever it is', async ({ stage }) => {
    const { openai } = await stage();
    const client = /** @type {any} */ (openai);
    const asked = { authHeaders: 0, fetchWithTimeout: 0, shouldRetry: 0, buildHeaders: 0 };
    for (const hook of /** @type {(keyof typeof asked)[]} */ (Object.keys(asked))) {
      await ask(openai, { model: DIRECT });
      const theirs = client[hook];
      client[hook] = function (/** @type {any[]} */ ...given) {
        asked[hook] += 1;
        return theirs.apply(this, given);
      };
      await ask(openai, { model: DIRECT });
      if (hook !== 'shouldRetry') expect(asked[hook], hook).toBe(1);
      delete client[hook];
    }
  });
});

describe('a mocked global `fetch`', () => {
  test('answers for hosts that do not exist', async () => {
    const intercepted = interceptor({ 'https://api.openai.test': good, 'https://openpipe.test': () => failing(503) });
    const openai = new OpenAI({
      apiKey: OPENAI_KEY,
      baseURL: 'https://api.openai.test/v1',
      openpipe: {
        apiKey: OPENPIPE_KEY,
        baseUrl: 'https://openpipe.test/api/v1',
        logRequest: false,
        transport: 'fetch',
        fallback: { model: DIRECT },
      },
    });

    expect((await ask(openai)).text).toBe('Fetched.');
    expect(intercepted()).toEqual([
      'https://openpipe.test/api/v1/chat/completions',
      'https://api.openai.test/v1/chat/completions',
    ]);
  });

  test('that does not know a host fails that target, not the process', async () => {
    interceptor({ 'https://api.openai.test': good });
    const openai = new OpenAI({
      apiKey: OPENAI_KEY,
      baseURL: 'https://api.openai.test/v1',
      openpipe: { apiKey: OPENPIPE_KEY, baseUrl: 'https://unknown.test/v1', logRequest: false, transport: 'fetch' },
    });
    const told = await ask(openai, { openpipe: { fallback: { model: DIRECT } } });

    expect(told.text).toBe('Fetched.');
    expect(told.info.attempts[0]).toMatchObject({ upstream: 'openpipe', outcome: 'connection' });
  });

  test('does not affect a client with transport native', async ({ stage }) => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    const { openai } = await stage(NATIVE);

    expect((await ask(openai)).text).toBe(`Answered by the primary, with the model ${PRIMARY}.`);
    expect((await ask(openai, { model: DIRECT })).text).toBe(`Answered by the fallback, with the model ${DIRECT}.`);
    expect(calls).toEqual([]);
  });
});

describe('`withOptions`', () => {
  test("of a plain client stays native: the SDK's own `fetch` was not given", async ({ stage }) => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    const { openai } = await stage(NATIVE);
    let client = openai;
    for (const options of [{ timeout: 5_000 }, { maxRetries: 1 }, {}]) {
      client = client.withOptions(options);
      expect((await ask(client, { model: DIRECT })).text).toBe(`Answered by the fallback, with the model ${DIRECT}.`);
    }

    expect(calls).toEqual([]);
  });

  test('of a client with a `fetch` keeps it', async () => {
    const { fetch, calls } = fakeFetch();
    await ask(clientWith({ fetch }).withOptions({ timeout: 5_000 }), { model: DIRECT });

    expect(calls).toHaveLength(1);
  });

  test('may add a `fetch`', async ({ stage }) => {
    const { fetch, calls } = fakeFetch();
    const { openai, fallback: direct } = await stage();
    await ask(openai.withOptions({ fetch }), { model: DIRECT });
    await ask(openai, { model: DIRECT });

    expect(calls).toHaveLength(1);
    expect(chats(direct)).toHaveLength(1);
  });

  test('may replace a `fetch`', async () => {
    const before = fakeFetch();
    const now = fakeFetch();
    await ask(clientWith({ fetch: before.fetch }).withOptions({ fetch: now.fetch }), { model: DIRECT });

    expect(before.calls).toEqual([]);
    expect(now.calls).toHaveLength(1);
  });

  test("keeps `transport: 'fetch'`", async () => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    await ask(clientWith({}, { transport: 'fetch' }).withOptions({ timeout: 5_000 }));

    expect(calls).toHaveLength(1);
  });

  test('keeps `fetchOptions`', async () => {
    const { fetch, calls } = fakeFetch();
    vi.stubGlobal('fetch', fetch);
    const dispatcher = { its: 'own' };
    const openai = clientWith({ fetchOptions: /** @type {any} */ ({ dispatcher }) });
    await ask(openai.withOptions({ timeout: 5_000 }), { model: DIRECT });

    expect(calls[0]?.init.dispatcher).toBe(dispatcher);
  });
});

/**
 * A client whose upstreams do not exist.
 * @param {import('openpipe-native').ClientOptions} [more] @param {import('openpipe-native').OpenPipeOptions} [openpipe]
 */
function clientWith(more, openpipe) {
  return new OpenAI(clientOptions(`${NOWHERE}/openpipe`, NOWHERE, { ...more, openpipe }));
}

/** What the SDK knows a browser by. */
function playBrowser() {
  vi.stubGlobal('window', { document: {} });
  vi.stubGlobal('navigator', { userAgent: 'jsdom' });
}

/** @param {OpenAI} openai @param {boolean} stream @returns {any} */
function create(openai, stream) {
  return openai.chat.completions.create({ model: DIRECT, messages: [], stream });
}

/**
 * Puts a `fetch` in place of the global one that answers for some origins and has no network, as the mocks of undici, msw
 * and nock do. Gives the URLs that were asked for.
 * @param {Record<string, (call: Fetched) => Response>} origins
 */
function interceptor(origins) {
  const { fetch, calls } = fakeFetch((call) => {
    const answer = origins[new URL(call.url).origin];
    if (!answer) throw new TypeError('fetch failed', { cause: { code: 'UND_MOCK_ERR_MOCK_NOT_MATCHED' } });
    return answer(call);
  });
  vi.stubGlobal('fetch', fetch);
  return () => calls.map(({ url }) => url);
}
