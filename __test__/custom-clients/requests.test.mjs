/** What a JavaScript client is asked with: the body and the options (contract.md, sections 2 and 4; issue 3). */

import SdkOpenAI from 'openai';
import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask, eventually, MESSAGES, rejection } from '../support/calls.mjs';
import { PRIMARY, test } from '../support/upstreams.mjs';
import { chunks, completion, FAILING, healthyClient, MODEL, never, onlyAsked, pause, plainClient, streamOf, TO_CLIENT } from '../support/custom-clients.mjs'; // prettier-ignore

/** @import { OpenPipeCallOptions } from 'openpipe-native' */
/** @import { Asking } from '../support/calls.mjs' */
/** @import { Staging } from '../support/upstreams.mjs' */

/** The largest time that a timer of Node.js holds. */
const MAX_TIMER = 2 ** 31 - 1;

describe('the body', () => {
  test("is the caller's with the target's model and without `openpipe`", async ({ stage }) => {
    const { asked } = await askClient(stage, {
      body: { temperature: 0.5, user: 'u', tools: [{ type: 'function', function: { name: 'f', parameters: {} } }] },
    });

    expect(onlyAsked(asked).body).toEqual({
      model: MODEL,
      messages: MESSAGES,
      stream: false,
      temperature: 0.5,
      user: 'u',
      tools: [{ type: 'function', function: { name: 'f', parameters: {} } }],
    });
  });

  test("keeps the order of the caller's members", async ({ stage }) => {
    const { asked } = await askClient(stage, { body: { z: 1, a: 2, seed: 3 } });

    expect(Object.keys(onlyAsked(asked).body)).toEqual(['model', 'messages', 'stream', 'z', 'a', 'seed']);
  });

  test('has `stream` as the caller’s', async ({ stage }) => {
    const { asked, told } = await askClient(stage, { stream: true, body: { stream_options: { include_usage: true } } });

    expect(told.text).toBe('Answered by the client.');
    expect(onlyAsked(asked).body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });

  test("has the target's `params` and lacks what it omits", async ({ stage }) => {
    const { asked } = await askClient(stage, {
      body: { temperature: 1, reasoning_effort: 'high', top_p: 0.5, nested: { a: 1 } },
      openpipe: {
        fallback: {
          model: MODEL,
          params: { temperature: 0, nested: { b: 2 }, added: [1] },
          omit: ['reasoning_effort'],
        },
      },
    });

    expect(onlyAsked(asked).body).toEqual({
      model: MODEL,
      messages: MESSAGES,
      stream: false,
      temperature: 0,
      top_p: 0.5,
      nested: { b: 2 },
      added: [1],
    });
  });

  test('is an ordinary object, all the way down', async ({ stage }) => {
    const { asked } = await askClient(stage, { body: { nested: { list: [{}] } } });
    const { body } = onlyAsked(asked);

    for (const value of [body, body.messages[0], body.nested, body.nested.list[0]]) {
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(Object.isExtensible(value)).toBe(true);
    }
    expect(Array.isArray(body.messages)).toBe(true);
  });

  test("is a copy: the client's changes affect neither the caller nor the next target", async ({ stage }) => {
    const spoiling = plainClient(async (body) => {
      body.messages[0].content = 'spoilt';
      delete body.temperature;
      throw new Error('and fails');
    });
    const next = healthyClient();
    const { openai } = await stage({ primary: FAILING });
    const request = /** @type {const} */ ({
      model: PRIMARY,
      messages: [{ role: 'user', content: 'Hi' }],
      temperature: 1,
    });
    const fallback = [
      { model: 'a', client: spoiling.client },
      { model: 'b', client: next.client },
    ];
    await openai.chat.completions.create({ ...request, messages: [...request.messages], openpipe: { fallback } });

    expect(request).toEqual({ model: PRIMARY, messages: [{ role: 'user', content: 'Hi' }], temperature: 1 });
    expect(onlyAsked(next.asked).body).toEqual({ ...request, model: 'b' });
  });

  test('is what it was when `create` was called', async ({ stage }) => {
    const { client, asked } = healthyClient();
    const { openai } = await stage({ primary: { ...FAILING, delayMs: 50 }, openpipe: { fallbackClient: client } });
    const request = { model: PRIMARY, messages: [{ role: /** @type {const} */ ('user'), content: 'before' }] };
    const call = openai.chat.completions.create({ ...request, openpipe: TO_CLIENT });
    /** @type {any} */ (request.messages[0]).content = 'after';
    await call;

    expect(onlyAsked(asked).body.messages).toEqual([{ role: 'user', content: 'before' }]);
  });

  test('keeps every JSON text, lone surrogates too', async ({ stage }) => {
    const content = 'half \ud83d, whole \u{1f600}, \u2028, \0, "\\';
    const { asked } = await askClient(stage, { body: { messages: [{ role: 'user', content }] } });

    expect(onlyAsked(asked).body.messages[0].content).toBe(content);
  });

  test('has `metadata` only where it is stored', async ({ stage }) => {
    for (const [store, kept] of /** @type {const} */ ([
      [undefined, undefined],
      [false, undefined],
      [true, { a: 'b' }],
    ])) {
      const { asked } = await askClient(stage, { body: { store, metadata: { a: 'b' } } });
      expect(onlyAsked(asked).body.metadata).toEqual(kept);
    }
  });

  test('never has `openpipe`, for any target', async ({ stage }) => {
    const failing = plainClient(async () => {
      throw new Error('no');
    });
    const last = healthyClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { tags: { a: 'b' }, fallbackClient: last.client } });
    await ask(openai, {
      openpipe: { fallback: [{ model: 'a', client: failing.client }, { model: 'b' }], tags: { c: 1 } },
    });

    for (const { body, options } of [onlyAsked(failing.asked), onlyAsked(last.asked)]) {
      expect(body).not.toHaveProperty('openpipe');
      expect(JSON.stringify(options)).not.toContain('op-');
    }
  });
});

describe('the options', () => {
  test('are a signal and a timeout only, where no other options were given', async ({ stage }) => {
    const { asked } = await askClient(stage);

    expect(Object.keys(onlyAsked(asked).options).sort()).toEqual(['signal', 'timeout']);
    expect(onlyAsked(asked).options.signal).toBeInstanceOf(AbortSignal);
  });

  test('of a middle target have `maxRetries: 0` as well', async ({ stage }) => {
    const { asked } = await askClient(stage, { openpipe: { fallback: [{ model: MODEL }, { model: 'next' }] } });

    expect(Object.keys(onlyAsked(asked).options).sort()).toEqual(['maxRetries', 'signal', 'timeout']);
    expect(onlyAsked(asked).options.maxRetries).toBe(0);
  });
});

describe('`maxRetries`', () => {
  test('is passed where the call gave it', async ({ stage }) => {
    const { asked } = await askClient(stage, { options: { maxRetries: 5 } });
    expect(onlyAsked(asked).options.maxRetries).toBe(5);
  });

  test('is passed to a middle target where the call gave it', async ({ stage }) => {
    const { asked } = await askClient(stage, {
      options: { maxRetries: 3 },
      openpipe: { fallback: [{ model: MODEL }, { model: 'next' }] },
    });
    expect(onlyAsked(asked).options.maxRetries).toBe(3);
  });

  test('is passed where the client was given it', async ({ stage }) => {
    const { asked } = await askClient(stage, {}, { maxRetries: 4 });
    expect(onlyAsked(asked).options.maxRetries).toBe(4);
  });

  test('is passed as 0 where the call gave 0', async ({ stage }) => {
    const { asked } = await askClient(stage, { options: { maxRetries: 0 } });
    expect(onlyAsked(asked).options.maxRetries).toBe(0);
  });

  test("of `withOptions` that does not name it stays the custom client's own", async ({ stage }) => {
    const { client, asked } = healthyClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    await ask(openai.withOptions({ timeout: 5_000 }), { openpipe: TO_CLIENT });
    expect(onlyAsked(asked).options).not.toHaveProperty('maxRetries');
  });

  test('is left to the client, which is called once', async ({ stage }) => {
    const { client, asked } = plainClient(async () => {
      throw Object.assign(new Error('busy'), { status: 429 });
    });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await ask(openai, { openpipe: TO_CLIENT, options: { maxRetries: 3 } });

    expect(asked).toHaveLength(1);
    expect(told.info.attempts[1]).toMatchObject({ outcome: 'rate_limit', tries: 1 });
  });
});

describe('the time', () => {
  /** @type {[string, Asking, Staging, number][]} */
  const cases = [
    ["the target's", fallbackWith({ timeout: 1_234 }), {}, 1_234],
    ["the target's before the call's", { ...fallbackWith({ timeout: 1_234 }), options: { timeout: 999 } }, {}, 1_234],
    ["the call's", { options: { timeout: 4_321 } }, {}, 4_321],
    ["the call's before the client's", { options: { timeout: 4_321 } }, { timeout: 999 }, 4_321],
    ["the client's", {}, { timeout: 7_777 }, 7_777],
    ['ten minutes where none was given', {}, {}, 600_000],
    ['no more than a timer holds', fallbackWith({ timeout: MAX_TIMER + 1 }), {}, MAX_TIMER],
    ['all that a timer holds', fallbackWith({ timeout: MAX_TIMER }), {}, MAX_TIMER],
    ['no more than a timer holds, however long', fallbackWith({ timeout: 1e15 }), {}, MAX_TIMER],
    ['all that a timer holds where there is no limit', fallbackWith({ timeout: Infinity }), {}, MAX_TIMER],
  ];
  for (const [name, asking, staging, expected] of cases) {
    for (const stream of [false, true]) {
      test(`is ${name}, of a ${stream ? 'stream' : 'completion'}`, async ({ stage }) => {
        const { asked } = await askClient(stage, { ...asking, stream }, staging);
        expect(onlyAsked(asked).options.timeout).toBe(expected);
      });
    }
  }

  test('is whole where the target’s is not', async ({ stage }) => {
    const { asked } = await askClient(stage, fallbackWith({ timeout: 1_500.7 }));
    expect([1_500, 1_501]).toContain(onlyAsked(asked).options.timeout);
  });

  test('is the same for a target in the middle', async ({ stage }) => {
    const { asked } = await askClient(stage, {
      openpipe: { fallback: [{ model: MODEL, timeout: 2_000 }, { model: 'next' }] },
    });
    expect(onlyAsked(asked).options.timeout).toBe(2_000);
  });

  test('does not depend on the time that earlier targets took', async ({ stage }) => {
    const { client, asked } = healthyClient();
    const { openai } = await stage({ primary: { ...FAILING, delayMs: 200 }, openpipe: { fallbackClient: client } });
    await ask(openai, { ...fallbackWith({ timeout: 3_000 }), options: { timeout: 5_000 } });
    expect(onlyAsked(asked).options.timeout).toBe(3_000);
  });

  test('is the rest of the deadline where that is less', async ({ stage }) => {
    const { client, asked } = healthyClient();
    const { openai } = await stage({ primary: { ...FAILING, delayMs: 200 }, openpipe: { fallbackClient: client } });
    await ask(openai, { openpipe: { fallback: { model: MODEL, timeout: 60_000 }, deadline: 10_000 } });
    const { timeout } = onlyAsked(asked).options;

    expect(Number.isInteger(timeout)).toBe(true);
    expect(timeout).toBeLessThanOrEqual(9_801);
    expect(timeout).toBeGreaterThan(1_000);
  });

  test("is the target's where the deadline is later", async ({ stage }) => {
    const { asked } = await askClient(stage, {
      openpipe: { fallback: { model: MODEL, timeout: 3_000 }, deadline: 60_000 },
    });
    expect(onlyAsked(asked).options.timeout).toBe(3_000);
  });

  test('is not the first-token timeout, after which a stream may go on', async ({ stage }) => {
    const { asked } = await askClient(stage, {
      stream: true,
      openpipe: { fallback: [{ model: MODEL, timeout: 9_000 }, { model: 'next' }], firstTokenTimeout: 4_000 },
    });
    expect(onlyAsked(asked).options.timeout).toBe(9_000);
  });

  test('overrides the default of the client where it is Infinity', async ({ stage, serve }) => {
    const slow = await serve({ kind: 'answer', delayMs: 300 });
    const client = new SdkOpenAI({ apiKey: 'k', baseURL: slow.url, timeout: 50, maxRetries: 0 });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    expect((await ask(openai, fallbackWith({ timeout: Infinity }))).error).toBeUndefined();
  });
});

describe('the signal', () => {
  test('is not aborted when the client is called, nor after it answered', async ({ stage }) => {
    const firedAtTheStart = /** @type {boolean[]} */ ([]);
    const { client, asked } = plainClient(async (body, { signal }) => {
      firedAtTheStart.push(signal.aborted);
      return completion(body.model, 'fine');
    });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    await ask(openai, { openpipe: TO_CLIENT });
    await pause(30);

    expect(firedAtTheStart).toEqual([false]);
    expect(onlyAsked(asked).options.signal.aborted).toBe(false);
  });

  test('is not aborted after a stream was read to its end', async ({ stage }) => {
    const { asked, told } = await askClient(stage, { stream: true });
    await pause(30);

    expect(told.error).toBeUndefined();
    expect(onlyAsked(asked).options.signal.aborted).toBe(false);
  });

  test("is aborted when the target's time is up, before the next target is called", async ({ stage }) => {
    const { client, asked } = plainClient(never);
    const firedThen = /** @type {boolean[]} */ ([]);
    const next = plainClient(async (body) => {
      firedThen.push(onlyAsked(asked).options.signal.aborted);
      return completion(body.model, 'next');
    });
    const { openai } = await stage({ primary: FAILING });
    const told = await ask(openai, {
      openpipe: {
        fallback: [
          { model: MODEL, client, timeout: 50 },
          { model: 'next', client: next.client },
        ],
      },
    });

    expect(told.text).toBe('next');
    expect(firedThen).toEqual([true]);
  });

  test('is aborted when the last target’s time is up', async ({ stage }) => {
    const { client, asked } = plainClient(never);
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    await ask(openai, fallbackWith({ timeout: 50 }));

    expect(await eventually(() => onlyAsked(asked).options.signal.aborted)).toBe(true);
  });

  test('is aborted at the deadline of the call', async ({ stage }) => {
    const { client, asked } = plainClient(never);
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    await ask(openai, { openpipe: { ...TO_CLIENT, deadline: 700 } });

    expect(await eventually(() => onlyAsked(asked).options.signal.aborted)).toBe(true);
  });

  test('is aborted when the caller aborts', async ({ stage }) => {
    const { client, asked } = plainClient(never);
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const caller = new AbortController();
    const told = ask(openai, { openpipe: TO_CLIENT, options: { signal: caller.signal } });
    expect(await eventually(() => asked.length === 1)).toBe(true);
    expect(onlyAsked(asked).options.signal.aborted).toBe(false);
    caller.abort();

    expect(onlyAsked(asked).options.signal.aborted).toBe(true);
    expect((await told).error).toBeInstanceOf(OpenAI.APIUserAbortError);
  });

  test("is not the caller's own", async ({ stage }) => {
    const caller = new AbortController();
    const { asked } = await askClient(stage, { options: { signal: caller.signal } });
    expect(onlyAsked(asked).options.signal).not.toBe(caller.signal);
  });

  test('is another one for each target', async ({ stage }) => {
    const { client, asked } = plainClient(async () => {
      throw new Error('no');
    });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    await ask(openai, { openpipe: { fallback: [{ model: 'a' }, { model: 'b' }] } });

    expect(asked).toHaveLength(2);
    expect(asked[0]?.options.signal).not.toBe(asked[1]?.options.signal);
  });

  test('is not created where the caller aborted before the call', async ({ stage }) => {
    const { client, asked } = healthyClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const { error } = await ask(openai, { openpipe: TO_CLIENT, options: { signal: AbortSignal.abort() } });

    expect(error).toBeInstanceOf(OpenAI.APIUserAbortError);
    expect(asked).toEqual([]);
  });
});

describe('the headers', () => {
  test("are the caller's of the call", async ({ stage }) => {
    const { asked } = await askClient(stage, { options: { headers: { 'X-Trace': 'abc', 'x-other': '1' } } });
    expect(onlyAsked(asked).options.headers).toEqual({ 'X-Trace': 'abc', 'x-other': '1' });
  });

  for (const [name, headers] of /** @type {[string, any][]} */ ([
    ['`Headers`', new Headers({ 'x-trace': 'abc' })],
    ['pairs', [['x-trace', 'abc']]],
    ['an object', { 'x-trace': 'abc' }],
  ])) {
    test(`may be given as ${name}`, async ({ stage }) => {
      const { asked } = await askClient(stage, { options: { headers } });
      expect(onlyAsked(asked).options.headers).toEqual({ 'x-trace': 'abc' });
    });
  }

  test('have every value of one that was given twice', async ({ stage }) => {
    const headers = [
      ['x-trace', 'abc'],
      ['x-trace', 'def'],
    ];
    const { asked } = await askClient(stage, { options: { headers } });
    expect(onlyAsked(asked).options.headers).toEqual({ 'x-trace': 'abc, def' });
  });

  for (const name of ['Authorization', 'authorization', 'api-key', 'X-API-Key', 'Cookie', 'proxy-authorization']) {
    test(`never have ${name}`, async ({ stage }) => {
      const { asked } = await askClient(stage, {
        options: { headers: { [name]: 'secret-of-the-caller', 'x-fine': '1' } },
      });

      expect(onlyAsked(asked).options.headers).toEqual({ 'x-fine': '1' });
      expect(JSON.stringify(onlyAsked(asked).options)).not.toContain('secret-of-the-caller');
    });
  }

  test("never have the client's own defaults", async ({ stage }) => {
    const { asked } = await askClient(stage, {}, { defaultHeaders: { 'x-default': 'of the client', 'api-key': 's' } });
    expect(onlyAsked(asked).options).not.toHaveProperty('headers');
  });

  test('are left out where only keys were given', async ({ stage }) => {
    const { asked } = await askClient(stage, { options: { headers: { authorization: 'Bearer x' } } });
    expect(onlyAsked(asked).options).not.toHaveProperty('headers');
  });

  test('that HTTP forbids are refused before anything is sent', async ({ stage }) => {
    const { client, asked } = healthyClient();
    const { openai, primary } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const { error } = await ask(openai, { openpipe: TO_CLIENT, options: { headers: { 'x-a': 'a\r\nx-b: b' } } });

    expect(error).toBeInstanceOf(TypeError);
    expect(primary.requests).toEqual([]);
    expect(asked).toEqual([]);
  });
});

describe('a client without a usable `chat.completions.create`', () => {
  for (const [name, value] of /** @type {[string, any][]} */ ([
    ['an empty object', {}],
    ['a chat without completions', { chat: {} }],
    ['a `create` that is no function', { chat: { completions: { create: 'create' } } }],
    ['a number', 5],
    ['a string', 'client'],
    ['a function', () => {}],
    ['an array', []],
  ])) {
    test(`is refused when a client is made with it: ${name}`, () => {
      const make = () => new OpenAI({ apiKey: 'k', openpipe: { apiKey: 'k', fallbackClient: value } });
      expect(make).toThrow(TypeError);
      expect(make).toThrow(/`openpipe\.fallbackClient` must be an object with a function chat\.completions\.create/);
    });

    test(`is refused, by a rejection, as a target's: ${name}`, async ({ stage }) => {
      const { openai, primary } = await stage({ primary: FAILING });
      const error = await rejection(
        openai.chat.completions.create({
          model: PRIMARY,
          messages: MESSAGES,
          openpipe: { fallback: [{ model: 'a' }, { model: 'b', client: value }] },
        }),
      );

      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('`openpipe.fallback[1].client` must be an object with a function');
      expect(primary.requests).toEqual([]);
    });
  }

  test('is accepted by its shape, whatever its class', async ({ stage }) => {
    class Completions {
      /** @param {any} body */
      async create(body) {
        return completion(body.model, `by ${this.constructor.name}`);
      }
    }
    const client = Object.create(null, { chat: { value: Object.create({ completions: new Completions() }) } });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    expect((await ask(openai, { openpipe: TO_CLIENT })).text).toBe('by Completions');
  });

  test('may have one that is patched later', async ({ stage }) => {
    const { client } = healthyClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    client.chat.completions.create = async (/** @type {any} */ body) => completion(body.model, 'patched');
    expect((await ask(openai, { openpipe: TO_CLIENT })).text).toBe('patched');
  });

  test('may lose it later, and then its call fails', async ({ stage }) => {
    const { client } = healthyClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    /** @type {any} */ (client.chat).completions = {};
    const { error } = await ask(openai, { openpipe: TO_CLIENT });

    expect(error).toBeInstanceOf(TypeError);
    expect(error.openpipe.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'invalid_response' });
  });
});

/**
 * One call that falls over to a client which answers well.
 * @param {(staging: Staging) => Promise<{ openai: OpenAI }>} stage @param {Asking} [asking] @param {Staging} [staging]
 */
async function askClient(stage, asking = {}, staging = {}) {
  const { client, asked } = plainClient(async (body) =>
    body.stream ? streamOf(chunks('Answered by the client.')) : completion(body.model, 'Answered by the client.'),
  );
  const { openai } = await stage({ primary: FAILING, ...staging, openpipe: { fallbackClient: client } });
  const told = await ask(openai, { ...asking, openpipe: asking.openpipe ?? TO_CLIENT });
  if (told.error) throw told.error;
  return { told, asked };
}

/** @param {Partial<import('openpipe-native').FallbackTarget>} target @returns {{ openpipe: OpenPipeCallOptions }} */
function fallbackWith(target) {
  return { openpipe: { fallback: { model: MODEL, ...target } } };
}
