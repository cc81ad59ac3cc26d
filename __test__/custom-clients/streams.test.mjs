/** Streams of custom clients, which are passed on under the rules of contract.md, section 5. */

import OpenAI6 from 'openai';
import { Stream } from 'openai/core/streaming';
import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask, eventually, readAll, textOf } from '../support/calls.mjs';
import { PRIMARY, test } from '../support/upstreams.mjs';
import { chunks, completion, contentChunk, FAILING, FINISH, healthyClient, MODEL, never, onlyAsked, pause, plainClient, ROLE, streamOf, TO_CLIENT } from '../support/custom-clients.mjs'; // prettier-ignore

/** @import { OpenPipeCallOptions } from 'openpipe-native' */
/** @import { Staging } from '../support/upstreams.mjs' */

/** What a fallback after the client answers. */
const NEXT = 'Answered by the fallback, with the model next.';

describe('a client’s stream that has a follower', () => {
  test('is dropped, unseen by the caller, when it fails before its first content', async ({ stage }) => {
    const { told, next } = await askFollowed(stage, () => dying([ROLE, contentChunk('')], new Error('dead')));

    expect(told.text).toBe(NEXT);
    expect(told.chunks.filter((chunk) => chunk.choices[0]?.delta.role)).toHaveLength(1);
    expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream', message: 'dead' });
    expect(next.requests).toHaveLength(1);
  });

  test('is dropped when it fails at once', async ({ stage }) => {
    const { told } = await askFollowed(stage, () => dying([], new Error('dead')));

    expect(told.text).toBe(NEXT);
    expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
  });

  test('is dropped when it ends without any content', async ({ stage }) => {
    for (const items of [[], [ROLE], [ROLE, contentChunk(''), { choices: [] }]]) {
      const { told } = await askFollowed(stage, () => streamOf(items));
      expect(told.text).toBe(NEXT);
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
    }
  });

  test('loses no event that was held back', async ({ stage }) => {
    const items = [ROLE, contentChunk(''), { choices: [] }, contentChunk('first'), contentChunk(' second'), FINISH];
    const { told, next } = await askFollowed(stage, () => streamOf(items));

    expect(told.error).toBeUndefined();
    expect(told.chunks).toHaveLength(items.length);
    told.chunks.forEach((chunk, index) => expect(chunk).toBe(items[index]));
    expect(next.requests).toEqual([]);
  });

  /** @type {[string, any][]} */
  const commits = [
    ['content', { content: 'x' }],
    ['a refusal', { refusal: 'no' }],
    ['reasoning', { reasoning_content: 'hm' }],
    ['a tool call', { tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] }],
    ['a function call', { function_call: { name: 'f', arguments: '' } }],
  ];
  for (const [what, delta] of commits) {
    test(`is committed by ${what}`, async ({ stage }) => {
      const error = new Error('after the commit');
      const { told, next } = await askFollowed(stage, () => dying([ROLE, { choices: [{ index: 0, delta }] }], error));

      expect(told.error).toBe(error);
      expect(told.failedIn).toBe('iterator');
      expect(told.chunks).toHaveLength(2);
      expect(next.requests).toEqual([]);
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
    });
  }

  test('is committed by a finish reason', async ({ stage }) => {
    const { told, next } = await askFollowed(stage, () => streamOf([ROLE, FINISH]));

    expect(told.error).toBeUndefined();
    expect(told.chunks).toEqual([ROLE, FINISH]);
    expect(next.requests).toEqual([]);
  });

  test('is committed by sixty-four events that carry nothing', async ({ stage }) => {
    const error = new Error('late');
    const held = Array.from({ length: 64 }, () => contentChunk(''));
    const committed = await askFollowed(stage, () => dying(held, error));
    expect(committed.told.error).toBe(error);
    expect(committed.told.chunks).toHaveLength(64);
    expect(committed.next.requests).toEqual([]);

    const left = await askFollowed(stage, () => dying(held.slice(1), error));
    expect(left.told.text).toBe(NEXT);
  });

  test('is dropped when a chunk has an error before the first content', async ({ stage }) => {
    const { told } = await askFollowed(stage, () => streamOf([ROLE, { error: { message: 'overloaded' } }, FINISH]));

    expect(told.text).toBe(NEXT);
    expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
  });

  for (const [what, item] of oddChunks()) {
    test(`is dropped, and closed, when a chunk is ${what}`, async ({ stage }) => {
      let closed = false;
      const open = async function* () {
        try {
          yield ROLE;
          yield item;
          yield* chunks('never read');
        } finally {
          closed = true;
        }
      };
      const { told } = await askFollowed(stage, open);

      expect(told.text).toBe(NEXT);
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
      expect(await eventually(() => closed)).toBe(true);
    });
  }
});

describe('a client’s stream that is held until its end', () => {
  test('arrives complete', async ({ stage }) => {
    const items = chunks('held and fine');
    const { told, next } = await askFollowed(stage, () => streamOf(items), { holdUntil: 'finish' });

    expect(told.chunks).toHaveLength(items.length);
    told.chunks.forEach((chunk, index) => expect(chunk).toBe(items[index]));
    expect(told.info.servedBy).toBe('fallback');
    expect(told.info.model).toBe(MODEL);
    expect(next.requests).toEqual([]);
  });

  test('is answered in full by the next target when it fails in the middle', async ({ stage }) => {
    const { told } = await askFollowed(stage, () => dying([ROLE, contentChunk('half')], new Error('dead')), {
      holdUntil: 'finish',
    });

    expect(told.text).toBe(NEXT);
    expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream', message: 'dead' });
  });

  test('is answered in full by the next target when its end is missing', async ({ stage }) => {
    const { told } = await askFollowed(stage, () => streamOf([ROLE, contentChunk('half')]), { holdUntil: 'finish' });

    expect(told.text).toBe(NEXT);
    expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
  });

  test('is dropped when it is larger than the limit of held bytes', async ({ stage }) => {
    const items = [ROLE, ...Array.from({ length: 50 }, () => contentChunk('x'.repeat(1_000))), FINISH];
    const { told } = await askFollowed(stage, () => streamOf(items), { holdUntil: 'finish', maxResponseBytes: 20_000 });

    expect(told.text).toBe(NEXT);
    expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'invalid_response' });
  });

  test('is not held when it is the last', async ({ stage }) => {
    const { client } = plainClient(async () => stalled([ROLE, contentChunk('at once')]));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const stream = await open(openai, { holdUntil: 'finish' });
    const iterator = stream[Symbol.asyncIterator]();

    expect(await iterator.next()).toEqual({ value: ROLE, done: false });
    await iterator.return?.();
  });
});

describe("a client's stream that is the last", () => {
  test('throws the error of its iterator, after the chunks before it', async ({ stage }) => {
    for (const items of [[], [ROLE], [ROLE, contentChunk('a'), contentChunk('b')]]) {
      const error = new Error('dead');
      const { client } = plainClient(async () => dying(items, error));
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const stream = await open(openai);
      const read = await readAll(stream);

      expect(read.error).toBe(error);
      expect(read.chunks).toEqual(items);
      expect(read.error.openpipe.errors).toHaveLength(2);
      expect(stream.openpipe.attempts[1]).toMatchObject({ outcome: 'stream', message: 'dead' });
    }
  });

  test('is an error when its end is missing', async ({ stage }) => {
    const { client } = plainClient(async () => streamOf([ROLE, contentChunk('half')]));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

    expect(told.text).toBe('half');
    expect(told.failedIn).toBe('iterator');
    expect(told.error).toBeInstanceOf(OpenAI.APIError);
    expect(told.error.message).toMatch(/before it was complete/);
  });

  test('is an error when one of its choices has no end', async ({ stage }) => {
    const of = (/** @type {number} */ index, /** @type {string | null} */ reason) => ({
      choices: [{ index, delta: { content: 'x' }, finish_reason: reason }],
    });
    for (const [items, whole] of /** @type {const} */ ([
      [[of(0, 'stop'), of(1, null)], false],
      [[of(1, null), of(0, 'stop'), of(1, 'length')], true],
    ])) {
      const { client } = plainClient(async () => streamOf(items));
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const { error } = await ask(openai, { stream: true, openpipe: TO_CLIENT });
      expect(error === undefined).toBe(whole);
    }
  });

  test('is an error when it is empty', async ({ stage }) => {
    const { client } = plainClient(async () => streamOf([]));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

    expect(told.failedIn).toBe('iterator');
    expect(told.error).toBeInstanceOf(OpenAI.APIError);
    expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
  });

  test('fails with the error in a chunk', async ({ stage }) => {
    const { client } = plainClient(async () =>
      streamOf([ROLE, contentChunk('a'), { error: { message: 'overloaded', code: 'busy' } }, FINISH]),
    );
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

    expect(told.text).toBe('a');
    expect(told.error).toBeInstanceOf(OpenAI.APIError);
    expect(told.error.error).toEqual({ message: 'overloaded', code: 'busy' });
  });

  for (const [what, item] of oddChunks()) {
    test(`is an error, and closed, when a chunk is ${what}`, async ({ stage }) => {
      let closed = false;
      const { client } = plainClient(async () =>
        (async function* () {
          try {
            yield contentChunk('a');
            yield item;
            yield FINISH;
          } finally {
            closed = true;
          }
        })(),
      );
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

      expect(told.text).toBe('a');
      expect(told.chunks).toHaveLength(1);
      expect(told.failedIn).toBe('iterator');
      expect(told.error.constructor).toBe(OpenAI.APIError);
      expect(told.error.message).toMatch(/no JSON object/);
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
      expect(await eventually(() => closed)).toBe(true);
    });
  }

  test('delivers the usage after the finish reason', async ({ stage }) => {
    const usage = { choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };
    const { client } = plainClient(async () => streamOf([...chunks('a'), usage]));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

    expect(told.error).toBeUndefined();
    expect(told.chunks.at(-1)).toBe(usage);
  });

  test('has an attempt with the time of its first content and the outcome ok', async ({ stage }) => {
    const { client } = plainClient(async () =>
      (async function* () {
        yield ROLE;
        await pause(60);
        yield* [contentChunk('a'), FINISH];
      })(),
    );
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const { info } = await ask(openai, { stream: true, openpipe: TO_CLIENT });

    expect(info.attempts[1]).toMatchObject({ upstream: 'client', model: MODEL, outcome: 'ok', tries: 1 });
    expect(info.attempts[1]?.firstTokenMs).toBeGreaterThan(50);
    expect(info.attempts[1]?.durationMs).toBeGreaterThanOrEqual(info.attempts[1]?.firstTokenMs ?? Infinity);
  });
});

/** The streams that a plain client may return; `closed` is whether it was stopped. */
const streamables = /** @type {[string, () => { stream: any, closed: () => boolean }][]} */ ([
  ['an async generator', () => closableGenerator()],
  [
    'a readable stream',
    () => {
      let closed = false;
      const items = longText();
      const stream = new ReadableStream({
        pull: (controller) => controller.enqueue(items.next().value),
        cancel: () => void (closed = true),
      });
      return { stream, closed: () => closed };
    },
  ],
  [
    'an object with no more than `Symbol.asyncIterator`',
    () => {
      let closed = false;
      const items = longText();
      const iterator = {
        next: async () => ({ value: items.next().value, done: false }),
        return: async () => {
          closed = true;
          return { value: undefined, done: true };
        },
      };
      return { stream: Object.freeze({ [Symbol.asyncIterator]: () => iterator }), closed: () => closed };
    },
  ],
  [
    'an iterator that answers at once',
    () => {
      let closed = false;
      const items = longText();
      const iterator = {
        next: () => ({ value: items.next().value, done: false }),
        return: () => {
          closed = true;
          return { done: true };
        },
      };
      return { stream: { [Symbol.asyncIterator]: () => iterator }, closed: () => closed };
    },
  ],
  [
    'a frozen stream of the SDK',
    () => {
      const { stream, closed } = closableGenerator();
      return { stream: Object.freeze(new Stream(() => stream, new AbortController())), closed };
    },
  ],
]);

describe('a stream of a plain client becomes a stream of the SDK', () => {
  for (const [what, make] of streamables) {
    test(`when it is ${what}`, async ({ stage }) => {
      const { openai } = await withStream(stage, make().stream);
      const stream = await open(openai);

      expect(stream).toBeInstanceOf(Stream);
      expect(stream.controller).toBeInstanceOf(AbortController);
      expect(stream.openpipe).toMatchObject({ servedBy: 'fallback', model: MODEL });
      for await (const chunk of stream) {
        expect(chunk).toBe(ROLE);
        break;
      }
    });

    test(`that is closed by leaving the loop: ${what}`, async ({ stage }) => {
      const { stream: source, closed } = make();
      const { openai, asked } = await withStream(stage, source);
      for await (const chunk of await open(openai)) if (textOf([chunk])) break;

      expect(await eventually(closed)).toBe(true);
      expect(onlyAsked(asked).options.signal.aborted).toBe(true);
    });

    test(`that is closed by leaving it unread: ${what}`, async ({ stage }) => {
      const { stream: source, closed } = make();
      const { openai } = await withStream(stage, source);
      for await (const _chunk of await open(openai)) break;

      expect(await eventually(closed)).toBe(true);
    });

    test(`that is closed by its controller: ${what}`, async ({ stage }) => {
      const { stream: source, closed } = make();
      const { openai } = await withStream(stage, source);
      const stream = await open(openai);
      let read = 0;
      for await (const _chunk of stream) {
        read += 1;
        if (read === 3) stream.controller.abort();
      }

      // The loop ends quietly, and at once.
      expect(read).toBe(3);
      expect(await eventually(closed)).toBe(true);
    });

    test(`that is closed by its controller with chunks waiting: ${what}`, async ({ stage }) => {
      const { stream: source, closed } = make();
      const { openai } = await withStream(stage, source);
      const stream = await open(openai);
      await pause(30);
      let read = 0;
      for await (const _chunk of stream) {
        read += 1;
        stream.controller.abort();
      }

      expect(read).toBe(1);
      expect(await eventually(closed)).toBe(true);
    });

    test(`that is closed by the caller's signal: ${what}`, async ({ stage }) => {
      const { stream: source, closed } = make();
      const { openai } = await withStream(stage, source);
      const caller = new AbortController();
      let read = 0;
      for await (const _chunk of await open(openai, {}, { signal: caller.signal })) {
        read += 1;
        if (read === 3) caller.abort();
      }

      expect(read).toBe(3);
      expect(await eventually(closed)).toBe(true);
    });

    test(`that is closed when both of its halves are left: ${what}`, async ({ stage }) => {
      const { stream: source, closed } = make();
      const { openai } = await withStream(stage, source);
      const stream = await open(openai);
      const [left, right] = stream.tee();
      for await (const _chunk of left) break;
      for await (const _chunk of right) break;
      stream.controller.abort();

      expect(await eventually(closed)).toBe(true);
    });
  }

  test('that can be split', async ({ stage }) => {
    const { openai } = await withStream(stage, streamOf(chunks('one two three')));
    const [left, right] = (await open(openai)).tee();
    const [one, other] = await Promise.all([readAll(left), readAll(right)]);

    expect(textOf(one.chunks)).toBe('one two three');
    expect(textOf(other.chunks)).toBe('one two three');
    expect([one.error, other.error]).toEqual([undefined, undefined]);
  });

  test('that becomes a readable stream, and a stream again', async ({ stage }) => {
    const { openai } = await withStream(stage, streamOf(chunks('one two three')));
    const again = Stream.fromReadableStream((await open(openai)).toReadableStream(), new AbortController());

    expect(textOf((await readAll(again)).chunks)).toBe('one two three');
  });

  test('that is read once', async ({ stage }) => {
    const { openai } = await withStream(stage, streamOf(chunks('one two three')));
    const stream = await open(openai);
    await readAll(stream);
    const again = await readAll(stream);

    expect(again.chunks).toEqual([]);
    expect(again.error).toBeInstanceOf(OpenAI.OpenAIError);
    expect(again.error.message).toMatch(/consumed stream/);
  });

  test('whose chunk objects the caller gets', async ({ stage }) => {
    const items = chunks('one two three').map((chunk) => Object.freeze({ ...chunk, extra: Symbol('its own') }));
    const { openai } = await withStream(stage, streamOf(items));
    const { chunks: read } = await readAll(await open(openai));

    expect(read).toHaveLength(items.length);
    read.forEach((chunk, index) => expect(chunk).toBe(items[index]));
  });

  test('whose iterator may have no `return`', async ({ stage }) => {
    const items = longText();
    const iterator = { next: async () => ({ value: items.next().value, done: false }) };
    const { openai, asked } = await withStream(stage, { [Symbol.asyncIterator]: () => iterator });
    for await (const _chunk of await open(openai)) break;

    expect(await eventually(() => onlyAsked(asked).options.signal.aborted)).toBe(true);
  });

  test('whose own controller is aborted when it is left', async ({ stage }) => {
    const controller = new AbortController();
    const { openai } = await withStream(stage, Object.assign(streamOf(chunks('one '.repeat(5_000))), { controller }));
    for await (const _chunk of await open(openai)) break;

    expect(await eventually(() => controller.signal.aborted)).toBe(true);
  });

  test('that is read ahead within bounds', async ({ stage }) => {
    let given = 0;
    const { openai } = await withStream(
      stage,
      (async function* () {
        for (;;) {
          given += 1;
          yield contentChunk('x'.repeat(32 * 1024));
        }
      })(),
    );
    const stream = await open(openai);
    let ahead;
    do {
      ahead = given;
      await pause(150);
    } while (given !== ahead);

    // 256 KiB, and what was under way.
    expect(ahead).toBeGreaterThan(0);
    expect(ahead).toBeLessThan(20);
    let read = 0;
    for await (const _chunk of stream) if (++read === 40) break;
    expect(given).toBeGreaterThanOrEqual(40);
    expect(given).toBeLessThan(60);
  });
});

describe('the response', () => {
  test("of a plain client's stream is made, and reads as one from a server", async ({ stage }) => {
    const items = chunks('one two');
    const { openai } = await withStream(stage, streamOf(items));
    const response = await open(openai).asResponse();
    const lines = (await response.text()).split('\n\n').filter(Boolean);

    expect(response).toBeInstanceOf(Response);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(lines).toEqual([...items.map((item) => `data: ${JSON.stringify(item)}`), 'data: [DONE]']);
  });

  test("of a plain client's stream takes no chunks from the stream's reader", async ({ stage }) => {
    const items = chunks('one two');
    const { openai } = await withStream(stage, streamOf(items));
    const { data, response } = await open(openai).withResponse();
    await pause(20);
    const { chunks: read } = await readAll(data);

    expect(response.status).toBe(200);
    expect(read).toEqual(items);
  });

  test('of a native stream takes no events from the reader of the stream either', async ({ stage }) => {
    const { openai } = await stage();
    const { data } = await openai.chat.completions
      .create({ model: PRIMARY, messages: [], stream: true })
      .withResponse();
    await pause(20);
    const { chunks: read } = await readAll(data);

    expect(read[0]).toMatchObject({ choices: [{ delta: { role: 'assistant' } }] });
    expect(textOf(read)).toBe(`Answered by the primary, with the model ${PRIMARY}.`);
  });

  test("of a plain client's completion is made", async ({ stage }) => {
    const { client, asked } = healthyClient();
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const call = openai.chat.completions.create({ model: PRIMARY, messages: [], openpipe: TO_CLIENT });
    const { data, response } = await call.withResponse();

    expect(response).toBeInstanceOf(Response);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await call.asResponse()).toBe(response);
    expect(await response.json()).toEqual(JSON.parse(JSON.stringify(await onlyAsked(asked).returned)));
    expect(data).toBe(await onlyAsked(asked).returned);
  });

  test('is made where the client’s own fails, or has malformed headers', async ({ stage }) => {
    for (const asResponse of [
      async () => ({ status: 200, headers: { 'no name': 'x' } }),
      () => Promise.reject(new Error('no response')),
      () => {
        throw new Error('not even a promise');
      },
    ]) {
      const { client } = plainClient((body) =>
        Object.assign(Promise.resolve(completion(body.model, 'fine')), { asResponse }),
      );
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const call = openai.chat.completions.create({ model: PRIMARY, messages: [], openpipe: TO_CLIENT });

      expect((await call.withResponse()).response.status).toBe(200);
    }
  });
});

describe('the helpers of the SDK', () => {
  test('`stream()` reads a client’s stream', async ({ stage }) => {
    const { openai } = await withStream(stage, streamOf(chunks('one two three')));
    const runner = openai.chat.completions.stream({
      model: PRIMARY,
      messages: [],
      openpipe: TO_CLIENT,
    });

    expect(await runner.finalContent()).toBe('one two three');
  });

  test('`parse()` reads a client’s completion', async ({ stage }) => {
    const { client } = plainClient(async (body) => completion(body.model, '{"a":1}'));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const parsed = await openai.chat.completions.parse({
      model: PRIMARY,
      messages: [],
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' } } },
      openpipe: TO_CLIENT,
    });

    expect(parsed.choices[0]?.message.content).toBe('{"a":1}');
    expect(parsed.openpipe).toMatchObject({ servedBy: 'fallback', model: MODEL });
  });
});

describe('a stream of an SDK that is traced', () => {
  /** @param {AsyncIterable<any>} source @param {(chunk: any) => void} trace */
  async function* tracing(source, trace) {
    for await (const chunk of source) {
      trace(chunk);
      yield chunk;
    }
  }
  /** As tracing packages do it. @type {[string, (stream: any, trace: (chunk: any) => void) => any][]} */
  const tracers = [
    [
      'by a proxy',
      (stream, trace) =>
        new Proxy(stream, {
          get: (target, name) =>
            name === Symbol.asyncIterator ? () => tracing(target, trace) : Reflect.get(target, name),
        }),
    ],
    [
      'by an iterator that is put on it',
      (stream, trace) => {
        const own = stream[Symbol.asyncIterator].bind(stream);
        stream[Symbol.asyncIterator] = () => tracing({ [Symbol.asyncIterator]: own }, trace);
        return stream;
      },
    ],
    [
      'by its `iterator`',
      (stream, trace) => {
        const own = stream.iterator;
        stream.iterator = () => tracing({ [Symbol.asyncIterator]: own }, trace);
        return stream;
      },
    ],
    [
      'by a subclass',
      (stream, trace) => {
        /** @extends {Stream<any>} */
        class Traced extends Stream {
          [Symbol.asyncIterator]() {
            return tracing({ [Symbol.asyncIterator]: () => super[Symbol.asyncIterator]() }, trace);
          }
        }
        return new Traced(stream.iterator, stream.controller);
      },
    ],
  ];
  for (const [how, trace] of tracers) {
    test(`${how} is what the caller gets, and is traced once`, async ({ stage, serve }) => {
      const clientUpstream = await serve({ kind: 'answer', content: 'one two three', deltas: 3 });
      const sdk = new OpenAI6({ apiKey: 'k', baseURL: clientUpstream.url });
      const traced = /** @type {any[]} */ ([]);
      /** @type {any} */
      let returned;
      const { client } = plainClient(async (body, options) => {
        const stream = /** @type {any} */ (await sdk.chat.completions.create(body, options));
        returned = trace(stream, (chunk) => traced.push(chunk));
        return returned;
      });
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const got = await open(openai);
      const { chunks: read, error } = await readAll(got);

      expect(Object.is(got, returned)).toBe(true);
      expect(error).toBeUndefined();
      expect(textOf(read)).toBe('one two three');
      expect(traced).toEqual(read);
    });
  }
});

test('a stream of an SDK that fails in the middle does not end cleanly', async ({ stage, serve }) => {
  // The SDK's iterator aborts its own controller before it throws: that is no wish of the caller's.
  const clientUpstream = await serve({ kind: 'answer', deltas: 6, fault: { after: 3, how: 'cut' } });
  const client = new OpenAI6({ apiKey: 'k', baseURL: clientUpstream.url });
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  for (let round = 0; round < 10; round += 1) {
    const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });
    expect(told.error).toBeInstanceOf(TypeError);
    expect(told.error.message).toBe('terminated');
    expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
  }
});

describe('a loop that leaves a generator of a client', () => {
  const slowly = () => {
    let cleaned = false;
    const stream = (async function* () {
      try {
        yield* longText();
      } finally {
        await pause(30);
        cleaned = true;
      }
    })();
    return { stream, cleaned: () => cleaned };
  };

  test('goes on after its `finally`', async ({ stage }) => {
    const { stream, cleaned } = slowly();
    const { openai } = await withStream(stage, stream);
    for await (const chunk of await open(openai)) if (textOf([chunk])) break;

    expect(cleaned()).toBe(true);
  });

  test('goes on after its `finally` when the controller or the signal stops it', async ({ stage }) => {
    for (const by of ['controller', 'signal']) {
      const { stream, cleaned } = slowly();
      const { openai } = await withStream(stage, stream);
      const caller = new AbortController();
      const opened = await open(openai, {}, { signal: caller.signal });
      for await (const _chunk of opened) (by === 'signal' ? caller : opened.controller).abort();

      expect(cleaned(), by).toBe(true);
    }
  });

  test('gets what the loop threw, after its `finally`', async ({ stage }) => {
    const { stream, cleaned } = slowly();
    const { openai } = await withStream(stage, stream);
    const loop = async () => {
      for await (const _chunk of await open(openai)) throw new Error('mine');
    };

    await expect(loop()).rejects.toThrow('mine');
    expect(cleaned()).toBe(true);
  });

  // Longer than other tests: it waits for the second that a chunk gets which was asked for.
  test('is not blocked by a chunk that never arrives', async ({ stage }) => {
    const { openai } = await withStream(stage, stalled([ROLE, contentChunk('a')]));
    let text = '';
    for await (const chunk of await open(openai)) if ((text = textOf([chunk]))) break;

    expect(text).toBe('a');
  });
});

describe('the key of a client whose stream has an error event that repeats it', () => {
  const key = 'sk-secret-of-the-client-0123456789';
  const error = { error: { message: `Incorrect API key provided: ${key}.`, code: 'invalid_api_key' } };
  for (const [when, items] of /** @type {const} */ ([
    ['before the commit', [ROLE, error]],
    ['after it', [ROLE, contentChunk('a'), error]],
  ])) {
    test(`is redacted ${when}`, async ({ stage }) => {
      const { client } = plainClient(async () => streamOf([...items]));
      Object.assign(client, { apiKey: key });
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

      expect(told.error.message).toContain('Incorrect API key provided');
      expect(JSON.stringify([told.error.message, told.error.error, told.info.attempts])).not.toContain(key);
    });
  }
});

/**
 * One stream whose second target is a client and whose third a native one.
 * @param {(staging: Staging) => Promise<{ openai: OpenAI, fallback: import('../../demo/upstream.mjs').Upstream }>} stage
 * @param {() => any} openStream @param {OpenPipeCallOptions} [openpipe]
 */
async function askFollowed(stage, openStream, openpipe) {
  const { client } = plainClient(async () => openStream());
  const { openai, fallback: next } = await stage({ primary: FAILING });
  const told = await ask(openai, {
    stream: true,
    openpipe: { fallback: [{ model: MODEL, client }, { model: 'next' }], ...openpipe },
  });
  return { told, next };
}

/**
 * A client of ours that falls over to one which gives this stream.
 * @param {(staging: Staging) => Promise<{ openai: OpenAI }>} stage @param {any} stream
 */
async function withStream(stage, stream) {
  const { client, asked } = plainClient(async () => stream);
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  return { openai, asked };
}

/** @param {OpenAI} openai @param {OpenPipeCallOptions} [openpipe] @param {object} [options] */
function open(openai, openpipe, options) {
  return openai.chat.completions.create(
    { model: PRIMARY, messages: [], stream: true, openpipe: { ...TO_CLIENT, ...openpipe } },
    options,
  );
}

/** These chunks, and then the error. @param {any[]} items @param {unknown} error */
async function* dying(items, error) {
  yield* items;
  throw error;
}

/** These chunks, and then nothing. @param {any[]} items */
async function* stalled(items) {
  yield* items;
  await never();
}

/** Chunks without end. @returns {Generator<any, never>} */
function* longText() {
  yield ROLE;
  for (;;) yield contentChunk('word ');
}

/** A generator without end that knows whether it was closed. */
function closableGenerator() {
  let closed = false;
  const stream = (async function* () {
    try {
      for (const chunk of longText()) {
        yield chunk;
        await pause(1);
      }
    } finally {
      closed = true;
    }
  })();
  return { stream, closed: () => closed };
}

/** What is no chunk. @returns {[string, any][]} */
function oddChunks() {
  /** @type {any} */
  const circular = { choices: [] };
  circular.self = circular;
  return [
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['a text', 'chunk'],
    ['a function', () => {}],
    ['an array', [FINISH]],
    ['circular', circular],
    ['made of a BigInt', { choices: [], created: 1n }],
    [
      'an object that cannot be read',
      {
        get choices() {
          throw new Error('unreadable');
        },
      },
    ],
  ];
}
