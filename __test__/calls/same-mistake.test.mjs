/**
 * The same mistake is the same class of error in each place where an option may stand, before any traffic (contract.md, section 1).
 * What each option takes, and how the message says so, is in arguments.test.mjs.
 */

import OpenAI from 'openpipe-native';
import OpenPipe from 'openpipe-native/client';
import { createFetch } from 'openpipe-native/fetch';
import { startUpstream } from 'openpipe-native/testing';
import { describe, expect } from 'vitest';

import { MESSAGES } from '../support/calls.mjs';
import { chat } from '../support/fetching.mjs';
import { OPENAI_KEY } from '../support/keys.mjs';
import { test } from '../support/upstreams.mjs';

const BODY = { model: 'a-model', messages: MESSAGES };

/** @typedef {{ url: string }} Place The upstream that must not be asked. */

/**
 * Each door: makes a client with options that are wrong, and a call of it.
 * @type {Record<string, (own: any, openpipe: any) => (to: Place) => Promise<unknown>>}
 */
const doors = {
  'the constructor': (own, openpipe) => async (to) => create({ baseURL: to.url, ...own, openpipe }),
  withOptions: (own, openpipe) => async (to) =>
    client({ baseURL: to.url })
      .withOptions({ ...own, openpipe })
      .chat.completions.create(BODY),
  createFetch: (own, openpipe) => async (to) => createFetch({ ...own, ...openpipe })(...chat(to, BODY)),
};

/** The places of one call. @type {typeof doors} */
const calls = {
  'the request options': (own, openpipe) => async (to) =>
    client({ baseURL: to.url }).chat.completions.create(BODY, { ...own, openpipe }),
  'the header x-openpipe': (own, openpipe) => async (to) =>
    createFetch()(...chat(to, BODY, { headers: { 'x-openpipe': JSON.stringify({ ...own, ...openpipe }) } })),
};

/** @param {any} options */
const client = (options) => new OpenAI({ apiKey: OPENAI_KEY, ...options });
/** @param {any} options */
const create = (options) => client(options).chat.completions.create(BODY);
/** A target, in each list of targets. @param {any} wrong */
const asTarget = (wrong) => [
  { fallback: { model: 'a-model', ...wrong } },
  { aliases: { name: [{ model: 'a-model' }, { model: 'a-model', ...wrong }] } },
];
/** @param {any} wrong */
const asUpstream = (wrong) => ({ upstreams: { local: { baseURL: 'http://127.0.0.1:9/v1', apiKey: null, ...wrong } } });

/**
 * By mistake: the options of the door itself that have it, those of `openpipe`, and those of `openpipe` that one call may have, too.
 * @type {Record<string, { own?: any[], openpipe?: any[], call?: any[] }>}
 */
const mistakes = {
  'a malformed URL': {
    openpipe: [{ baseUrl: 'no URL' }, { baseURL: 'ftp://host/v1' }, asUpstream({ baseURL: 'no URL' })],
  },
  'a wrong type': {
    own: [{ timeout: '10s' }, { maxRetries: '2' }],
    openpipe: [{ apiKey: 5 }, { transport: 'pigeon' }, { reports: 4 }, asUpstream({ headers: 5 }), { upstreams: 3 }],
    call: [{ fallback: 5 }, { idleTimeout: {} }, { tags: 7 }, { breaker: 3 }, { upstream: 5 }, ...asTarget({ params: 4 })],
  },
  'a value out of bounds': {
    own: [{ timeout: 0 }, { maxRetries: -1 }],
    openpipe: [asUpstream({ timeout: 0 }), asUpstream({ endpoints: ['images'] })],
    call: [{ deadline: 0 }, { maxResponseBytes: 0 }, { breaker: { failureRate: 2 } }, ...asTarget({ maxRetries: -1 })],
  },
  'an unknown member of a table': {
    openpipe: [asUpstream({ timout: 5 }), asTarget({ timout: 5 })[1]],
  },
}; // prettier-ignore

/** Of a call's options the tables of the constructor are left out. @param {any} options */
const isOfCall = (options) => !('aliases' in options);

const rows = Object.entries(mistakes).flatMap(([mistake, { own = [], openpipe = [], call = [] }]) => {
  const row = (/** @type {any} */ [place, make], /** @type {any} */ given, /** @type {any} */ members) => ({
    what: `${mistake} in ${place}: ${JSON.stringify(given ?? members)}`,
    call: make(given, members),
  });
  return [
    ...Object.entries(doors).flatMap((door) => [
      ...own.map((given) => row(door, given, undefined)),
      ...[...openpipe, ...call].map((members) => row(door, undefined, members)),
    ]),
    ...Object.entries(calls).flatMap((place) => [
      ...own.map((given) => row(place, given, undefined)),
      ...call.filter(isOfCall).map((members) => row(place, undefined, members)),
    ]),
  ];
});

describe('a mistake is a TypeError before any traffic:', () => {
  for (const { what, call } of rows) {
    test(what, async ({ serve }) => {
      const upstream = await serve();
      const error = await call(upstream).catch((/** @type {unknown} */ thrown) => thrown);
      expect(error).toBeInstanceOf(TypeError);
      expect(upstream.requests).toEqual([]);
    });
  }

  for (const [what, call] of /** @type {[string, () => unknown][]} */ ([
    ['a `fetch` of the constructor that is no function', () => create({ fetch: 5 })],
    ['a `fetch` of createFetch that is no function', () => createFetch(/** @type {any} */ ({ fetch: 5 }))],
    ['options of createFetch that are not an object', () => createFetch(/** @type {any} */ (5))],
    ['options of startUpstream that are not an object', () => startUpstream(/** @type {any} */ (5))],
    ['a port of startUpstream out of bounds', () => startUpstream({ port: -1 })],
    ['a time of startUpstream out of bounds', () => startUpstream({ keepAliveMs: -1 })],
    ['a behaviour of startUpstream of a wrong type', () => startUpstream(/** @type {any} */ ({ behaviour: 5 }))],
    ['behaviours of startUpstream of a wrong type', () => startUpstream(/** @type {any} */ ({ behaviours: 5 }))],
    ['an unknown option of startUpstream', () => startUpstream(/** @type {any} */ ({ prot: 5 }))],
    ['options of flush that are not an object', () => client({}).flush(/** @type {any} */ (5))],
    ['options of the flush of a fetch that are not an object', () => createFetch().flush(/** @type {any} */ (5))],
    ['a malformed URL of OpenPipe', () => new OpenPipe({ apiKey: 'key', baseUrl: 'no URL' }).listModels()],
    ['a key of OpenPipe of a wrong type', () => new OpenPipe({ apiKey: /** @type {any} */ (5) }).listModels()],
  ])) {
    test(what, async () => {
      const error = await (async () => call())().catch((/** @type {unknown} */ thrown) => thrown);
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toHaveProperty('message', expect.stringMatching(/must be|has no option|not a valid URL/));
    });
  }
});

describe('`reports: "openpipe"` without a key of OpenPipe is an OpenAIError', () => {
  test('in the constructor', () => {
    expect(() => client({ openpipe: { reports: 'openpipe' } })).toThrow(
      expect.objectContaining({ constructor: OpenAI.OpenAIError }),
    );
  });

  test('in createFetch', () => {
    expect(() => createFetch({ reports: 'openpipe' })).toThrow(expect.objectContaining({ name: 'OpenAIError' }));
  });
});
