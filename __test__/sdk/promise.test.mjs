/** What `create` returns is what the SDK's `create` returns, and the SDK's helpers work on it (contract.md, section 1). */

import { getEventListeners } from 'node:events';

import { APIPromise } from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';
import { z } from 'zod';

import { chunk, completion, sseEvent } from '../../demo/upstream/payload.mjs';
import { eventually, MESSAGES, rejection } from '../support/calls.mjs';
import { runProgram } from '../support/programs.mjs';
import { chats, FALLBACK, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

const REQUEST = { model: PRIMARY, messages: MESSAGES };
const FAILING = /** @type {const} */ ({ kind: 'status', status: 500 });
const WITH_FALLBACK = { openpipe: { fallback: { model: FALLBACK } } };

describe('the promise of `create`', () => {
  test('is an APIPromise, and so a Promise', async ({ stage }) => {
    const { openai } = await stage();
    const promise = openai.chat.completions.create(REQUEST);

    expect(promise).toBeInstanceOf(APIPromise);
    expect(promise).toBeInstanceOf(Promise);
    expect(promise.constructor.name).toBe('APIPromise');
    expect(Object.prototype.toString.call(promise)).toBe('[object Promise]');
    await promise;
  });

  test('starts the request without being awaited', async ({ stage }) => {
    const { openai, primary } = await stage();
    const promise = openai.chat.completions.create(REQUEST);
    await primary.arrival(1);
    expect((await promise).choices).toHaveLength(1);
  });

  test('gives the same completion to each `await`, from one request', async ({ stage }) => {
    const { openai, primary } = await stage();
    const promise = openai.chat.completions.create(REQUEST);
    const [first, second] = await Promise.all([promise, promise.then((value) => value)]);

    expect(first).toBe(second);
    expect(first).toBe(await promise.finally(() => {}));
    expect(chats(primary)).toHaveLength(1);
  });

  test('gives the completion as the API sent it', async ({ stage }) => {
    const text = JSON.stringify({ ...completion(PRIMARY, 'Hello \ud83d'), 2: 'b', 1: 'a', extra: { deep: [null] } });
    const { openai } = await stage({
      primary: { kind: 'status', status: 200, body: { bytes: text }, headers: { 'x-request-id': 'req_4' } },
    });
    const got = await openai.chat.completions.create(REQUEST);

    expect(got).toEqual(JSON.parse(text));
    expect(JSON.stringify(got)).toBe(JSON.stringify(JSON.parse(text)));
    expect(got._request_id).toBe('req_4');
    expect(Object.keys(got)).toEqual(Object.keys(JSON.parse(text)));
  });

  for (const how of /** @type {const} */ (['freeze', 'seal', 'preventExtensions'])) {
    test(`has its member openpipe also after Object.${how}`, async ({ stage }) => {
      const { openai } = await stage();
      const got = await openai.chat.completions.create(REQUEST);
      /** @type {(object: object) => void} */ (Object[how])(got);
      expect(got.openpipe.servedBy).toBe('primary');
      expect(got.openpipe.attempts).toHaveLength(1);
    });
  }

  test('has added members that are not enumerable: `_request_id` and `openpipe`', async ({ stage }) => {
    const { openai } = await stage();
    const got = await openai.chat.completions.create(REQUEST);

    expect(got.openpipe.servedBy).toBe('primary');
    expect(got._request_id).toMatch(/^req_/);
    expect(Object.keys(got)).not.toContain('openpipe');
    expect(Object.keys(got)).not.toContain('_request_id');
    expect(JSON.stringify(got)).not.toContain('servedBy');
    expect({ ...got }).not.toHaveProperty('openpipe');
  });

  test('has the id of the request', async ({ stage }) => {
    const { openai } = await stage({
      primary: { ...FAILING, headers: { 'x-request-id': 'req_primary' } },
      fallback: { kind: 'answer', headers: { 'x-request-id': 'req_fallback' } },
    });
    const got = await openai.chat.completions.create({ ...REQUEST, ...WITH_FALLBACK });

    expect(got._request_id).toBe('req_fallback');
    expect(got.openpipe.attempts.map(({ requestId }) => requestId)).toEqual(['req_primary', 'req_fallback']);
  });

  test('has no request id where the upstream sent none', async ({ stage }) => {
    const body = { bytes: JSON.stringify(completion(PRIMARY, 'x')) };
    const { openai } = await stage({ primary: { kind: 'status', status: 200, body } });
    expect((await openai.chat.completions.create(REQUEST))._request_id).toBeNull();
  });
});

test('attempts have their start and their duration', async ({ stage }) => {
  const { openai } = await stage({ primary: { ...FAILING, delayMs: 120 }, fallback: { kind: 'answer', delayMs: 80 } });
  const before = Date.now();
  const { openpipe } = await openai.chat.completions.create({ ...REQUEST, ...WITH_FALLBACK });
  const [first, second] = openpipe.attempts;

  expect(first).toMatchObject({ status: 500, outcome: 'server_error', message: expect.stringContaining('500') });
  expect(first?.startedAt).toBeGreaterThanOrEqual(before - 1);
  expect(first?.durationMs).toBeGreaterThanOrEqual(115);
  expect(second?.startedAt).toBeGreaterThanOrEqual((first?.startedAt ?? Infinity) + 115);
  expect(second?.durationMs).toBeGreaterThanOrEqual(75);
  expect((second?.startedAt ?? Infinity) + (second?.durationMs ?? 0)).toBeLessThanOrEqual(Date.now() + 2);
  expect(second).not.toHaveProperty('message');
  await expect(openpipe.reportingFinished).resolves.toBeUndefined();
});

describe('`withResponse()`', () => {
  test('gives the completion, the response and the request id', async ({ stage }) => {
    const { openai, primary } = await stage({
      primary: { kind: 'answer', headers: { 'x-request-id': 'req_9', 'x-ratelimit-remaining': '7' } },
    });
    const { data, response, request_id } = await openai.chat.completions.create(REQUEST).withResponse();

    expect(data.choices[0]?.message.content).toContain('the primary');
    expect(response).toBeInstanceOf(Response);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-ratelimit-remaining')).toBe('7');
    expect(response.url).toBe(`${primary.url}/chat/completions`);
    expect(request_id).toBe('req_9');
  });

  test('has the record of the fallback if that answered', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: FAILING });
    const { data, response } = await openai.chat.completions.create({ ...REQUEST, ...WITH_FALLBACK }).withResponse();

    expect(data.openpipe.servedBy).toBe('fallback');
    expect(response.url).toBe(`${fallback.url}/chat/completions`);
  });

  test('rejects as the promise does', async ({ stage }) => {
    const { openai } = await stage({ primary: FAILING, maxRetries: 0 });
    const error = await rejection(openai.chat.completions.create(REQUEST).withResponse());
    expect(error.constructor).toBe(OpenAI.InternalServerError);
  });
});

describe('`asResponse()`', () => {
  test('gives a Response whose body is unread and has the text that the API sent', async ({ stage }) => {
    const text = `{ "choices": [{ "message": { "content": "x" } }],\n "x": 12345678901234567890, "é": "\\u00e9 🎉" }`;
    const { openai } = await stage({
      primary: {
        kind: 'status',
        status: 201,
        body: { bytes: text },
        headers: { 'content-type': 'application/json', 'x-mine': 'yes' },
      },
    });
    const response = await openai.chat.completions.create(REQUEST).asResponse();

    expect(response).toBeInstanceOf(Response);
    expect(response.status).toBe(201);
    expect(response.ok).toBe(true);
    expect(response.headers.get('x-mine')).toBe('yes');
    expect(response.bodyUsed).toBe(false);
    expect(await response.clone().json()).toEqual(JSON.parse(text));
    expect(await response.text()).toBe(text);
  });

  test('has several headers of one name, and headers that are not ASCII', async ({ stage }) => {
    const body = JSON.stringify(completion(PRIMARY, 'x'));
    const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-name: caf\xe9\r\n\r\n`;
    const { openai } = await stage({ primary: { kind: 'raw', bytes: Buffer.from(head + body, 'latin1') } });
    const { headers } = await openai.chat.completions.create(REQUEST).asResponse();

    expect(headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(headers.get('x-name')).toBe('caf\xe9');
  });

  test('of a stream has no `content-length`', async ({ stage }) => {
    const text = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x' }, finish_reason: 'stop' }] }, null, 2).replaceAll('\n', '')}\n\ndata: [DONE]\n\n`;
    const headers = { 'content-type': 'text/event-stream', 'content-length': String(Buffer.byteLength(text)) };
    const { openai } = await stage({ primary: { kind: 'status', status: 200, body: { bytes: text }, headers } });
    const response = await openai.chat.completions.create({ ...REQUEST, stream: true }).asResponse();

    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.has('content-length')).toBe(false);
    expect(await response.text()).toMatch(/^data: .*\n\ndata: \[DONE\]\n\n$/);
  });

  test('of a completion with a byte order mark has no wrong `content-length`', async ({ stage }) => {
    const text = `\ufeff${JSON.stringify(completion(PRIMARY, 'x'))}`;
    const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) };
    const { openai } = await stage({ primary: { kind: 'status', status: 200, body: { bytes: text }, headers } });
    const response = await openai.chat.completions.create(REQUEST).asResponse();

    expect(response.headers.has('content-length')).toBe(false);
    expect(await response.json()).toEqual(JSON.parse(text.slice(1)));
  });

  test('rejects as the promise does', async ({ stage }) => {
    const { openai } = await stage({ primary: FAILING, maxRetries: 0 });
    const error = await rejection(openai.chat.completions.create(REQUEST).asResponse());
    expect(error.constructor).toBe(OpenAI.InternalServerError);
  });

  test('of a compressed answer has a body that can be read', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', encoding: 'gzip' } });
    const response = await openai.chat.completions.create(REQUEST).asResponse();
    expect(await response.json()).toMatchObject({ object: 'chat.completion' });
  });
});

describe('`parse()`', () => {
  const request = { ...REQUEST, response_format: zodResponseFormat(z.object({ count: z.number() }), 'counting') };

  test('gives the parsed value, and `openpipe`', async ({ stage }) => {
    const { openai, fallback } = await stage({
      primary: FAILING,
      fallback: { kind: 'answer', content: '{"count":10}', headers: { 'x-request-id': 'req_p' } },
    });
    const parsed = await openai.chat.completions.parse({ ...request, ...WITH_FALLBACK });

    expect(parsed.choices[0]?.message.parsed).toEqual({ count: 10 });
    expect(parsed._request_id).toBe('req_p');
    expect(parsed.openpipe).toMatchObject({ servedBy: 'fallback', model: FALLBACK });
    expect(Object.keys(parsed)).not.toContain('openpipe');
    expect(onlyChat(fallback).body.response_format.type).toBe('json_schema');
    expect(onlyChat(fallback).headers['x-stainless-helper-method']).toBe('chat.completions.parse');
  });

  test('has `withResponse()` too', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', content: '{"count":1}' } });
    const { data, response } = await openai.chat.completions.parse(request).withResponse();

    expect(data.choices[0]?.message.parsed).toEqual({ count: 1 });
    expect(response.status).toBe(200);
  });

  test('parses the arguments of tools', async ({ stage }) => {
    const tool = zodFunction({ name: 'add', parameters: z.object({ a: z.number() }) });
    const message = { role: 'assistant', content: null, tool_calls: [toolCall('add', '{"a":1}')] };
    const { openai } = await stage({ primary: () => answering(message, 'tool_calls') });
    const parsed = await openai.chat.completions.parse({ ...REQUEST, tools: [tool] });

    const [call] = parsed.choices[0]?.message.tool_calls ?? [];
    expect(/** @type {any} */ (call).function.parsed_arguments).toEqual({ a: 1 });
  });

  test('rejects with the error of the schema', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', content: '{"count":"ten"}' } });
    expect((await rejection(openai.chat.completions.parse(request))).name).toBe('ZodError');
  });
});

describe('`stream()`', () => {
  test('emits its events, and the final completion', async ({ stage }) => {
    const { openai } = await stage({ primary: FAILING });
    const runner = openai.chat.completions.stream({ ...REQUEST, ...WITH_FALLBACK });
    /** @type {string[]} */
    const pieces = [];
    runner.on('content', (piece) => pieces.push(piece));
    const final = await runner.finalChatCompletion();

    expect(final.choices[0]?.message.content).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
    expect(pieces.join('')).toBe(final.choices[0]?.message.content);
    expect(pieces.length).toBeGreaterThan(1);
    expect(final.choices[0]?.finish_reason).toBe('stop');
  });

  test('closes the connection when it is aborted', async ({ stage }) => {
    const { openai, primary } = await stage({ primary: { kind: 'answer', fault: { after: 2, how: 'stall' } } });
    const runner = openai.chat.completions.stream(REQUEST);
    runner.on('content', () => runner.abort());

    expect((await rejection(runner.done())).constructor).toBe(OpenAI.APIUserAbortError);
    expect(await onlyChat(primary).closed).toBe('broken off');
  });

  test('ends with the error of a stream that fails', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', fault: { after: 2, how: 'reset' } } });
    const error = await rejection(openai.chat.completions.stream(REQUEST).finalChatCompletion());
    expect(error.constructor).toBe(OpenAI.APIConnectionError);
  });
});

describe('`runTools()`', () => {
  const tools = [
    {
      type: /** @type {const} */ ('function'),
      function: {
        name: 'double',
        parse: JSON.parse,
        function: (/** @type {{ n: number }} */ { n }) => String(n * 2),
        parameters: { type: 'object', properties: { n: { type: 'number' } } },
        description: 'Doubles a number.',
      },
    },
  ];

  for (const stream of [false, true]) {
    test(`calls tools until there is an answer, by the fallback if necessary (stream: ${stream})`, async ({
      stage,
    }) => {
      const { openai, fallback } = await stage({
        primary: FAILING,
        fallback: ({ body }) => {
          const result = body.messages.find((/** @type {any} */ message) => message.role === 'tool');
          if (result) return { kind: 'answer', content: `It is ${result.content}.` };
          const calls = { role: 'assistant', content: null, tool_calls: [toolCall('double', '{"n":21}')] };
          return stream ? streaming(calls) : answering(calls, 'tool_calls');
        },
      });
      const body = /** @type {any} */ ({ ...REQUEST, ...WITH_FALLBACK, tools, stream });
      const runner = openai.chat.completions.runTools(body);

      expect(await runner.finalContent()).toBe('It is 42.');
      expect(chats(fallback)).toHaveLength(2);
      expect(chats(fallback)[1]?.body.messages.at(-1)).toMatchObject({ role: 'tool', content: '42' });
    });
  }
});

describe("the caller's signal", () => {
  test('has no listener left of a call that has ended, however it ended', async ({ stage }) => {
    const { openai } = await stage({
      primary: ({ body }) => (body.user === 'bad' ? { kind: 'status', status: 400 } : { kind: 'answer' }),
    });
    const { signal } = new AbortController();
    const listeners = () => getEventListeners(signal, 'abort').length;
    await openai.chat.completions.create(REQUEST, { signal });
    expect(listeners()).toBe(0);
    await rejection(openai.chat.completions.create({ ...REQUEST, user: 'bad' }, { signal }));
    expect(listeners()).toBe(0);
    for await (const _ of await openai.chat.completions.create({ ...REQUEST, stream: true }, { signal }));
    expect(listeners()).toBe(0);
    for await (const _ of await openai.chat.completions.create({ ...REQUEST, stream: true }, { signal })) break;
    expect(listeners()).toBe(0);
    const aborted = await openai.chat.completions.create({ ...REQUEST, stream: true }, { signal });
    aborted.controller.abort();
    expect(listeners()).toBe(0);
  });

  test('aborts every call that has it, with one listener for all of them', async ({ stage }) => {
    const { openai, primary } = await stage({ primary: { kind: 'silence' } });
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 20 }, () => rejection(openai.chat.completions.create(REQUEST, { signal })));
    await primary.arrival(20);
    // Node.js takes the eleventh for a leak.
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort();

    for (const error of await Promise.all(calls)) expect(error.constructor).toBe(OpenAI.APIUserAbortError);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(await eventually(() => primary.connections === 0)).toBe(true);
  });
});

describe('wrapping a client works:', () => {
  /** @type {[string, (openai: OpenAI) => any][]} */
  const wrappers = [
    ['a proxy around its completions', ({ chat }) => new Proxy(chat.completions, {})],
    ['a proxy that passes itself as `this`', ({ chat }) => new Proxy(chat.completions, { get: (target, name, proxy) => Reflect.get(target, name, proxy) })],
    ['a proxy around the client', (openai) => new Proxy(openai, {}).chat.completions],
    ['a clone of its completions', ({ chat }) => Object.assign(Object.create(Object.getPrototypeOf(chat.completions)), chat.completions)],
    ['a spread of its completions', ({ chat }) => ({ ...chat.completions, create: chat.completions.create })],
    ['a clone of the client', (openai) => {
      const clone = Object.assign(Object.create(Object.getPrototypeOf(openai)), openai);
      clone.chat = Object.assign(Object.create(Object.getPrototypeOf(openai.chat)), openai.chat);
      return clone.chat.completions;
    }],
    ['completions of a client that inherits from it', (openai) => {
      const client = Object.create(openai);
      return new /** @type {any} */ (OpenAI).Chat.Completions(client);
    }],
    ['its function, bound', ({ chat }) => ({ create: chat.completions.create.bind(chat.completions) })],
  ]; // prettier-ignore
  for (const [what, wrap] of wrappers) {
    test(what, async ({ stage }) => {
      const { openai } = await stage({ primary: FAILING });
      const completions = wrap(openai);
      const got = await completions.create({ ...REQUEST, ...WITH_FALLBACK });
      expect(got.openpipe.servedBy).toBe('fallback');
      const { data } = await completions.create({ ...REQUEST, ...WITH_FALLBACK, stream: true }).withResponse();
      expect(data.openpipe.servedBy).toBe('fallback');
      data.controller.abort();
    });
  }

  test('a `create` that is replaced, which `parse()` then calls', async ({ stage }) => {
    const { openai } = await stage();
    const { prototype } = /** @type {any} */ (OpenAI).Chat.Completions;
    const { create } = prototype;
    /** @type {any[]} */
    const seen = [];
    prototype.create = function (/** @type {any} */ body, /** @type {any} */ options) {
      seen.push(body);
      return create.call(this, body, options);
    };
    try {
      await openai.chat.completions.create(REQUEST);
      await openai.chat.completions.parse({ ...REQUEST, seed: 2 });
    } finally {
      prototype.create = create;
    }
    expect(seen).toMatchObject([{ model: PRIMARY }, { seed: 2 }]);
  });

  test('`chat` and `completions`, which are properties that can be replaced', async ({ stage }) => {
    const { openai } = await stage();
    const plain = { enumerable: true, configurable: true, writable: true };
    expect(Object.getOwnPropertyDescriptor(openai, 'chat')).toMatchObject(plain);
    expect(Object.getOwnPropertyDescriptor(openai.chat, 'completions')).toMatchObject(plain);
  });
});

test('a rejection that is not handled has the same effect as with the SDK', async ({ serve }) => {
  const upstream = await serve(({ body }) => ({ kind: 'status', status: 400, error: { message: body.model } }));
  const run = async (/** @type {string} */ whose) =>
    JSON.parse((await runProgram('process/programs/unawaited', [whose, upstream.url])).stdout);
  const [ours, theirs] = await Promise.all([run('ours'), run('sdk')]);

  expect(chats(upstream)).toHaveLength(16);
  expect(theirs).toMatchObject({ 'caught at once': 0, 'not awaited': 1 });
  expect(ours).toEqual(theirs);
});

/** @param {string} name @param {string} text */
function toolCall(name, text) {
  return { index: 0, id: 'call_1', type: 'function', function: { name, arguments: text } };
}

/** @param {Record<string, unknown>} message @param {string} finish @returns {Behaviour} */
function answering(message, finish) {
  const whole = { ...completion(PRIMARY, ''), choices: [{ index: 0, message, logprobs: null, finish_reason: finish }] };
  return { kind: 'status', status: 200, body: { json: whole } };
}

/** @param {Record<string, unknown>} delta @returns {Behaviour} */
function streaming(delta) {
  const events = [chunk(PRIMARY, delta), chunk(PRIMARY, {}, 'tool_calls'), '[DONE]'];
  return { kind: 'sse', sse: events.map(sseEvent) };
}
