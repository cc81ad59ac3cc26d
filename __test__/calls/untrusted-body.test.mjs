/** Bodies that come from users (contract.md, section 2): the guarantees for a gateway that forwards them. */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask, rejection } from '../support/calls.mjs';
import { OPENPIPE_KEY } from '../support/keys.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { chats as allChats, test } from '../support/upstreams.mjs';

/** @param {any} upstream @returns {any[]} */
const chats = (upstream) => allChats(upstream);

/** Every member of `openpipe` as JSON could bring it. */
const BROUGHT = {
  cache: 'readWrite',
  logRequest: false,
  tags: { tenant: 'B' },
  fallback: { model: 'dear' },
  criteria: ['x'],
  deadline: 1,
  firstTokenTimeout: 1,
  idleTimeout: 1,
  holdUntil: 'finish',
  maxResponseBytes: 1,
  breaker: { failures: 1, openFor: 86_400_000 },
  onFallback: 'x',
  upstream: 'openpipe',
  reject: ['empty'],
};

/** What only the constructor and, of these, the request options may say. */
const NEVER_BROUGHT = {
  upstream: 'openpipe',
  reject: ['empty'],
  apiKey: 'opk-of-the-user',
  baseUrl: 'http://127.0.0.1:9/v1',
  baseURL: 'http://127.0.0.1:9/v1',
  fallbackClient: { chat: { completions: {} } },
  transport: 'fetch',
  upstreams: { evil: { baseURL: 'http://127.0.0.1:9/v1', apiKey: null } },
  aliases: { 'gpt-4o': 'evil:model' },
  allowInBody: true,
  reports: [{ file: '/tmp/openpipe-of-the-user.jsonl' }],
};

/** What may stand in the place of an object. */
const ODD = { 'null': null, 'a number': 5, 'a text': 'x', 'an array': [{ cache: 'readWrite' }], 'true': true, 'nested': { openpipe: { cache: 'readWrite' } } }; // prettier-ignore

/** @param {any} serve @param {any} [openpipe] */
async function gateway(serve, openpipe) {
  const upstream = await serve();
  const { logger, warnings } = listeningLogger();
  const own = { apiKey: OPENPIPE_KEY, baseUrl: upstream.url, tags: { tenant: 'A' }, logRequest: false, ...openpipe };
  return { upstream, warnings, openai: new OpenAI({ apiKey: 'sk-0123456789', baseURL: upstream.url, logger, openpipe: own }) };
} // prettier-ignore

describe('`allowInBody: false`', () => {
  for (const [name, value] of Object.entries(BROUGHT)) {
    test(`ignores \`${name}\`, and does not send it`, async ({ serve }) => {
      const { openai, upstream, warnings } = await gateway(serve, { allowInBody: false });
      const body = JSON.parse(JSON.stringify({ openpipe: { [name]: value } }));
      expect((await ask(openai, { model: 'gpt-4o', body })).error).toBeUndefined();
      expect((await ask(openai, { model: 'gpt-4o', body })).error).toBeUndefined();
      expect(chats(upstream).map(({ headers }) => headers.authorization)).toEqual(
        Array(2).fill('Bearer sk-0123456789'),
      );
      expect(chats(upstream).every((/** @type {any} */ request) => request.body.openpipe === undefined)).toBe(true);
      expect(warnings).toEqual([expect.stringContaining('allowInBody')]);
    });
  }

  for (const [name, value] of Object.entries({ ...NEVER_BROUGHT, everything: BROUGHT })) {
    test(`ignores \`${name}\` of a body`, async ({ serve }) => {
      const { openai, upstream } = await gateway(serve, { allowInBody: false });
      const body = JSON.parse(JSON.stringify({ openpipe: name === 'everything' ? value : { [name]: value } }));
      expect((await ask(openai, { model: 'gpt-4o', body })).error).toBeUndefined();
      expect(chats(upstream).map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-0123456789']);
      expect(chats(upstream)[0].body.openpipe).toBeUndefined();
    });
  }

  for (const [what, openpipe] of Object.entries(ODD)) {
    test(`ignores an \`openpipe\` that is ${what}`, async ({ serve }) => {
      const { openai, upstream } = await gateway(serve, { allowInBody: false });
      expect((await ask(openai, { model: 'gpt-4o', body: { openpipe } })).error).toBeUndefined();
      expect(chats(upstream)[0].body.openpipe).toBeUndefined();
    });
  }

  test('does not read ignored members', async ({ serve }) => {
    const { openai } = await gateway(serve, { allowInBody: false });
    const openpipe = /** @type {any} */ ({
      get tags() {
        throw new Error('read');
      },
    });
    expect((await ask(openai, { model: 'gpt-4o', openpipe })).error).toBeUndefined();
  });

  test('does not affect the request options', async ({ serve }) => {
    const { openai, upstream } = await gateway(serve, { allowInBody: false });
    const options = /** @type {any} */ ({ openpipe: { cache: 'readOnly', tags: { tenant: 'C' } } });
    expect((await ask(openai, { model: 'gpt-4o', options })).error).toBeUndefined();
    expect(chats(upstream)[0].headers['op-cache']).toBe('readOnly');
    expect(JSON.parse(chats(upstream)[0].headers['op-tags'])).toMatchObject({ tenant: 'C' });
  });
});

describe('`allowInBody`', () => {
  test('as a list accepts the named options only', async ({ serve }) => {
    const { openai, upstream } = await gateway(serve, { allowInBody: ['tags'] });
    const openpipe = { ...BROUGHT, tags: { user: 'u' } };
    expect((await ask(openai, { model: 'openpipe:m', openpipe: /** @type {any} */ (openpipe) })).error).toBeUndefined();
    expect(JSON.parse(chats(upstream)[0].headers['op-tags'])).toMatchObject({ tenant: 'A', user: 'u' });
    expect(chats(upstream)[0].headers['op-cache']).toBeUndefined();
  });

  test('refuses a name that is not an option', () => {
    const make = () => new OpenAI({ apiKey: 'k', openpipe: /** @type {any} */ ({ allowInBody: ['tag'] }) });
    expect(make).toThrow(/`openpipe\.allowInBody\[0\]` .*did you mean "tags"\?/);
  });
});

describe('a body', () => {
  for (const [name, value] of Object.entries(NEVER_BROUGHT)) {
    test(`cannot set \`${name}\`, whatever is allowed`, async ({ serve }) => {
      const { openai, upstream, warnings } = await gateway(serve);
      const body = JSON.parse(JSON.stringify({ openpipe: { [name]: value } }));
      const { error, info } = await ask(openai, { model: 'gpt-4o', body });
      expect(error).toBeUndefined();
      expect(info.attempts.map(({ upstream: asked }) => asked)).toEqual(['openai']);
      const [request] = chats(upstream);
      expect([request.headers.authorization, request.body.model]).toEqual(['Bearer sk-0123456789', 'gpt-4o']);
      expect(request.body.openpipe).toBeUndefined();
      expect(warnings.length).toBeLessThanOrEqual(1);
    });
  }

  test('with an inherited `openpipe` has none', async ({ serve }) => {
    const { openai, upstream } = await gateway(serve);
    const given = JSON.parse('{"__proto__":{"openpipe":{"cache":"readWrite"}}}');
    const body = Object.assign({ model: 'gpt-4o', messages: [] }, given);
    await openai.chat.completions.create(body);
    expect(chats(upstream)[0].headers['op-cache']).toBeUndefined();
  });

  test('with a tag named `__proto__` has it sent', async ({ serve }) => {
    const { openai, upstream } = await gateway(serve);
    const openpipe = { tags: JSON.parse('{"__proto__":"2"}') };
    expect((await ask(openai, { model: 'openpipe:m', openpipe })).error).toBeUndefined();
    expect(chats(upstream)[0].headers['op-tags']).toContain('"__proto__":"2"');
  });

  test('cannot take another client’s number for itself', async ({ serve }) => {
    const { openai } = await gateway(serve);
    const text = '{"fallback":{"model":"x","client":0},"clients":{"openpipe.fallback.client":{"number":0}}}';
    const { error } = await ask(openai, { model: 'gpt-4o', openpipe: JSON.parse(text) });
    expect(error.message).toMatch(/`openpipe\.fallback\.client` must be an object with a function/);
  });

  test('with too many targets, or too large tags, is refused', async ({ serve }) => {
    const { openai, upstream } = await gateway(serve);
    const refused = (/** @type {any} */ openpipe) =>
      rejection(openai.chat.completions.create({ model: 'gpt-4o', messages: [], openpipe }));
    expect(await refused({ fallback: Array(3000).fill({ model: 'dear' }) })).toBeInstanceOf(TypeError);
    expect(await refused({ tags: { a: 'x'.repeat(5000) } })).toBeInstanceOf(TypeError);
    expect(upstream.totalConnections).toBe(0);
  });

  test('with a line break in a warned name forges no line of the log', async ({ serve }) => {
    const { openai, warnings } = await gateway(serve);
    await ask(openai, { model: 'gpt-4o', openpipe: JSON.parse('{"a\\nERROR forged\\u2028":1}') });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).not.toMatch(/[\n\r\u2028]/);
  });

  test('with many different unknown names silences no later warning, of this client or another', async ({ serve }) => {
    const { openai, warnings } = await gateway(serve);
    const other = await gateway(serve);
    for (let n = 0; n < 1200; n += 1) {
      await ask(openai, { model: 'gpt-4o', openpipe: /** @type {any} */ ({ [`unknown${n}`]: 1 }) });
    }
    for (const each of [openai, other.openai]) {
      const late = /** @type {any} */ ({ falback: { model: 'x' } });
      await ask(each, { model: 'gpt-4o', openpipe: late });
      await ask(each, { model: 'gpt-4o', openpipe: late });
    }
    expect(warnings.filter((message) => message.includes('falback'))).toHaveLength(1);
    expect(other.warnings.filter((message) => message.includes('falback'))).toHaveLength(1);
  });
});

test('`upstream` and `reject` in a body are warned of by where they belong', async ({ serve }) => {
  const { openai, warnings } = await gateway(serve);
  const { upstream, reject } = BROUGHT;
  await ask(openai, { model: 'gpt-4o', body: { openpipe: { upstream, reject } } });
  expect(warnings).toEqual([
    expect.stringContaining('`openpipe.upstream` is not taken from a body: it belongs in the request options'),
    expect.stringContaining('`openpipe.reject` is not taken from a body: it belongs in the request options'),
  ]);
});
