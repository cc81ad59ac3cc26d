/** Time limits are enforced in Rust: no client can delay a call past them (contract.md, sections 4 and 5). */

import OpenAI from 'openpipe-native';
import OpenAI7 from 'openai7';
import { describe, expect } from 'vitest';

import { ask, blockEventLoop, eventually, readAll, rejection, textOf } from '../support/calls.mjs';
import { clientOptions, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';
import { chunks, completion, contentChunk, FAILING, FINISH, gate, healthyClient, MODEL, never, onlyAsked, pause, plainClient, ROLE, streamOf, TO_CLIENT } from '../support/custom-clients.mjs'; // prettier-ignore
import { sdks } from '../support/custom-sdks.mjs';

/** The time of a target that is going to use it up. */
const SHORT = 100;
/** Long past every time that is set here; far below the time of a test. */
const LATE = 5_000;
const BLOCK = 900;
/** Time in which even a busy machine asks a client. */
const ASKED = 700;
/** A silence that no busy machine makes between two chunks that are there. */
const IDLE = 400;

const MODES = /** @type {const} */ ([
  ['completion', false],
  ['stream', true],
]);

/** Ways not to answer. @type {[string, (body: any, options: any) => any][]} */
const silences = [
  ['never settles', never],
  ['gives a thenable that does nothing', () => ({ then() {} })],
];

for (const [what, stream] of MODES) {
  describe.concurrent(`a ${what} from a client`, () => {
    for (const [how, create] of silences) {
      test(`that ${how} times out, and the next target is tried`, async ({ stage }) => {
        const { client } = plainClient(create);
        const { openai } = await stage({ primary: FAILING });
        const told = await ask(openai, {
          stream,
          openpipe: { fallback: [{ model: MODEL, client, timeout: SHORT }, { model: 'next' }] },
        });

        expect(told.text).toBe('Answered by the fallback, with the model next.');
        expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'timeout', tries: 1 });
        expect(told.info.attempts[1]?.durationMs).toBeGreaterThanOrEqual(SHORT);
        expect(told.ms).toBeLessThan(LATE);
      });

      test(`that ${how} ends the call when it is the last`, async ({ stage }) => {
        const { client } = plainClient(create);
        const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
        const told = await ask(openai, { stream, openpipe: { fallback: { model: MODEL, timeout: SHORT } } });

        expect(told.failedIn).toBe('create');
        expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
        expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'timeout' });
        expect(told.ms).toBeGreaterThanOrEqual(SHORT);
        expect(told.ms).toBeLessThan(LATE);
      });
    }

    test('that ignores its signal does not delay the deadline of the call', async ({ stage }) => {
      const { client, asked } = plainClient(never);
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, {
        stream,
        openpipe: { fallback: [{ model: 'a' }, { model: 'b' }, { model: 'c' }], deadline: ASKED },
      });

      expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(told.ms).toBeGreaterThanOrEqual(ASKED);
      expect(told.ms).toBeLessThan(LATE);
      // The time of the whole call was up in the first of them: no other was asked.
      expect(asked).toHaveLength(1);
      expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['bad_request', 'timeout']);
    });

    test('may take all of its timeout', async ({ stage }) => {
      const { client } = plainClient(async (body) => {
        await pause(300);
        return body.stream ? streamOf(chunks('slow and fine')) : completion(body.model, 'slow and fine');
      });
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      for (const timeout of [LATE, Infinity]) {
        const told = await ask(openai, { stream, openpipe: { fallback: { model: MODEL, timeout } } });
        expect(told.text).toBe('slow and fine');
      }
    });

    test('that settles after its timeout is ignored', async ({ stage }) => {
      const answered = gate();
      const late = plainClient(async (body) => {
        await pause(SHORT * 3);
        answered.open();
        return body.stream ? streamOf(chunks('too late')) : completion(body.model, 'too late');
      });
      const next = plainClient(async (body) => {
        // It answers after the other one has.
        await answered.opened;
        await pause(20);
        return body.stream ? streamOf(chunks('in time')) : completion(body.model, 'in time');
      });
      const { openai } = await stage({ primary: FAILING });
      const told = await ask(openai, {
        stream,
        openpipe: {
          fallback: [
            { model: 'late', client: late.client, timeout: SHORT },
            { model: 'next', client: next.client },
          ],
        },
      });

      expect(told.text).toBe('in time');
      expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['bad_request', 'timeout', 'ok']);
    });

    test('that rejects after its timeout is ignored', async ({ stage }) => {
      const rejected = gate();
      const { client } = plainClient(async () => {
        await pause(SHORT * 2);
        setImmediate(rejected.open);
        throw new Error('too late');
      });
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream, openpipe: { fallback: { model: MODEL, timeout: SHORT } } });
      // An unhandled rejection would fail the whole run.
      await rejected.opened;

      expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(told.error.openpipe.errors[1]).toBe(told.error);
    });

    test('that is pending when the caller aborts is dropped at once', async ({ stage }) => {
      const { client, asked } = plainClient(never);
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const caller = new AbortController();
      const told = ask(openai, {
        stream,
        openpipe: { fallback: [{ model: 'a' }, { model: 'b' }] },
        options: { signal: caller.signal },
      });
      await eventually(() => asked.length > 0);
      caller.abort();

      expect((await told).error.constructor).toBe(OpenAI.APIUserAbortError);
      await pause(30);
      expect(asked).toHaveLength(1);
    });
  });

  // One after the other: there is one loop to block.
  describe(`a ${what} from a client`, () => {
    test('that blocks the loop times out on time, and the next target is called meanwhile', async ({
      serveElsewhere,
    }) => {
      const upstream = await serveElsewhere({ [PRIMARY]: FAILING });
      const openai = new OpenAI(clientOptions(upstream.url, upstream.url));
      await ask(openai, { model: 'openpipe:warm-up' });
      let blockedFrom = 0;
      const { client } = plainClient(async (body) => {
        blockedFrom = block(BLOCK);
        return body.stream ? streamOf(chunks('after the block')) : completion(body.model, 'after the block');
      });
      const told = await ask(openai, {
        stream,
        openpipe: { fallback: [{ model: MODEL, client, timeout: SHORT }, { model: 'next' }] },
      });
      const next = (await upstream.requests()).find(({ body }) => body.model === 'next');

      expect(told.text).toBe('Answered by upstream, with the model next.');
      expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['bad_request', 'timeout', 'ok']);
      // While JavaScript was still in the client.
      expect(next?.at).toBeLessThan(blockedFrom + BLOCK);
      expect(told.info.attempts[1]?.durationMs).toBeLessThan(BLOCK);
    });

    test('that blocks the loop past its timeout has timed out', async ({ stage }) => {
      const { client } = plainClient(async (body) => {
        block(BLOCK);
        return body.stream ? streamOf(chunks('after the block')) : completion(body.model, 'after the block');
      });
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream, openpipe: { fallback: { model: MODEL, timeout: SHORT } } });

      expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(told.info.attempts[1]?.durationMs).toBeLessThan(BLOCK);
    });

    test('that blocks the loop within its timeout has answered', async ({ stage }) => {
      const { client } = plainClient(async (body) => {
        block(200);
        return body.stream ? streamOf(chunks('after the block')) : completion(body.model, 'after the block');
      });
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream, openpipe: { fallback: { model: MODEL, timeout: LATE } } });

      expect(told.text).toBe('after the block');
    });
  });
}

describe.concurrent("a client's stream that never starts", () => {
  /** @type {[string, () => AsyncIterable<any>][]} */
  const beginnings = [
    ['gives no chunk', () => ({ [Symbol.asyncIterator]: () => ({ next: never }) })],
    ['gives a role and no more', () => stalled([ROLE])],
    ['gives empty deltas for ever', () => endless(contentChunk(''))],
    ['gives chunks without choices for ever', () => endless({ choices: [] })],
  ];
  for (const [how, open] of beginnings) {
    test(`is dropped for the next target when it ${how}`, async ({ stage }) => {
      const { client } = plainClient(async () => open());
      const { openai } = await stage({ primary: FAILING });
      const told = await ask(openai, {
        stream: true,
        openpipe: { fallback: [{ model: MODEL, client, timeout: SHORT }, { model: 'next' }] },
      });

      expect(told.text).toBe('Answered by the fallback, with the model next.');
      expect(told.chunks.filter((chunk) => chunk.choices[0]?.delta.role)).toHaveLength(1);
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'timeout' });
    });

    test(`is dropped when its first token is late and it ${how}`, async ({ stage }) => {
      const { client } = plainClient(async () => open());
      const { openai } = await stage({ primary: FAILING });
      const told = await ask(openai, {
        stream: true,
        openpipe: {
          fallback: [{ model: MODEL, client, timeout: 60_000 }, { model: 'next' }],
          firstTokenTimeout: SHORT,
        },
      });

      expect(told.text).toBe('Answered by the fallback, with the model next.');
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'timeout' });
      expect(told.info.attempts[1]?.durationMs).toBeGreaterThanOrEqual(SHORT);
    });

    test(`ends with an error from its iterator when it is the last and ${how}`, async ({ stage }) => {
      const { client, asked } = plainClient(async () => open());
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, {
        stream: true,
        openpipe: { fallback: { model: MODEL, timeout: ASKED }, firstTokenTimeout: 1 },
      });

      expect(told.failedIn).toBe('iterator');
      expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(told.text).toBe('');
      // The wait for the first token is not for the last target.
      expect(told.ms).toBeGreaterThanOrEqual(ASKED);
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'timeout' });
      expect(await eventually(() => onlyAsked(asked).options.signal.aborted)).toBe(true);
    });
  }
});

test('the deadline of the call bounds the wait for the first content of the last stream', async ({ stage }) => {
  const { client } = plainClient(async () => stalled([ROLE]));
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const told = await ask(openai, { stream: true, openpipe: { ...TO_CLIENT, deadline: ASKED } });

  expect(told.failedIn).toBe('iterator');
  expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
  expect(told.ms).toBeGreaterThanOrEqual(ASKED);
  expect(told.ms).toBeLessThan(LATE);
});

test('the deadline of the call does not end a stream that has begun', async ({ stage }) => {
  const { client } = plainClient(async () =>
    (async function* () {
      yield* [ROLE, contentChunk('begun, ')];
      await pause(900);
      yield* [contentChunk('and ended'), FINISH];
    })(),
  );
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const told = await ask(openai, { stream: true, openpipe: { ...TO_CLIENT, deadline: ASKED } });

  expect(told.error).toBeUndefined();
  expect(told.text).toBe('begun, and ended');
});

describe.concurrent("a client's stream that falls silent", () => {
  /** @type {[string, () => AsyncIterable<any>][]} */
  const silentAfterwards = [
    ['gives nothing more', () => stalled([ROLE, contentChunk('one '), contentChunk('two')])],
    ['gives empty deltas for ever', () => endless(contentChunk(''), [ROLE, contentChunk('one '), contentChunk('two')])],
  ];
  for (const [how, open] of silentAfterwards) {
    test(`ends with an error from its iterator when it ${how}`, async ({ stage }) => {
      const watched = watchedIterable(open());
      const { client, asked } = plainClient(async () => watched.iterable);
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream: true, openpipe: { ...TO_CLIENT, idleTimeout: IDLE } });

      expect(told.text).toBe('one two');
      expect(told.failedIn).toBe('iterator');
      expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(told.error.message).toMatch(/silent/);
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
      expect(await eventually(() => watched.closed())).toBe(true);
      expect(onlyAsked(asked).options.signal.aborted).toBe(true);
    });

    test(`is answered in full by the next target where it was held until its end, and ${how}`, async ({ stage }) => {
      const watched = watchedIterable(open());
      const { client } = plainClient(async () => watched.iterable);
      const { openai } = await stage({ primary: FAILING });
      const told = await ask(openai, {
        stream: true,
        openpipe: { fallback: [{ model: MODEL, client }, { model: 'next' }], idleTimeout: IDLE, holdUntil: 'finish' },
      });

      expect(told.text).toBe('Answered by the fallback, with the model next.');
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
      expect(await eventually(() => watched.closed())).toBe(true);
    });
  }

  for (const sdk of sdks) {
    test(`has its connection closed: ${sdk.name}`, async ({ stage, serve }) => {
      const clientUpstream = await serve({ kind: 'answer', fault: { after: 2, how: 'stall' } });
      const { openai } = await stage({
        primary: FAILING,
        openpipe: { fallbackClient: sdk.connect(clientUpstream.url) },
      });
      const told = await ask(openai, { stream: true, openpipe: { ...TO_CLIENT, idleTimeout: IDLE } });

      expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(told.text).not.toBe('');
      expect(await onlyChat(clientUpstream).closed).toBe('broken off');
    });
  }

  test('goes on while every gap is shorter than the idle timeout', async ({ stage }) => {
    const words = Array.from({ length: 16 }, (_, index) => `${index} `);
    const { client } = plainClient(async () =>
      (async function* () {
        yield ROLE;
        for (const word of words) {
          yield contentChunk(word);
          await pause(75);
        }
        yield FINISH;
      })(),
    );
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await ask(openai, {
      stream: true,
      openpipe: { fallback: { model: MODEL, timeout: 1_000 }, idleTimeout: 2_000 },
    });

    expect(told.error).toBeUndefined();
    expect(told.text).toBe(words.join(''));
    // Longer in all than its time, which ends with the first content.
    expect(told.ms).toBeGreaterThan(1_000);
  });

  test('is not silent because its reader is slow', async ({ stage }) => {
    // So large that the client has to wait for the reader, for longer than it may be silent.
    const words = Array.from({ length: 4 }, (_, index) => String(index).repeat(300_000));
    const { client } = plainClient(async () => streamOf([ROLE, ...words.map(contentChunk), FINISH]));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const stream = await openStream(openai, { ...TO_CLIENT, idleTimeout: IDLE });
    const read = [];
    for await (const chunk of stream) {
      read.push(chunk);
      await pause(IDLE * 1.25);
    }

    expect(textOf(read)).toBe(words.join(''));
  });
});

describe.concurrent('a stream that arrives too late', () => {
  test('is closed by `return` of its iterator', async ({ stage }) => {
    const watched = watchedIterable(stalled([ROLE]));
    await lateStream(stage, () => watched.iterable);

    expect(await eventually(() => watched.closed())).toBe(true);
  });

  test('is closed by `cancel` of a readable stream', async ({ stage }) => {
    let cancelled = false;
    await lateStream(
      stage,
      () =>
        new ReadableStream({
          cancel() {
            cancelled = true;
          },
        }),
    );

    expect(await eventually(() => cancelled)).toBe(true);
  });

  test('is closed by its controller', async ({ stage }) => {
    const controller = new AbortController();
    await lateStream(stage, () => Object.assign(streamOf([]), { controller }));

    expect(await eventually(() => controller.signal.aborted)).toBe(true);
  });

  test('may fail to close', async ({ stage }) => {
    let tried = 0;
    await lateStream(stage, () => ({
      controller: {
        abort() {
          tried += 1;
          throw new Error('not to be closed');
        },
      },
      [Symbol.asyncIterator]: () => ({
        next: never,
        return() {
          tried += 1;
          return Promise.reject(new Error('not to be closed either'));
        },
      }),
    }));

    expect(await eventually(() => tried === 2)).toBe(true);
    await pause(20);
  });

  test('is closed at the server: an SDK that ignores the signal', async ({ stage, serve }) => {
    const clientUpstream = await serve({ kind: 'answer', delayMs: SHORT * 2, fault: { after: 1, how: 'stall' } });
    const sdk = new OpenAI7({ apiKey: 'k', baseURL: clientUpstream.url, maxRetries: 0 });
    await lateStream(stage, (body) => sdk.chat.completions.create(body));

    const [request] = await Promise.all([clientUpstream.arrival(1)]);
    expect(await request.closed).toBe('broken off');
  });

  test('is closed after the caller has aborted', async ({ stage }) => {
    const watched = watchedIterable(stalled([ROLE]));
    const late = gate();
    const { client, asked } = plainClient(async () => {
      await late.opened;
      return watched.iterable;
    });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const caller = new AbortController();
    const call = rejection(openStream(openai, TO_CLIENT, { signal: caller.signal }));
    await eventually(() => asked.length > 0);
    caller.abort();
    expect((await call).constructor).toBe(OpenAI.APIUserAbortError);
    expect(watched.closed()).toBe(false);
    late.open();

    expect(await eventually(() => watched.closed())).toBe(true);
  });
});

test('a stream that times out while it is held is closed', async ({ stage }) => {
  const watched = watchedIterable(stalled([ROLE]));
  const { client, asked } = plainClient(async () => watched.iterable);
  const { openai } = await stage({ primary: FAILING });
  await ask(openai, {
    stream: true,
    openpipe: { fallback: [{ model: MODEL, client, timeout: SHORT }, { model: 'next' }] },
  });

  expect(await eventually(() => watched.closed())).toBe(true);
  expect(onlyAsked(asked).options.signal.aborted).toBe(true);
});

test('the time of a slow primary does not shorten that of the client after it', async ({ stage }) => {
  const { client } = plainClient(async (body) => {
    await pause(200);
    return completion(body.model, 'had its own time');
  });
  const { openai } = await stage({ primary: { kind: 'silence' }, openpipe: { fallbackClient: client } });
  const told = await ask(openai, {
    options: { timeout: 300 },
    openpipe: { fallback: { model: MODEL, timeout: LATE } },
  });

  expect(told.text).toBe('had its own time');
  expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['timeout', 'ok']);
});

test('many calls to a client that hangs end together, not one after the other', async ({ stage }) => {
  const { client } = plainClient(never);
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const told = await Promise.all(
    Array.from({ length: 50 }, () => ask(openai, { openpipe: { fallback: { model: MODEL, timeout: 200 } } })),
  );

  expect(told.every(({ error }) => error.constructor === OpenAI.APIConnectionTimeoutError)).toBe(true);
  expect(Math.max(...told.map(({ ms }) => ms))).toBeLessThan(LATE);
});

test('a healthy client works as usual after one that hung', async ({ stage }) => {
  const { client } = plainClient(never);
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  await ask(openai, { openpipe: { fallback: { model: MODEL, timeout: SHORT } } });
  const told = await ask(openai, { openpipe: { fallback: { model: MODEL, client: healthyClient().client } } });

  expect(told.text).toBe('Answered by the client.');
});

/**
 * Has a client open a stream when its time is up already, and lets the call end.
 * @param {import('../support/upstreams.mjs').Fixtures['stage']} stage @param {(body: any) => any} open
 */
async function lateStream(stage, open) {
  const opened = gate();
  const { client } = plainClient(async (body, { signal }) => {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    const stream = await open(body);
    opened.open();
    return stream;
  });
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const { error } = await ask(openai, { stream: true, openpipe: { fallback: { model: MODEL, timeout: SHORT } } });
  expect(error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
  await opened.opened;
}

/** @param {OpenAI} openai @param {import('openpipe-native').OpenPipeCallOptions} openpipe @param {object} [options] */
function openStream(openai, openpipe, options) {
  return openai.chat.completions.create({ model: PRIMARY, messages: [], stream: true, openpipe }, options);
}

/** These chunks, and then nothing. @param {any[]} items */
async function* stalled(items) {
  yield* items;
  await never();
}

/** These chunks, and then one without end. @param {any} item @param {any[]} [before] */
async function* endless(item, before = []) {
  yield* before;
  for (;;) {
    yield item;
    await pause(5);
  }
}

/**
 * An iterable that knows whether `return` was called, also where the generator below is busy.
 * @param {AsyncIterable<any>} source
 */
function watchedIterable(source) {
  let closed = false;
  const iterable = {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      return {
        next: () => iterator.next(),
        async return() {
          closed = true;
          return { value: undefined, done: true };
        },
      };
    },
  };
  return { iterable, closed: () => closed };
}

/** @param {number} ms @returns {number} When the event loop was blocked, in ms since the epoch. */
function block(ms) {
  const from = Date.now();
  blockEventLoop(ms);
  return from;
}
