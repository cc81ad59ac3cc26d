/** Who can watch calls: `onFallback`, and the diagnostics channels (contract.md, section 6). */

import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';

import OpenAI from 'openpipe-native';
import { beforeEach, describe, expect } from 'vitest';

import { ask, eventually, MESSAGES, readAll } from '../support/calls.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

/** @import { CallEvent, FallbackEvent } from 'openpipe-native' */

const FAILING = /** @type {const} */ ({ kind: 'status', status: 500, headers: { 'x-request-id': 'req_1' } });
const FAILED = {
  upstream: 'openpipe',
  model: PRIMARY,
  outcome: 'server_error',
  tries: 1,
  status: 500,
  requestId: 'req_1',
};
const MOVED = { from: FAILED, to: { upstream: 'openai', model: FALLBACK } };
const WITH_FALLBACK = { fallback: { model: FALLBACK } };

/** @type {FallbackEvent[]} */
let moves = [];
/** @type {CallEvent[]} */
let calls = [];
const watch = {
  'openpipe:fallback': (/** @type {any} */ event) => void moves.push(event),
  'openpipe:call': (/** @type {any} */ event) => void calls.push(event),
};

beforeEach(() => {
  moves = [];
  calls = [];
  for (const [name, listener] of Object.entries(watch)) diagnostics.subscribe(name, listener);
  return () => {
    for (const [name, listener] of Object.entries(watch)) diagnostics.unsubscribe(name, listener);
  };
});

for (const stream of [false, true]) {
  describe(`of a ${stream ? 'stream' : 'completion'}`, () => {
    test('`onFallback` and its channel get each move to another target', async ({ stage }) => {
      /** @type {FallbackEvent[]} */
      const events = [];
      const { openai } = await stage({
        primary: FAILING,
        fallback: ({ body }) => (body.model === 'a' ? { kind: 'status', status: 429 } : undefined),
        openpipe: { onFallback: (event) => void events.push(event) },
      });
      await ask(openai, { stream, openpipe: { fallback: [{ model: 'a' }, { model: FALLBACK }] } });

      expect(events).toMatchObject([
        { from: FAILED, to: { upstream: 'openai', model: 'a' } },
        {
          from: { upstream: 'openai', model: 'a', outcome: 'rate_limit' },
          to: { upstream: 'openai', model: FALLBACK },
        },
      ]);
      expect(events[0]?.from.startedAt).toBeGreaterThan(Date.now() - 60_000);
      expect(events[0]?.from.durationMs).toBeGreaterThan(0);
      expect(moves).toEqual(events);
    });

    test('neither gets anything if the primary answers, or if no target takes over', async ({ stage }) => {
      const { openai } = await stage({
        primary: ({ body }) => (body.user === 'bad' ? { kind: 'status', status: 400 } : undefined),
        openpipe: { onFallback: (event) => void moves.push(event) },
      });
      await ask(openai, { stream, openpipe: WITH_FALLBACK });
      await ask(openai, { stream, body: { user: 'bad' } });
      const fallback = { model: FALLBACK, except: [400] };
      await ask(openai, { stream, body: { user: 'bad' }, openpipe: { fallback } });

      expect(calls).toHaveLength(3);
      expect(moves).toEqual([]);
    });

    test('`openpipe:call` gets every finished call, with its usage', async ({ stage }) => {
      const { openai } = await stage({ primary: FAILING });
      const body = stream ? { stream_options: { include_usage: true } } : {};
      const told = await ask(openai, { stream, body, openpipe: WITH_FALLBACK });

      expect(calls).toHaveLength(1);
      expect(calls[0]).toMatchObject({
        model: FALLBACK,
        servedBy: 'fallback',
        attempts: [FAILED, { upstream: 'openai', outcome: 'ok' }],
        usage: { prompt_tokens: 9, completion_tokens: expect.any(Number), total_tokens: expect.any(Number) },
      });
      expect(calls[0]?.attempts).toEqual(told.info.attempts);
      expect(calls[0]?.durationMs).toBeGreaterThan(0);
    });

    test('the channels are published to in the async context of the call, as tracers need it', async ({ stage }) => {
      const { openai } = await stage({ primary: FAILING });
      const request = new AsyncLocalStorage();
      /** @type {unknown[]} */
      const seen = [];
      const look = () => void seen.push(request.getStore());
      for (const name of Object.keys(watch)) diagnostics.subscribe(name, look);
      const calling = ['one', 'other'].map((store) =>
        request.run(store, () => ask(openai, { stream, openpipe: WITH_FALLBACK })),
      );
      await Promise.all(calling);
      for (const name of Object.keys(watch)) diagnostics.unsubscribe(name, look);

      // Of each call a move and its end.
      expect(seen.sort()).toEqual(['one', 'one', 'other', 'other']);
    });

    test('`openpipe:call` gets a call that fails', async ({ stage }) => {
      const { openai } = await stage({ primary: FAILING, fallback: { kind: 'status', status: 401 } });
      await ask(openai, { stream, openpipe: WITH_FALLBACK });

      expect(calls).toMatchObject([
        { model: FALLBACK, servedBy: 'fallback', attempts: [FAILED, { outcome: 'auth', status: 401 }] },
      ]);
      expect(calls[0]).not.toHaveProperty('usage');
    });

    test('`openpipe:call` gets nothing before the call is finished', async ({ stage }) => {
      const { openai, primary } = await stage({ primary: { kind: 'answer', delayMs: 100 } });
      const call = ask(openai, { stream });
      await primary.arrival(1);
      expect(calls).toEqual([]);
      await call;
      expect(calls).toHaveLength(1);
    });

    test('a callback that throws gives a warning and does not affect the call', async ({ stage }) => {
      const { logger, warnings } = listeningLogger();
      const { openai } = await stage({
        primary: FAILING,
        logger,
        openpipe: {
          onFallback() {
            throw new Error('mine');
          },
        },
      });
      const told = await ask(openai, { stream, openpipe: WITH_FALLBACK });

      expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
      expect(warnings).toEqual([expect.stringMatching(/onFallback.*mine/)]);
    });

    test('a callback that rejects gives a warning and does not affect the call', async ({ stage }) => {
      const { logger, warnings } = listeningLogger();
      const { openai } = await stage({
        primary: FAILING,
        logger,
        openpipe: { onFallback: async () => Promise.reject(new Error('mine')) },
      });
      const told = await ask(openai, { stream, openpipe: WITH_FALLBACK });

      expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
      expect(await eventually(() => warnings.length > 0)).toBe(true);
      expect(warnings).toEqual([expect.stringMatching(/onFallback.*mine/)]);
    });

    for (const [name, thrown] of /** @type {[string, unknown][]} */ ([
      ['an object without a prototype', Object.create(null)],
      [
        'an error whose message throws',
        Object.defineProperty(new Error(), 'message', {
          get() {
            throw new Error('not even this');
          },
        }),
      ],
    ])) {
      test(`a callback that throws or rejects with ${name} gives a warning and does not affect the call`, async ({
        stage,
      }) => {
        for (const onFallback of [
          () => {
            throw thrown;
          },
          () => Promise.reject(thrown),
        ]) {
          const { logger, warnings } = listeningLogger();
          const { openai } = await stage({ primary: FAILING, logger, openpipe: { onFallback } });
          const told = await ask(openai, { stream, openpipe: WITH_FALLBACK });

          expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
          expect(await eventually(() => warnings.length > 0)).toBe(true);
          expect(warnings).toEqual([expect.stringMatching(/onFallback.*cannot be converted to text/)]);
        }
      });
    }

    test('a callback that never settles delays no call', async ({ stage }) => {
      const { openai } = await stage({ primary: FAILING, openpipe: { onFallback: () => new Promise(() => {}) } });
      expect((await ask(openai, { stream, openpipe: WITH_FALLBACK })).error).toBeUndefined();
    });
  });
}

test("a call's `onFallback` replaces the constructor's", async ({ stage }) => {
  /** @type {string[]} */
  const told = [];
  const { openai } = await stage({ primary: FAILING, openpipe: { onFallback: () => void told.push('constructor') } });
  await ask(openai, { openpipe: { ...WITH_FALLBACK, onFallback: () => void told.push('call') } });
  await ask(openai, { openpipe: WITH_FALLBACK });

  expect(told).toEqual(['call', 'constructor']);
});

test('`onFallback` is called before the fallback has answered', async ({ stage }) => {
  /** @type {number[]} */
  const at = [];
  const { openai } = await stage({
    primary: FAILING,
    fallback: { kind: 'answer', delayMs: 300 },
    openpipe: { onFallback: () => void at.push(performance.now()) },
  });
  await ask(openai, { openpipe: WITH_FALLBACK });
  expect(performance.now() - (at[0] ?? Infinity)).toBeGreaterThan(250);
});

test("`onFallback` runs in the caller's async context", async ({ stage }) => {
  const { AsyncLocalStorage } = await import('node:async_hooks');
  const storage = new AsyncLocalStorage();
  /** @type {unknown[]} */
  const seen = [];
  const { openai } = await stage({
    primary: FAILING,
    openpipe: { onFallback: () => void seen.push(storage.getStore()) },
  });
  await Promise.all(['a', 'b'].map((user) => storage.run(user, () => ask(openai, { openpipe: WITH_FALLBACK }))));
  expect(seen.sort()).toEqual(['a', 'b']);
});

test('a stream that breaks off after its commit is published once, as failed', async ({ stage }) => {
  const { openai } = await stage({ primary: { kind: 'answer', fault: { after: 2, how: 'reset' } } });
  await ask(openai, { stream: true, openpipe: WITH_FALLBACK });

  expect(moves).toEqual([]);
  expect(calls).toMatchObject([{ model: PRIMARY, servedBy: 'primary', attempts: [{ outcome: 'stream' }] }]);
});

test('a stream is published when it has ended, also if its reader is behind', async ({ stage }) => {
  const { openai } = await stage();
  const answer = await openai.chat.completions.create({ model: PRIMARY, messages: MESSAGES, stream: true });
  expect(await eventually(() => calls.length === 1)).toBe(true);
  expect(calls).toMatchObject([
    { servedBy: 'primary', attempts: [{ outcome: 'ok', firstTokenMs: expect.any(Number) }] },
  ]);
  await readAll(answer);
  expect(calls).toHaveLength(1);
});

test('a subscriber that throws fails no call', async ({ stage }) => {
  // Node.js throws what a subscriber throws as an uncaught exception of its own, in the next tick.
  /** @type {unknown[]} */
  const uncaught = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => uncaught.push(error));
  const throwing = () => {
    throw new Error('a subscriber’s');
  };
  diagnostics.subscribe('openpipe:fallback', throwing);
  diagnostics.subscribe('openpipe:call', throwing);
  try {
    const { openai } = await stage({ primary: FAILING });
    expect((await ask(openai, { openpipe: WITH_FALLBACK })).error).toBeUndefined();
    expect((await ask(openai, { stream: true, openpipe: WITH_FALLBACK })).error).toBeUndefined();
    expect(await eventually(() => uncaught.length === 4)).toBe(true);
  } finally {
    diagnostics.unsubscribe('openpipe:fallback', throwing);
    diagnostics.unsubscribe('openpipe:call', throwing);
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
});

test('an event has only the documented members', async ({ stage }) => {
  const { openai } = await stage({ primary: FAILING });
  await ask(openai, { openpipe: WITH_FALLBACK });

  expect(moves).toMatchObject([MOVED]);
  expect(Object.keys(moves[0] ?? {}).sort()).toEqual(['from', 'to']);
  expect(Object.keys(calls[0] ?? {}).sort()).toEqual(['attempts', 'durationMs', 'model', 'servedBy', 'usage']);
});

test('a client without a logger warns on the console', async ({ stage }) => {
  const { warn } = console;
  /** @type {string[]} */
  const lines = [];
  console.warn = (/** @type {unknown[]} */ ...what) => void lines.push(what.map(String).join(' '));
  try {
    const { options } = await stage({ primary: FAILING });
    const openai = new OpenAI({ ...options, openpipe: { ...options.openpipe, onFallback: () => { throw new Error('mine'); } } }); // prettier-ignore
    await ask(openai, { openpipe: WITH_FALLBACK });
  } finally {
    console.warn = warn;
  }
  expect(lines).toEqual([expect.stringMatching(/^openpipe-native: .*onFallback.*mine/)]);
});
