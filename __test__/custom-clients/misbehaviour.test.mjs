/** Clients that do what no client should: each has an outcome, and none crashes or hangs the process (issue 3). */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { ask, eventually } from '../support/calls.mjs';
import { chats, PRIMARY, test } from '../support/upstreams.mjs';
import { chunks, completion, contentChunk, FAILING, FINISH, MODEL, pause, plainClient, streamOf, TO_CLIENT } from '../support/custom-clients.mjs'; // prettier-ignore

/** @import { FailureKind } from 'openpipe-native' */

const MODES = /** @type {const} */ ([
  ['completion', false],
  ['stream', true],
]);

/**
 * @typedef {object} Misdeed
 * @property {string} name Follows "a client that".
 * @property {(body: any) => any} create
 * @property {FailureKind} kind
 * @property {any} [thrown] An object that the caller gets as it is.
 * @property {{ primitive: unknown }} [cause] A primitive, which is the cause of an error that the caller gets.
 * @property {RegExp} [says] The message of an `APIError` that the caller gets.
 * @property {boolean} [stream] Only in this mode; otherwise in both.
 */

/** @type {Misdeed[]} */
const misdeeds = [
  ...objects().flatMap(([what, thrown, kind]) => [
    throwing(`throws ${what}`, thrown, kind),
    rejecting(`rejects with ${what}`, thrown, kind),
  ]),
  ...primitives().flatMap(([what, primitive]) => [
    { ...throwing(`throws ${what}`, primitive), thrown: undefined, cause: { primitive } },
    { ...rejecting(`rejects with ${what}`, primitive), thrown: undefined, cause: { primitive } },
  ]),
  ...thenables(),
  returning('returns undefined', () => undefined, /returned no/),
  returning('returns null', () => null, /returned no/),
  returning('returns a number', () => 5, /returned no/),
  returning('returns a text', () => 'completion', /returned no/),
  returning('returns a BigInt', () => 1n, /returned no/),
  returning('returns a symbol', () => Symbol('completion'), /returned no/),
  returning('returns a function', () => () => {}, /returned no/),
  returning('returns an array', () => [], /no object|no stream/),
  returning('returns an empty object', () => ({}), /no choices|no stream/),
  returning('returns choices that are null', () => ({ choices: null }), /no choices|no stream/),
  returning('returns choices that are an object', () => ({ choices: {} }), /no choices|no stream/),
  returning('returns an error', () => ({ choices: [], error: { message: 'no' } }), /\bno\b|no stream/),
  returning('returns what writes itself as text', () => ({ choices: [], toJSON: () => 'text' }), /no object|no stream/),
  returning('returns a circular object', circular, /not JSON|no stream/),
  returning('returns an object with a BigInt', () => ({ choices: [], created: 1n }), /not JSON|no stream/),
  returning('returns an object that cannot be read', unreadable, /not JSON|no stream/),
  returning('returns an object none of whose members can be read', hostileProxy, /not JSON|no stream/),
  { ...returning('returns a stream', () => streamOf(chunks('x')), /a stream where a completion/), stream: false },
  { ...returning('returns a completion', () => completion(MODEL, 'x'), /no stream/), stream: true },
  { ...returning('returns an array of chunks', () => chunks('x'), /no stream/), stream: true },
  {
    ...returning('returns what does not open', () => ({ [Symbol.asyncIterator]: () => null })),
    stream: true,
  },
];

test('an error whose text, as JSON, is longer than a string can be is followed by the next target', async ({
  stage,
}) => {
  // Each of these characters takes six in JSON.
  const { client } = plainClient(async () => {
    throw new Error('\0'.repeat(2 ** 27));
  });
  const { openai } = await stage({ primary: FAILING });
  const told = await ask(openai, { openpipe: { fallback: [{ model: MODEL, client }, { model: 'next' }] } });

  expect(told.info.attempts.map((/** @type {any} */ attempt) => attempt.outcome)).toEqual([
    'bad_request',
    'invalid_response',
    'ok',
  ]);
});

for (const [what, stream] of MODES) {
  for (const misdeed of misdeeds.filter((each) => (each.stream ?? stream) === stream)) {
    describe(`asked for a ${what}, a client that ${misdeed.name}`, () => {
      test('is followed by the next target', async ({ stage }) => {
        const { client } = plainClient(misdeed.create);
        const { openai } = await stage({ primary: FAILING });
        const told = await ask(openai, {
          stream,
          openpipe: { fallback: [{ model: MODEL, client }, { model: 'next' }] },
        });

        expect(told.error).toBeUndefined();
        expect(told.text).toBe('Answered by the fallback, with the model next.');
        expect(told.info.attempts.map(({ upstream, tries }) => [upstream, tries])).toEqual([
          ['openpipe', 1],
          ['client', 1],
          ['openai', 1],
        ]);
        expect(told.info.attempts[1]?.outcome).toBe(misdeed.kind);
        expect(typeof told.info.attempts[1]?.message).toBe('string');
      });

      test('fails the call when it is the last', async ({ stage }) => {
        const { client } = plainClient(misdeed.create);
        const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
        const { error } = await failing(openai, stream);

        // Compared without reading it: some of them cannot be read.
        if (misdeed.thrown !== undefined) {
          expect(Object.is(error, misdeed.thrown)).toBe(true);
          return;
        }
        expect(error).toBeInstanceOf(Error);
        expect(error.openpipe.attempts).toHaveLength(2);
        expect(error.openpipe.attempts[1]).toMatchObject({ upstream: 'client', outcome: misdeed.kind, tries: 1 });
        expect(error.openpipe.errors).toHaveLength(2);
        if (misdeed.cause) {
          expect(error).toBeInstanceOf(OpenAI.APIError);
          expect(Object.hasOwn(error, 'cause')).toBe(true);
          expect(error.cause).toBe(misdeed.cause.primitive);
        }
        if (misdeed.says) {
          expect(error.constructor).toBe(OpenAI.APIError);
          expect(error.message).toMatch(misdeed.says);
        }
      });
    });
  }
}

test('a client that returns a stream for a completion has it closed', async ({ stage }) => {
  let closed = false;
  const { client } = plainClient(async () => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ value: contentChunk('x'), done: false }),
      return: async () => {
        closed = true;
        return { value: undefined, done: true };
      },
    }),
  }));
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const { error } = await ask(openai, { openpipe: TO_CLIENT });

  expect(error.message).toMatch(/a stream where a completion/);
  expect(await eventually(() => closed)).toBe(true);
});

describe('a client may return', () => {
  /** @type {[string, (body: any) => any][]} */
  const answers = [
    ['no promise', (body) => completion(body.model, 'fine')],
    ['a thenable', (body) => ({ then: (/** @type {any} */ resolve) => resolve(completion(body.model, 'fine')) })],
    [
      'a thenable that answers twice',
      (body) => ({
        then(/** @type {any} */ resolve, /** @type {any} */ reject) {
          resolve(completion(body.model, 'fine'));
          resolve(completion(body.model, 'again'));
          reject(new Error('or not'));
        },
      }),
    ],
    [
      'a thenable that answers and throws',
      (body) => ({
        then(/** @type {any} */ resolve) {
          resolve(completion(body.model, 'fine'));
          throw new Error('afterwards');
        },
      }),
    ],
    ['a promise of a promise', async (body) => Promise.resolve(Promise.resolve(completion(body.model, 'fine')))],
    ['an object of a class', async (body) => Object.assign(new (class Mine {})(), completion(body.model, 'fine'))],
    [
      'an object without a prototype',
      async (body) => Object.assign(Object.create(null), completion(body.model, 'fine')),
    ],
    ['an object with members that JSON does not know', async (body) => ({ ...completion(body.model, 'fine'), f() {} })],
    ['an object with a malformed request id', async (body) => ({ ...completion(body.model, 'fine'), _request_id: 5 })],
    [
      'an object whose request id cannot be read',
      async (body) =>
        Object.defineProperty(completion(body.model, 'fine'), '_request_id', {
          get() {
            throw new Error('unreadable');
          },
        }),
    ],
  ];
  for (const [what, create] of answers) {
    test(`${what}, which the caller gets`, async ({ stage }) => {
      const { client } = plainClient(create);
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { openpipe: TO_CLIENT });

      expect(told.error).toBeUndefined();
      expect(told.text).toBe('fine');
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'ok' });
    });
  }

  /** @type {[string, (object: any) => any][]} */
  const closedToUs = [
    ['frozen', Object.freeze],
    ['sealed', Object.seal],
    ['closed to new members', Object.preventExtensions],
    ['one with an `openpipe` of its own', (object) => Object.defineProperty(object, 'openpipe', { value: undefined })],
    [
      'a proxy that takes no members',
      (object) =>
        new Proxy(object, {
          defineProperty() {
            throw new Error('no members');
          },
        }),
    ],
    [
      'a proxy that denies to be extensible',
      (object) =>
        new Proxy(object, {
          isExtensible() {
            throw new Error('no answer');
          },
        }),
    ],
  ];
  for (const [what, close] of closedToUs) {
    test(`a completion that is ${what}, which the caller gets unchanged`, async ({ stage }) => {
      const answer = close(completion(MODEL, 'fine'));
      const { client } = plainClient(async () => answer);
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const got = await openai.chat.completions.create({ model: PRIMARY, messages: [], openpipe: TO_CLIENT });

      expect(Object.is(got, answer)).toBe(true);
      expect(got.openpipe).toBeUndefined();
    });

    test(`an error that is ${what}, which the caller gets unchanged`, async ({ stage }) => {
      const error = close(Object.assign(new Error('thrown'), { status: 503 }));
      const { client } = plainClient(() => Promise.reject(error));
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { openpipe: TO_CLIENT });

      expect(Object.is(told.error, error)).toBe(true);
      expect(told.error.openpipe).toBeUndefined();
    });

    test(`an error that is ${what}, which the next target's error has as its cause`, async ({ stage }) => {
      const error = close(Object.assign(new Error('thrown'), { status: 503 }));
      const { client } = plainClient(() => Promise.reject(error));
      const { openai } = await stage({ primary: FAILING, fallback: FAILING });
      const told = await ask(openai, { openpipe: { fallback: [{ model: MODEL, client }, { model: 'next' }] } });

      expect(Object.is(told.error.openpipe.errors[1], error)).toBe(true);
      expect(told.info.attempts[1]).toMatchObject({ outcome: 'server_error', status: 503 });
    });
  }

  test('the same completion for every call, whose member `openpipe` is that of the latest', async ({ stage }) => {
    const answer = completion(MODEL, 'always the same');
    const { client } = plainClient(async () => answer);
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const first = await openai.chat.completions.create({ model: PRIMARY, messages: [], openpipe: TO_CLIENT });
    const second = await openai.chat.completions.create({
      model: PRIMARY,
      messages: [],
      openpipe: { fallback: { model: 'second' } },
    });

    expect(first).toBe(answer);
    expect(second).toBe(answer);
    expect(second.openpipe.model).toBe('second');
  });
});

describe('a client that gives an odd stream', () => {
  const hostile = () => {
    throw new Error('hands off');
  };
  /** @type {[string, () => any][]} */
  const odd = [
    [
      'whose other members cannot be read',
      () => withGetters(['controller', 'iterator', 'tee', 'cancel', 'then2'], hostile),
    ],
    ['whose controller is a text', () => Object.assign(streamOf(chunks('fine')), { controller: 'none' })],
    ['that only looks like one of an SDK', () => Object.assign(streamOf(chunks('fine')), { iterator: 1, tee: 2 })],
    ['whose `tee` is a function and its `iterator` none', () => Object.assign(streamOf(chunks('fine')), { tee() {} })],
    [
      'whose members cannot be set',
      () =>
        Object.defineProperties(streamOf(chunks('fine')), {
          iterator: { get: () => () => streamOf([]) },
          tee: { get: () => () => [] },
          controller: { get: () => new AbortController() },
        }),
    ],
  ];
  for (const [what, make] of odd) {
    test(`${what}: it is read`, async ({ stage }) => {
      const { client } = plainClient(async () => make());
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

      expect(told.error).toBeUndefined();
      expect(told.text).toBe('fine');
    });

    test(`${what}: it can be left`, async ({ stage }) => {
      const { client } = plainClient(async () => make());
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const stream = await openai.chat.completions.create({
        model: PRIMARY,
        messages: [],
        stream: true,
        openpipe: TO_CLIENT,
      });
      let read = 0;
      for await (const _chunk of stream) {
        read += 1;
        break;
      }
      await pause(10);

      expect(read).toBe(1);
    });
  }

  for (const [what, result] of /** @type {[string, any][]} */ ([
    ['undefined', undefined],
    ['null', null],
    ['a text', 'chunk'],
    [
      'unreadable',
      {
        get done() {
          throw new Error('unreadable');
        },
      },
    ],
  ])) {
    test(`whose iterator returns ${what}: it fails`, async ({ stage }) => {
      const answers = [{ value: contentChunk('a'), done: false }, result];
      let closed = false;
      const iterator = {
        next: async () => answers.shift(),
        return: async () => {
          closed = true;
          return { value: undefined, done: true };
        },
      };
      const { client } = plainClient(async () => ({ [Symbol.asyncIterator]: () => iterator }));
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

      expect(told.text).toBe('a');
      expect(told.failedIn).toBe('iterator');
      expect(told.info.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
      expect(await eventually(() => closed)).toBe(true);
    });

    test(`whose iterator returns ${what} before its content: it is dropped, and closed`, async ({ stage }) => {
      const answers = [{ value: contentChunk(''), done: false }, result];
      let closed = false;
      const iterator = {
        next: async () => answers.shift(),
        return: async () => {
          closed = true;
          return { value: undefined, done: true };
        },
      };
      const { client } = plainClient(async () => ({ [Symbol.asyncIterator]: () => iterator }));
      const { openai } = await stage({ primary: FAILING });
      const told = await ask(openai, {
        stream: true,
        openpipe: { fallback: [{ model: MODEL, client }, { model: 'next' }] },
      });

      expect(told.text).toBe('Answered by the fallback, with the model next.');
      expect(await eventually(() => closed)).toBe(true);
    });
  }

  for (const result of [undefined, null, 5, 'done']) {
    test(`whose iterator answers with ${String(result)}: the error says so`, async ({ stage }) => {
      const iterator = { next: async () => result };
      const { client } = plainClient(async () => ({ [Symbol.asyncIterator]: () => iterator }));
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
      const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

      expect(told.error).toBeInstanceOf(TypeError);
      expect(told.error.message).toContain(`next() returned ${String(result)}`);
    });
  }

  test('that rejects in the middle with a primitive: it is the cause', async ({ stage }) => {
    const { client } = plainClient(async () =>
      (async function* () {
        yield contentChunk('a');
        throw 'just a text';
      })(),
    );
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

    expect(told.text).toBe('a');
    expect(told.error).toBeInstanceOf(OpenAI.APIError);
    expect(told.error.cause).toBe('just a text');
  });

  test('that goes on after its end: later chunks are ignored', async ({ stage }) => {
    const results = [
      { value: contentChunk('a'), done: false },
      { value: FINISH, done: false },
      { value: contentChunk('of the end'), done: true },
      { value: contentChunk('after the end'), done: false },
    ];
    const iterator = { next: async () => results.shift() };
    const { client } = plainClient(async () => ({ [Symbol.asyncIterator]: () => iterator }));
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const told = await ask(openai, { stream: true, openpipe: TO_CLIENT });

    expect(told.error).toBeUndefined();
    expect(told.text).toBe('a');
    expect(results).toHaveLength(1);
  });
});

describe('a client that calls back', () => {
  for (const [what, stream] of MODES) {
    test(`into the client whose fallback it is gets its ${what} from there`, async ({ stage }) => {
      /** @type {OpenAI} */
      let openai;
      const { client } = plainClient((body) =>
        openai.chat.completions.create({ ...body, model: 'gpt-4o', openpipe: { fallback: null } }),
      );
      ({ openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } }));
      const told = await ask(openai, { stream, openpipe: TO_CLIENT });

      expect(told.error).toBeUndefined();
      expect(told.text).toBe('Answered by the fallback, with the model gpt-4o.');
      expect(told.info).toMatchObject({ servedBy: 'fallback', model: MODEL });
      expect(told.info.attempts.map(({ upstream }) => upstream)).toEqual(['openpipe', 'client']);
    });

    test(`into its own \`create\` does not deadlock, of a ${what}`, async ({ stage }) => {
      const { client } = plainClient(async (body) => {
        if (body.depth > 0) return client.chat.completions.create({ ...body, depth: body.depth - 1 });
        return body.stream ? streamOf(chunks('deep down')) : completion(body.model, 'deep down');
      });
      const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });

      expect((await ask(openai, { stream, body: { depth: 50 }, openpipe: TO_CLIENT })).text).toBe('deep down');
    });

    test(`into the same client, with itself as the fallback again, ends when its time is up, of a ${what}`, async ({
      stage,
    }) => {
      /** @type {OpenAI} */
      let openai;
      const { client, asked } = plainClient((body, options) =>
        openai.chat.completions.create({ ...body, model: PRIMARY, openpipe: TO_CLIENT }, options),
      );
      const staged = await stage({ primary: { ...FAILING, delayMs: 20 }, openpipe: { fallbackClient: client } });
      openai = staged.openai;
      const told = await ask(openai, { stream, openpipe: { fallback: { model: MODEL, timeout: 600 } } });
      const [reached, sent] = [asked.length, chats(staged.primary).length];
      await pause(150);

      expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
      expect(reached).toBeGreaterThan(1);
      // It stops, all the way down.
      expect(asked.length).toBeLessThanOrEqual(reached + 1);
      expect(chats(staged.primary).length).toBeLessThanOrEqual(sent + 1);
    });
  }

  test('and is the client itself, as a target, answers as that client does', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: FAILING });
    const told = await ask(openai, { openpipe: { fallback: { model: 'gpt-4o', client: openai } } });

    expect(told.text).toBe('Answered by the fallback, with the model gpt-4o.');
    expect(told.info.attempts).toMatchObject([{ upstream: 'openpipe' }, { upstream: 'client', outcome: 'ok' }]);
    expect(chats(fallback)).toHaveLength(1);
  });

  test('and aborts the call that called it ends it as an abort', async ({ stage }) => {
    const caller = new AbortController();
    const { client } = plainClient(async (body) => {
      caller.abort();
      return completion(body.model, 'too late');
    });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
    const { error } = await ask(openai, { openpipe: TO_CLIENT, options: { signal: caller.signal } });

    expect(error).toBeInstanceOf(OpenAI.APIUserAbortError);
  });
});

describe('an `onFallback` that', () => {
  for (const [what, onFallback] of /** @type {[string, () => any][]} */ ([
    [
      'throws',
      () => {
        throw new Error('in the callback');
      },
    ],
    ['rejects', () => Promise.reject(new Error('in the callback'))],
  ])) {
    test(`${what} gives a warning and does not affect the call`, async ({ stage }) => {
      const warnings = /** @type {string[]} */ ([]);
      const silent = () => {};
      const logger = {
        error: silent,
        info: silent,
        debug: silent,
        warn: (/** @type {string} */ text) => warnings.push(text),
      };
      const { client } = plainClient(async (body) => completion(body.model, 'fine'));
      const { openai } = await stage({ primary: FAILING, logger, openpipe: { onFallback, fallbackClient: client } });

      expect((await ask(openai, { openpipe: TO_CLIENT })).text).toBe('fine');
      expect(await eventually(() => warnings.some((text) => text.includes('in the callback')))).toBe(true);
    });
  }
});

/**
 * The error of one call, within an object: what cannot be read cannot be returned from an async function.
 * @param {OpenAI} openai @param {boolean} stream @returns {Promise<{ error: any }>}
 */
async function failing(openai, stream) {
  try {
    await openai.chat.completions.create({ model: PRIMARY, messages: [], stream, openpipe: TO_CLIENT });
  } catch (error) {
    return { error };
  }
  throw new Error('the call did not fail');
}

/** @param {string} name @param {any} thrown @param {FailureKind} [kind] @returns {Misdeed} */
function throwing(name, thrown, kind = 'invalid_response') {
  return {
    name,
    create() {
      throw thrown;
    },
    kind,
    thrown,
  };
}

/** @param {string} name @param {any} thrown @param {FailureKind} [kind] @returns {Misdeed} */
function rejecting(name, thrown, kind = 'invalid_response') {
  return { name, create: () => Promise.reject(thrown), kind, thrown };
}

/** @param {string} name @param {(body: any) => any} answer @param {RegExp} [says] @returns {Misdeed} */
function returning(name, answer, says) {
  return { name, create: async () => answer(undefined), kind: 'invalid_response', says };
}

/** Things to throw that have an identity. @returns {[string, object, FailureKind?][]} */
function objects() {
  return [
    ['an Error', new Error('plain')],
    ['a frozen Error', Object.freeze(Object.assign(new Error('frozen'), { status: 429 })), 'rate_limit'],
    ['an Error with a statusCode', Object.assign(new Error('got'), { statusCode: 503 }), 'server_error'],
    ['an Error with a response', Object.assign(new Error('axios'), { response: { status: 429 } }), 'rate_limit'],
    ['an Error of an AWS SDK', Object.assign(new Error('aws'), { $metadata: { httpStatusCode: 403 } }), 'auth'],
    ['a frozen object', Object.freeze({ code: 'ECONNRESET' }), 'connection'],
    ['an empty object', {}],
    ['an object without a prototype', Object.create(null)],
    ['an array', ['no', 'error']],
    ['a function', () => 'no error'],
    ['an Error whose members cannot be read', unreadableError()],
    ['an Error whose cause is itself', circularError()],
    ['an Error with a message that is no text', Object.assign(new Error(), { message: { no: 'text' } })],
    ['an Error with a long message', new Error('x'.repeat(1_000_000))],
    ['an Error with half a surrogate pair', new Error('half \ud83d')],
    ['a proxy that answers nothing', hostileProxy()],
    ['a revoked proxy', revokedProxy()],
  ];
}

/** @returns {[string, unknown][]} */
function primitives() {
  return [
    ['undefined', undefined],
    ['null', null],
    ['a text', 'just a text'],
    ['an empty text', ''],
    ['a number', 42],
    ['NaN', NaN],
    ['false', false],
    ['a BigInt', 12n],
    ['a symbol', Symbol('thrown')],
  ];
}

/** @returns {Misdeed[]} */
function thenables() {
  const inThen = new Error('in then');
  const byThen = new Error('by then');
  return [
    {
      name: 'returns a thenable that throws',
      create: () => ({
        then() {
          throw inThen;
        },
      }),
      kind: 'invalid_response',
      thrown: inThen,
    },
    {
      name: 'returns a thenable that rejects',
      create: () => ({ then: (/** @type {any} */ _resolve, /** @type {any} */ reject) => reject(byThen) }),
      kind: 'invalid_response',
      thrown: byThen,
    },
    {
      name: 'returns an object whose `then` cannot be read',
      create: () => ({
        get then() {
          throw inThen;
        },
      }),
      kind: 'invalid_response',
      thrown: inThen,
    },
  ];
}

function circular() {
  /** @type {any} */
  const object = { choices: [] };
  object.self = object;
  return object;
}

function unreadable() {
  return {
    get choices() {
      throw new Error('unreadable');
    },
  };
}

function unreadableError() {
  const error = new Error('unreadable');
  for (const name of ['stack', 'status', 'code', 'name', 'message', 'cause', 'error', 'headers']) {
    Object.defineProperty(error, name, {
      get() {
        throw new Error(`${name} cannot be read`);
      },
    });
  }
  return error;
}

function circularError() {
  const error = new Error('circular');
  error.cause = error;
  return error;
}

/** A proxy all of whose traps throw, but that is no promise. @returns {any} */
function hostileProxy() {
  const refuse = () => {
    throw new Error('no answer');
  };
  return new Proxy(
    {},
    {
      get: (_target, name) => (name === 'then' || name === Symbol.asyncIterator ? undefined : refuse()),
      set: refuse,
      has: refuse,
      ownKeys: refuse,
      isExtensible: refuse,
      defineProperty: refuse,
      getPrototypeOf: refuse,
      getOwnPropertyDescriptor: refuse,
    },
  );
}

/** @returns {object} */
function revokedProxy() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** A good stream, these of whose members run `get` when they are read. @param {string[]} names @param {() => any} get */
function withGetters(names, get) {
  const iterator = streamOf(chunks('fine'));
  const stream = { [Symbol.asyncIterator]: () => iterator };
  for (const name of names) Object.defineProperty(stream, name, { get });
  return stream;
}
