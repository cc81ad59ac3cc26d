/** Malformed arguments are refused in one place, before any traffic (contract.md, section 1). */

import { runInNewContext } from 'node:vm';

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask, MESSAGES, rejection } from '../support/calls.mjs';
import { OPENPIPE_KEY } from '../support/keys.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { clientOptions, onlyChat, test } from '../support/upstreams.mjs';

const circular = { messages: /** @type {any[]} */ ([]) };
circular.messages.push(circular);

const MILLISECONDS = [0, -1, NaN, -Infinity, '10s', '1000', true, {}, [], 1n];
const WHOLE = [-1, 1.5, NaN, Infinity, '2', true, [], {}, 1n];
const client = { chat: { completions: { create: async () => ({}) } } };

/** For each option: values that it refuses, and the expected type in the message. */
/** @typedef {[option: string, takes: RegExp, values: any[]]} Row */

/** @type {Row[]} What stands in `openpipe`, of a call and of the constructor. */
const openpipeRows = [
  ['fallback', /must be an object with a model/, [5, 'gpt-4', true, () => {}]],
  ['fallback.model', /must be a non-empty string/, ['', 5, null, undefined, {}, ['gpt-4']]],
  ['fallback.timeout', /must be a positive number of milliseconds or Infinity/, MILLISECONDS],
  ['fallback.client', /chat\.completions\.create/, [{}, 5, { chat: {} }, { chat: { completions: { create: 1 } } }]],
  ['fallback.params', /must be an object/, [5, 'x', [], true]],
  ['fallback.params', /an object that JSON cannot hold \(\w+/, [circular, { seed: 1n }]],
  ['fallback.params', /cannot change `model`/, [{ temperature: 0, model: 'x' }]],
  ['fallback.params', /cannot change `stream`/, [{ stream: true }]],
  ['fallback.params', /cannot change `openpipe`/, [{ openpipe: {} }]],
  ['fallback.omit', /must be an array of strings/, [5, 'seed', {}]],
  ['fallback.omit', /cannot change `model`/, [['seed', 'model']]],
  ['fallback.omit[1]', /must be a non-empty string/, [['seed', 5], ['seed', ''], ['seed', null]]],
  ['fallback.on', /must be an array of kinds of failure or status codes/, ['timeout', 500, {}]],
  ['fallback.on[0]', /must be a status code or one of timeout, connection, /, [['nope'], [99], [600], [1.5], [null]]],
  ['fallback.except', /must be an array of kinds of failure or status codes/, ['timeout', 500, {}]],
  ['fallback.except[1]', /must be a status code or one of timeout, connection, /, [['timeout', 'ok'], [500, '500']]],
  ['tags', /must be an object of strings, numbers, booleans or null/, [5, 'x', [], true]],
  ['tags.a', /must be a string, a finite number, a boolean or null/, [{ a: {} }, { a: [] }, { a: NaN }, { a: 1n }, { a: () => {} }]],
  ['logRequest', /must be true or false/, ['yes', 1, 0, {}]],
  ['cache', /must be "readWrite" or "readOnly" or "writeOnly"/, ['always', true, {}, '']],
  ['criteria', /must be an array of strings/, ['helpful', 5, {}]],
  ['criteria[0]', /must be a non-empty string/, [[5], [''], [null]]],
  ['firstTokenTimeout', /must be a positive number of milliseconds or Infinity/, MILLISECONDS],
  ['idleTimeout', /must be a positive number of milliseconds or Infinity/, MILLISECONDS],
  ['deadline', /must be a positive number of milliseconds or Infinity/, MILLISECONDS],
  ['holdUntil', /must be "content" or "finish"/, ['end', true, 5]],
  ['maxResponseBytes', /must be a whole number of bytes from 1/, [0, -1, 1.5, NaN, '1MB', true]],
  ['breaker', /must be true, false or an object/, [5, 'on', [], () => {}]],
  ['breaker.failures', /must be a whole number from 1/, [0, -1, 1.5, '2', null, Infinity, 2 ** 32]],
  ['breaker.failureRate', /must be a number above 0 and up to 1/, [0, -0.5, 1.1, NaN, '0.5', null]],
  ['breaker.window', /must be a positive number of milliseconds, up to a day/, [0, -1, NaN, Infinity, '10s', null, 864e5 + 1]],
  ['breaker.openFor', /must be a positive number of milliseconds, up to a day/, [0, -1, NaN, Infinity, '10s', null]],
  ['onFallback', /must be a function/, [5, 'x', {}]],
]; // prettier-ignore

/** @type {Row[]} What only the constructor's `openpipe` has. */
const constructorRows = [
  ['apiKey', /must be a string/, [5, {}, () => {}]],
  ['baseUrl', /must be a non-empty string/, [5, {}, '']],
  ['baseURL', /must be a non-empty string/, [5, {}, '']],
  ['fallbackClient', /chat\.completions\.create/, [{}, 5, { chat: {} }]],
  ['transport', /must be "native" or "fetch"/, ['http', true]],
];

/** @type {Row[]} */
const optionRows = [
  ['timeout', /must be a positive number of milliseconds or Infinity/, MILLISECONDS],
  ['maxRetries', /must be a whole number from 0/, WHOLE],
  ['signal', /must be an AbortSignal/, [{}, 'x', 5, new AbortController()]],
  ['headers', /must be an object, an array of pairs or a Headers/, ['a: b', 5, true]],
];

/** An object with a value at `path`, `fallback.omit[1]` being `fallback.omit`. @param {string} path @param {any} value */
function withMember(path, value) {
  const [first = '', second] = path.replace(/\[\d+\]$/, '').split('.');
  if (first === 'tags') return { tags: value };
  if (second === undefined) return { [first]: value };
  return { [first]: { model: 'm', [second]: value } };
}

/** @param {any} value The value as the message should show it. */
function shown(value) {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  if (typeof value === 'function') return 'a function';
  return typeof value === 'bigint' ? `${value}n` : typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** The value that a row is about: of `on[0]` the element. @param {string} option @param {any} value */
function culprit(option, value) {
  const index = /\[(\d+)\]$/.exec(option)?.[1];
  if (index !== undefined) return value[Number(index)];
  return option === 'tags.a' ? value.a : value;
}

describe('a call is refused by a rejection, before any traffic', () => {
  const check = test.extend('refused', async ({ serve }) => {
    const upstream = await serve();
    const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { logLevel: 'off' }));
    return async (/** @type {any} */ body, /** @type {any} */ options = undefined) => {
      // A synchronous throw would fail the test here.
      const promise = openai.chat.completions.create(body, options);
      const error = await rejection(promise);
      expect(error).toBeInstanceOf(TypeError);
      expect(upstream.totalConnections).toBe(0);
      return error;
    };
  });

  check('for a body that is no object', async ({ refused }) => {
    for (const body of [undefined, null, 'text', 5, true, [], () => {}, 1n, Symbol('s')]) {
      expect((await refused(body)).message).toMatch(/body .*must be an object, got /);
    }
  });

  check('for a model that is no name', async ({ refused }) => {
    for (const model of [undefined, null, '', 5, {}, ['gpt-4']]) {
      const { message } = await refused({ model, messages: MESSAGES });
      expect(message).toContain(`\`model\` must be a non-empty string, got ${shown(model)}`);
    }
    expect((await refused({ messages: MESSAGES })).message).toContain('`model`');
  });

  check('for a body that JSON cannot hold, with the reason as its cause', async ({ refused }) => {
    const mine = new Error('my getter');
    for (const body of [
      { model: 'm', ...circular },
      { model: 'm', seed: 1n },
      { model: 'm', get messages() { throw mine; } },
      { model: 'm', messages: [{ toJSON() { throw mine; } }] },
      { model: 'm', openpipe: {}, get messages() { throw mine; } },
      { model: 'm', openpipe: {}, toJSON() { throw mine; } },
    ]) {
      const error = await refused(body);
      expect(error.message).toMatch(/body .*must be JSON/);
      expect(error.cause).toBeInstanceOf(Error);
    } // prettier-ignore
  });

  check('for options that are no object', async ({ refused }) => {
    for (const options of [5, 'x', true, () => {}, []]) {
      expect((await refused({ model: 'm' }, options)).message).toMatch(/`options` must be an object, got /);
    }
  });

  for (const [option, takes, values] of optionRows) {
    check(`for an \`options.${option}\` that it does not take`, async ({ refused }) => {
      for (const value of values) {
        const { message } = await refused({ model: 'm', messages: MESSAGES }, { [option]: value });
        expect(message).toContain(`\`options.${option}\``);
        expect(message).toMatch(takes);
        expect(message).toContain(`got ${shown(value)}`);
      }
    });
  }

  check('for an `openpipe` that is no object', async ({ refused }) => {
    for (const openpipe of [5, 'x', true, false, [], () => {}]) {
      expect((await refused({ model: 'm', openpipe })).message).toMatch(/`openpipe` must be an object, got /);
    }
  });

  for (const [option, takes, values] of openpipeRows) {
    check(`for a value that \`openpipe.${option}\` does not take (${takes.source})`, async ({ refused }) => {
      for (const value of values) {
        const { message } = await refused({ model: 'm', openpipe: withMember(option, value) });
        expect(message).toContain(`\`openpipe.${option}\``);
        expect(message).toMatch(takes);
        if (!/cannot/.test(takes.source)) expect(message).toContain(`got ${shown(culprit(option, value))}`);
      }
    });
  }

  check('for an `openpipe` that is no plain object of options', async ({ refused }) => {
    for (const [value, got] of /** @type {[any, string][]} */ ([
      [new Map([['logRequest', false]]), 'a Map'],
      [new Set(['logRequest']), 'a Set'],
      [Promise.resolve({ logRequest: false }), 'a Promise'],
      [[], 'an array'],
    ])) {
      expect((await refused({ model: 'm', openpipe: value })).message).toBe(
        `\`openpipe\` must be an object, got ${got}`,
      );
      expect(() => new OpenAI({ apiKey: 'sk', openpipe: value })).toThrow(`\`openpipe\` must be an object, got ${got}`);
    }
  });

  for (const option of ['tags', 'fallback.params']) {
    check(`for an \`openpipe.${option}\` whose members cannot be seen`, async ({ refused }) => {
      class Accessors {
        get user() {
          return 'x';
        }
      }
      for (const value of [
        new Map([['a', 1]]),
        new Set(['a']),
        new Headers({ a: '1' }),
        Promise.resolve({}),
        new Accessors(),
      ]) {
        const { message } = await refused({ model: 'm', openpipe: withMember(option, value) });
        expect(message).toContain(`\`openpipe.${option}\` must be an object`);
        expect(message).toMatch(value instanceof Map ? /got a Map without members/ : /without members/);
      }
    });
  }

  check('for `params` that say by their `toJSON` what they must not', async ({ refused }) => {
    const asked = async (/** @type {any} */ params) => {
      const { message } = await refused({ model: 'm', openpipe: { fallback: { model: 'f', params } } });
      return message;
    };
    expect(await asked({ toJSON: () => ({ stream: true }) })).toContain('cannot change `stream`');
    expect(await asked({ toJSON: () => ({ toJSON: () => ({ model: 'x' }), model: 'x' }) })).toContain(
      'cannot change `model`',
    );
    expect(await asked({ toJSON: () => 'text' })).toContain('`openpipe.fallback.params` must be an object, got "text"');
    expect(await asked(new Date(0))).toContain('`openpipe.fallback.params` must be an object, got a string');
  });

  check('for a fallback in an array, by its number', async ({ refused }) => {
    const fallback = [{ model: 'a' }, { model: 'b', timeout: -1 }];
    expect((await refused({ model: 'm', openpipe: { fallback } })).message).toContain('`openpipe.fallback[1].timeout`');
    expect((await refused({ model: 'm', openpipe: { fallback: [null] } })).message).toContain('`openpipe.fallback[0]`');
  });

  for (const [what, bad] of /** @type {const} */ ([
    ['CR', 'a\rb'],
    ['LF', 'a\nX-Injected: yes'],
    ['NUL', 'a\0b'],
    ['a character beyond Latin-1', 'caf\u{1f389}'],
  ])) {
    check(`for a header with ${what} in its value`, async ({ refused }) => {
      for (const headers of [{ 'x-mine': bad }, [['x-mine', bad]], { 'x-mine': ['good', bad] }]) {
        const { message } = await refused({ model: 'm' }, { headers });
        expect(message).toContain('x-mine');
        expect(message).not.toContain(bad);
      }
    });
  }

  check('for a header whose name is none', async ({ refused }) => {
    for (const headers of [{ 'sp ace': '1' }, { '': '1' }, { 'new\nline': '1' }, [[5, 'x']], [null]]) {
      expect((await refused({ model: 'm' }, { headers })).message).toMatch(/headers/);
    }
  });

  check('also when its options are a promise, as openai 7 passes them', async ({ refused }) => {
    expect((await refused({ model: 'm' }, Promise.resolve({ timeout: -1 }))).message).toContain('options.timeout');
  });

  check('by every helper that ends up calling `create`', async ({ serve }) => {
    const upstream = await serve();
    const openai = new OpenAI(clientOptions(upstream.url, upstream.url));
    const body = /** @type {any} */ ({ model: 'm', messages: MESSAGES, openpipe: { deadline: -1 } });
    expect(await rejection(openai.chat.completions.parse(body))).toBeInstanceOf(TypeError);
    expect(await rejection(openai.chat.completions.create(body).withResponse())).toBeInstanceOf(TypeError);
    expect(await rejection(openai.chat.completions.create(body).asResponse())).toBeInstanceOf(TypeError);
    expect(upstream.totalConnections).toBe(0);
  });
});

describe('a client is refused when it is made', () => {
  for (const [option, takes, values] of [...openpipeRows, ...constructorRows]) {
    test(`for a value that \`openpipe.${option}\` does not take (${takes.source})`, () => {
      for (const value of values) {
        const make = () => new OpenAI({ apiKey: 'k', logLevel: 'off', openpipe: withMember(option, value) });
        expect(make).toThrow(TypeError);
        expect(make).toThrow(takes);
        expect(make).toThrow(`\`openpipe.${option}\``);
      }
    });
  }
});

describe('a malformed option that is set on the client is refused by the call', () => {
  for (const [what, make, message] of /** @type {[string, (url: string) => any, RegExp][]} */ ([
    ['a timeout', (url) => ({ baseURL: url, timeout: -5 }), /`timeout` .*positive number of milliseconds.* got -5/],
    ['maxRetries', (url) => ({ baseURL: url, maxRetries: 1.5 }), /`maxRetries` .*whole number from 0.* got 1.5/],
    ['a baseURL of another scheme', () => ({ baseURL: 'ftp://x/v1' }), /`baseURL`/],
    ['an OpenPipe URL that is malformed', (url) => ({ baseURL: url, openpipe: { baseUrl: 'api.openpipe' } }), /`openpipe.baseUrl`/],
  ])) {
    test(`${what}`, async ({ serve }) => {
      const upstream = await serve();
      const openai = new OpenAI({ apiKey: 'k', logLevel: 'off', ...make(upstream.url) });
      const error = await rejection(openai.chat.completions.create({ model: 'm', messages: MESSAGES }));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(message);
      expect(upstream.totalConnections).toBe(0);
    });
  } // prettier-ignore
});

describe('half a surrogate pair', () => {
  const half = 'half \ud800';
  for (const [option, own, openpipe, headers] of /** @type {[string, object, object, Record<string, string>?][]} */ ([
    ['openpipe.apiKey', {}, { apiKey: half }],
    ['apiKey', { apiKey: half }, {}],
    ['headers', {}, {}, { 'x-half': half }],
  ])) {
    test(`in \`${option}\` is refused by an error that names it`, async () => {
      const openai = new OpenAI({ apiKey: 'k', baseURL: 'http://127.0.0.1:1', ...own, openpipe });
      const error = await rejection(openai.chat.completions.create({ model: 'm', messages: MESSAGES }, { headers }));

      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain(`\`${option}\``);
    });
  }
});

describe('a well-formed value is accepted', () => {
  test('members that are `undefined` or `null` are ignored', async ({ stage }) => {
    const { openai } = await stage();
    for (const nothing of [undefined, null]) {
      const members = openpipeRows.map(([option]) => [option.split(/[.[]/)[0], nothing]);
      const openpipe = Object.fromEntries(members);
      const options = Object.fromEntries(optionRows.map(([option]) => [option, nothing]));
      expect((await ask(openai, { openpipe, options })).error).toBeUndefined();
      expect((await ask(openai, { body: { openpipe: nothing }, options: nothing })).error).toBeUndefined();
    }
  });

  /** @type {[string, any][]} */
  const objects = [
    ['without a prototype', Object.assign(Object.create(null), { seed: 7 })],
    ['of another realm', runInNewContext('({ seed: 7 })')],
    ['of a class', new (class Params { seed = 7; })()],
    ['of a class, with a `toJSON`', new (class Params { #seed = 7; toJSON() { return { seed: this.#seed }; } })()],
  ]; // prettier-ignore
  for (const [what, params] of objects) {
    test(`\`params\` as an object ${what}`, async ({ stage }) => {
      const { openai, fallback } = await stage({ primary: { kind: 'status', status: 418 } });
      await ask(openai, { openpipe: { fallback: { model: 'm', params } } });
      expect(onlyChat(fallback).body.seed).toBe(7);
    });
  }

  test('empty `tags` and `params`, of any kind of object', async ({ stage }) => {
    const { openai } = await stage();
    for (const empty of [{}, Object.create(null), runInNewContext('({})'), new (class Tags {})()]) {
      const openpipe = { tags: empty, fallback: { model: 'm', params: empty } };
      expect((await ask(openai, { openpipe })).error).toBeUndefined();
    }
  });

  /** @type {[string, any, Record<string, string | undefined>][]} */
  const forms = [
    ['an object', { 'X-Mine': 'a', 'x-number': 5 }, { 'x-mine': 'a', 'x-number': '5' }],
    ['pairs', [['X-Mine', 'a'], ['x-other', 'b']], { 'x-mine': 'a', 'x-other': 'b' }],
    ['a Headers', new Headers({ 'X-Mine': 'a' }), { 'x-mine': 'a' }],
    ['a Map', new Map([['x-mine', 'a']]), { 'x-mine': 'a' }],
    ['an object with several values', { 'x-mine': ['a', 'b'] }, { 'x-mine': 'a, b' }],
    ['an object with undefined', { 'x-mine': undefined }, { 'x-mine': undefined }],
    ['an object with null, which removes one', { 'User-Agent': null }, { 'user-agent': undefined }],
    ['nothing', null, {}],
    ['Latin-1', { 'x-mine': 'caf\xe9' }, { 'x-mine': 'caf\xe9' }],
  ]; // prettier-ignore
  for (const [what, headers, expected] of forms) {
    test(`headers as ${what}`, async ({ stage }) => {
      const { openai, primary } = await stage();
      expect((await ask(openai, { options: { headers } })).error).toBeUndefined();
      for (const [name, value] of Object.entries(expected)) {
        expect(onlyChat(primary).headers[name], name).toBe(value);
      }
    });
  }

  test('options that are a promise', async ({ stage }) => {
    const { openai, primary } = await stage();
    const options = Promise.resolve({ headers: { 'x-mine': 'later' } });
    expect((await ask(openai, { options })).error).toBeUndefined();
    expect(onlyChat(primary).headers['x-mine']).toBe('later');
  });

  test('options that are a promise which rejects reject the call', async ({ stage }) => {
    const { openai, primary } = await stage();
    expect((await ask(openai, { options: Promise.reject(new Error('mine')) })).error.message).toBe('mine');
    expect(primary.totalConnections).toBe(0);
  });

  test('`openpipe.baseURL`, as `baseUrl` and without a warning', async ({ serve }) => {
    const { url, ...upstream } = await serve();
    const { logger, warnings } = listeningLogger();
    const openpipe = /** @type {any} */ ({ apiKey: OPENPIPE_KEY, baseURL: url });
    const openai = new OpenAI({ apiKey: 'k', baseURL: 'http://127.0.0.1:1', logger, openpipe });
    expect((await ask(openai)).error).toBeUndefined();
    expect(upstream.requests[0]?.headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
    expect(warnings).toEqual([]);
  });

  test('a `fallback.client` whose `create` is its own or inherited', () => {
    class Completions {
      async create() {}
    }
    const inherited = { chat: { completions: new Completions() } };
    for (const each of [client, inherited]) {
      expect(() => new OpenAI({ apiKey: 'k', logLevel: 'off', openpipe: { fallbackClient: each } })).not.toThrow();
    }
  });
});

describe('an unknown member', () => {
  test('of a call is ignored, with one warning that names the nearest option', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ logger });
    const openpipe = /** @type {any} */ ({ fallbak: { model: 'x' }, logRequests: false });
    for (let call = 0; call < 3; call += 1) expect((await ask(openai, { openpipe })).error).toBeUndefined();

    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(/`openpipe\.fallbak` is not known.*`fallback`/);
    expect(warnings[1]).toMatch(/`openpipe\.logRequests` is not known.*`logRequest`/);
  });

  test('of a fallback is named by its path in the warning', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ logger });
    const fallback = /** @type {any} */ ([{ model: 'a' }, { model: 'b', timeOut: 5 }]);
    await ask(openai, { openpipe: { fallback } });

    expect(warnings).toEqual([expect.stringMatching(/`openpipe\.fallback\[1\]\.timeOut` is not known.*`timeout`/)]);
  });

  test('a `fallbackClient` of a call, which only the constructor takes', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ logger });
    const fallbackClient = /** @type {any} */ (openai);
    await ask(openai, { openpipe: /** @type {any} */ ({ fallbackClient }) });
    await ask(openai, { openpipe: /** @type {any} */ ({ fallback: { model: 'a', fallbackClient: {} } }) });
    expect(warnings).toEqual([
      expect.stringMatching(/`openpipe\.fallbackClient` is not known/),
      expect.stringMatching(/`openpipe\.fallback\.fallbackClient` is not known/),
    ]);
  });

  test('of the constructor is an error, also where it is an option of a call', () => {
    const { logger, warnings } = listeningLogger();
    const openpipe = /** @type {any} */ ({ apikey: 'x', zzzzzzzzzzzz: 1, apiKey: OPENPIPE_KEY });
    new OpenAI({ apiKey: 'k', logger, openpipe });

    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(/`openpipe\.apikey` is not known.*`apiKey`/);
    expect(warnings[1]).toMatch(/`openpipe\.zzzzzzzzzzzz` is not known/);
    expect(warnings[1]).not.toMatch(/did you mean/);
  });

  test('of the constructor in a call is one', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ logger });
    expect((await ask(openai, { openpipe: /** @type {any} */ ({ transport: 'fetch' }) })).error).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('`openpipe.transport` is not known')]);
  });

  test('gives no warning where the client’s log level is below it', async ({ stage }) => {
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ logger, logLevel: 'error' });
    await ask(openai, { openpipe: /** @type {any} */ ({ unheardOf: 1 }) });
    expect(warnings).toEqual([]);
  });
});
