/** Three vendors and no OpenPipe model: each key goes to its vendor only, whatever the vendors answer, and one 429 does not open a circuit. */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask, MESSAGES } from '../support/calls.mjs';
import { test } from '../support/upstreams.mjs';

const NAMES = /** @type {const} */ (['own', 'one', 'two', 'three']);
const KEYS = {
  own: 'sk-own-0123456789',
  one: 'key-of-one-0123456789',
  two: 'key-of-two-0123456789',
  three: 'key-of-three-0123456789',
  openpipe: 'opk-0123456789',
};

/** A small generator of numbers that are the same in each run (xorshift). @param {number} seed */
function numbers(seed) {
  let state = seed;
  return (/** @type {number} */ below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** What a vendor may do with a request: each failure, and redirects to every other place. @param {string[]} places */
const doings = (places) => [
  { kind: 'answer' },
  ...[400, 401, 403, 404, 429, 500, 503].map((status) => ({ kind: 'status', status })),
  { kind: 'status', status: 200, body: 'html' },
  { kind: 'close' },
  { kind: 'half-body' },
  ...places.flatMap((location) =>
    [302, 307, 308].map((status) => ({
      kind: 'status',
      status,
      headers: { location: `${location}/chat/completions` },
    })),
  ),
];

/** @param {any} upstream Everything that arrived there, as one text. */
const received = (upstream) =>
  JSON.stringify(
    upstream.requests.map((/** @type {any} */ { path, rawHeaders, rawBody }) => [path, rawHeaders, rawBody]),
  );

for (const transport of /** @type {const} */ (['native', 'fetch'])) {
  test(`no key reaches another vendor, whatever the vendors answer (${transport})`, async ({ serve }) => {
    /** @type {Record<string, any>} */
    const upstreams = {};
    /** @type {Record<string, any>} */
    const doing = {};
    for (const name of [...NAMES, 'openpipe']) {
      upstreams[name] = await serve((/** @type {any} */ request) =>
        request.path.includes('/chat/completions') ? doing[name] : undefined,
      );
    }
    const places = Object.values(upstreams).map(({ url }) => url);
    const openai = new OpenAI({
      apiKey: KEYS.own,
      baseURL: upstreams['own'].url,
      maxRetries: 0,
      logLevel: 'off',
      openpipe: {
        transport,
        apiKey: KEYS.openpipe,
        baseUrl: upstreams['openpipe'].url,
        upstreams: {
          one: { baseURL: upstreams['one'].url, apiKey: KEYS.one },
          two: { baseURL: upstreams['two'].url, apiKey: null, headers: { 'api-key': KEYS.two } },
          three: { baseURL: upstreams['three'].url, apiKey: async () => KEYS.three },
        },
      },
    });
    const models = ['gpt-5.4', 'one:m', 'two:m', 'three:m'];
    const number = numbers(20_261_127);
    for (let round = 0; round < 25; round += 1) {
      const all = doings(places);
      for (const name of NAMES) doing[name] = all[number(all.length)];
      const order = models.map((model) => ({ model, at: number(1_000) })).sort((a, b) => a.at - b.at);
      const [first, ...rest] = order.map(({ model }) => model);
      const fallback = rest.map((model) => ({ model }));
      await ask(openai, { model: first ?? '', stream: number(2) === 1, options: { openpipe: { fallback } } });
    }
    expect(await openai.flush()).toMatchObject({ dropped: 0, pending: 0 });

    for (const name of [...NAMES, 'openpipe']) {
      const seen = Object.keys(KEYS).filter((key) =>
        received(upstreams[name]).includes(KEYS[/** @type {'own'} */ (key)]),
      );
      expect(seen, `at ${name}`).toEqual([name]);
    }
  });
}

describe('a circuit breaker over three vendors', () => {
  test('does not open for a single 429', async ({ serve }) => {
    const one = await serve({ kind: 'answer', failFirst: 1, failWith: { kind: 'status', status: 429 } });
    const [two, three] = [await serve(), await serve()];
    const upstreams = Object.fromEntries(
      Object.entries({ one, two, three }).map(([name, { url }]) => [name, { baseURL: url, apiKey: null }]),
    );
    const chain = ['one:m', 'two:m', 'three:m'].map((model) => ({ model }));
    const openai = new OpenAI({ apiKey: 'k', openpipe: { upstreams, aliases: { chain }, breaker: true } });
    const servedBy = [];
    for (let call = 0; call < 12; call += 1) {
      const { openpipe } = await openai.chat.completions.create({ model: 'chain', messages: MESSAGES });
      servedBy.push(openpipe.upstream);
    }

    expect(servedBy).toEqual(['two', ...Array(11).fill('one')]);
    expect(three.requests).toEqual([]);
    expect(
      openai.upstreams().map(({ upstream, circuit, lastFailure }) => [upstream, circuit, lastFailure?.kind]),
    ).toEqual([
      ['one', 'closed', 'rate_limit'],
      ['two', 'closed', undefined],
    ]);
  });
});
