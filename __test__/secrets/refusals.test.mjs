/** What is refused is not repeated where it may be a key (contract.md, section 6). */

import SdkOpenAI from 'openai';
import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { FALLBACK } from '../support/upstreams.mjs';
import { everyPrint, KEYS, keysIn } from './keys.mjs';
import { expectKept, keysSent, OWN, PRIMARY, test } from './world.mjs';

/** @import { ClientOptions } from 'openpipe-native' */

/** What no header can carry. */
const BAD = ['\nx: y', '\r\n ', '\0z', '\u{1f389}'];

describe.concurrent.for(/** @type {const} */ (['native', 'fetch']))('by way of %s', (transport) => {
  for (const bad of BAD) {
    const escaped = JSON.stringify(bad);
    for (const [where, options] of /** @type {[string, ClientOptions][]} */ ([
      ['apiKey', { apiKey: `${KEYS.openai}${bad}z` }],
      ['an apiKey function', { apiKey: async () => `${KEYS.openai}${bad}z` }],
      ['defaultHeaders', { defaultHeaders: { 'x-api-key': `${KEYS.default}${bad}z` } }],
      ['organization', { organization: `${KEYS.default}${bad}z` }],
    ])) {
      test(`${where} with ${escaped}`, async ({ world }) => {
        const here = await world({ ...options, openpipe: { transport, fallback: null } });
        const { error } = await here.tell({ model: OWN });

        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toMatch(/apiKey|defaultHeaders/);
        expect(here.servers.openai.requests).toEqual([]);
        expectKept(here, 'openai');
      });
    }

    test(`a header of the call with ${escaped}`, async ({ world }) => {
      const here = await world({ openpipe: { transport, fallback: null } });
      const headers = { authorization: `Bearer ${KEYS.call}${bad}z` };
      const { error } = await here.tell({ model: OWN, options: { headers } });

      expect(error).toBeInstanceOf(TypeError);
      expectKept(here, 'openai');
    });
  }
});

describe.concurrent('by way of native', () => {
  for (const bad of ['\nx: y', '\0z']) {
    test(`openpipe.apiKey with ${JSON.stringify(bad)}`, async ({ world }) => {
      const here = await world({ openpipe: { apiKey: `${KEYS.openpipe}${bad}z`, fallback: null } });
      const { error } = await here.tell({ model: PRIMARY });

      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('`openpipe.apiKey`');
      expectKept(here, 'openpipe');
    });
  }
});

test("a fallback client's key that it refuses itself is in no event and no report", async ({ world }) => {
  const client = new SdkOpenAI({ apiKey: `${KEYS.custom}\nz`, logLevel: 'off' });
  const failing = /** @type {const} */ ({ kind: 'status', status: 500 });
  const here = await world({ does: { openpipe: failing, openai: failing } });
  /** @type {unknown[]} */
  const events = [];
  const onFallback = (/** @type {unknown} */ event) => events.push(event);
  const fallback = [{ model: 'f', client }, { model: FALLBACK }];
  const error = await here.openai.chat.completions
    .create({ model: PRIMARY, messages: [], openpipe: { fallback, onFallback } })
    .catch((error) => error);
  await error.openpipe.reportingFinished;

  expect(error.openpipe.attempts.map((/** @type {any} */ { outcome }) => outcome)).toHaveLength(3);
  expect(events).toHaveLength(2);
  expect(keysIn(everyPrint([error.openpipe.attempts, events]))).toEqual([]);
  expect(here.reports()).toHaveLength(2);
  for (const report of here.reports()) expect(keysSent([report])).toEqual(['openpipe']);
});

describe('a key in the wrong place', () => {
  const key = KEYS.openpipe;
  for (const [where, openpipe] of /** @type {[string, any][]} */ ([
    ['openpipe', key],
    ['apiKey', { apiKey: [key] }],
    ['fallbackClient', { fallbackClient: key }],
    ['fallback', { fallback: key }],
    ['fallback.client', { fallback: { model: 'f', client: key } }],
    ['fallback.timeout', { fallback: { model: 'f', timeout: key } }],
    ['fallback.on', { fallback: { model: 'f', on: key } }],
    ['fallback.on[0]', { fallback: { model: 'f', on: [key] } }],
    ['fallback.params', { fallback: { model: 'f', params: key } }],
    ['tags', { tags: key }],
    ['logRequest', { logRequest: key }],
    ['cache', { cache: key }],
    ['criteria', { criteria: key }],
    ['transport', { transport: key }],
    ['deadline', { deadline: key }],
    ['holdUntil', { holdUntil: key }],
    ['maxResponseBytes', { maxResponseBytes: key }],
    ['onFallback', { onFallback: key }],
  ])) {
    test(where, () => {
      /** @type {any} */
      let refused;
      try {
        new OpenAI({ apiKey: 'k', openpipe });
      } catch (error) {
        refused = error;
      }
      expect(refused).toBeInstanceOf(TypeError);
      expect(keysIn(everyPrint(refused))).toEqual([]);
    });
  }

  for (const [where, options] of /** @type {[string, any][]} */ ([
    ['the second argument', KEYS.call],
    ['options.headers', { headers: KEYS.call }],
    ['options.signal', { signal: KEYS.call }],
    ['options.timeout', { timeout: KEYS.call }],
    ['options.maxRetries', { maxRetries: KEYS.call }],
  ])) {
    test(where, async () => {
      const openai = new OpenAI({ apiKey: KEYS.openai, baseURL: 'http://127.0.0.1:1/v1', logLevel: 'off' });
      const refused = await openai.chat.completions
        .create({ model: 'm', messages: [] }, options)
        .catch((/** @type {unknown} */ error) => error);

      expect(refused).toBeInstanceOf(TypeError);
      expect(keysIn(everyPrint(refused))).toEqual([]);
    });
  }
});

describe.for(/** @type {const} */ (['native', 'fetch']))('through %s, a malformed URL', (transport) => {
  for (const [where, options, path] of /** @type {[string, ClientOptions, string?][]} */ ([
    ['baseURL with a password', { baseURL: `http://${KEYS.user}:${KEYS.password}@host:99999/v1` }],
    ['baseURL that is a key', { baseURL: KEYS.openai }],
    ['options.path', {}, `http://${KEYS.user}:${KEYS.password}@host:99999/v1`],
  ])) {
    test(where, async () => {
      const openai = new OpenAI({ apiKey: 'k', logLevel: 'off', ...options, openpipe: { transport } });
      const refused = await /** @type {Promise<any>} */ (
        openai.chat.completions.create({ model: 'm', messages: [] }, { path })
      ).catch((/** @type {unknown} */ error) => error);

      expect(refused).toBeInstanceOf(TypeError);
      expect(refused.message).toMatch(/URL/);
      expect(keysIn([refused, openai].map(everyPrint).join('\n'))).toEqual([]);
    });
  }
});

describe.concurrent('by way of fetch, which refuses a URL with a password,', () => {
  const withPassword = (/** @type {string} */ url) => url.replace('//', `//${KEYS.user}:${KEYS.password}@`);

  test('baseURL is refused without the key in the message, and OpenPipe serves its models', async ({ world }) => {
    const here = await world({ openpipe: { transport: 'fetch', fallback: null } });
    const client = here.newClient({ baseURL: withPassword(here.servers.openai.url) });
    const { error } = await here.tell({ model: OWN }, client);
    const served = await here.tell({ model: PRIMARY }, client);

    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain('`baseURL`');
    expect(served.error).toBeUndefined();
    expect(here.servers.openai.requests).toEqual([]);
    expect(here.shown()).toEqual([]);
  });

  test('openpipe.baseUrl is refused without the key in the message, and the own upstream serves its models', async ({
    world,
  }) => {
    const here = await world({ openpipe: { transport: 'fetch', fallback: null } });
    const client = here.newClient({ openpipe: { baseUrl: withPassword(here.servers.openpipe.url) } });
    const { error } = await here.tell({ model: PRIMARY }, client);
    const served = await here.tell({ model: OWN }, client);

    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain('`openpipe.baseUrl`');
    expect(served.error).toBeUndefined();
    expect(here.servers.openpipe.requests).toEqual([]);
    expect(here.shown()).toEqual([]);
  });
});
