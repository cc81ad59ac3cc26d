/** The take-over below the SDK's resource methods (contract.md, sections 1 and 9), with each version of the SDK. */

import { createRequire } from 'node:module';
import { inspect } from 'node:util';

import { describe, expect, vi } from 'vitest';

import { readAll, rejection, textOf } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { versions } from '../support/sdk-versions.mjs';
import { REQUEST, test, TEXT } from '../support/through-fallback.mjs';
import { chats, FALLBACK } from '../support/upstreams.mjs';

const require = createRequire(import.meta.url);
/** @type {{ defineClient: (sdk: any) => any }} */
const { defineClient } = require('../../lib/sdk/client.js');
const { Stream } = require('openai/core/streaming');

/** @type {Record<string, (openai: any) => Promise<unknown>>} */
const waysToFail = {
  completion: async ({ chat }) => await chat.completions.create(REQUEST),
  withResponse: async ({ chat }) => await chat.completions.create(REQUEST).withResponse(),
  asResponse: async ({ chat }) => await chat.completions.create(REQUEST).asResponse(),
  stream: async ({ chat }) => await chat.completions.create({ ...REQUEST, stream: true }),
  parse: async ({ chat }) => await chat.completions.parse(REQUEST),
  responses: async ({ responses }) => await responses.create({ model: 'gpt-4o', input: 'x' }),
  'parsed response': async ({ responses }) => await responses.parse({ model: 'gpt-4o', input: 'x' }),
  embeddings: async ({ embeddings }) => await embeddings.create({ model: 'e', input: 'x' }),
  completions: async ({ completions }) => await completions.create({ model: 'm', prompt: 'x' }),
  malformed: async ({ chat }) => await chat.completions.create(REQUEST, { timeout: -1 }),
  aborted: async ({ chat }) => {
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    await chat.completions.create(REQUEST, { signal: controller.signal });
  },
};

/** @param {() => Promise<unknown>} way */
async function callerOfTheSdk(way) {
  await way();
}

for (const { title, sdk, Ours } of versions) {
  describe(title, () => {
    for (const transport of ['native', 'fetch']) {
      test(`a patch of the SDK's \`create\` sees a call once, by the transport ${transport}`, async ({
        fallingBack,
      }) => {
        const { options } = await fallingBack();
        const openai = new Ours({ ...options, openpipe: { ...options.openpipe, transport } });
        const create = vi.spyOn(sdk.OpenAI.Chat.Completions.prototype, 'create');
        try {
          const completion = await openai.chat.completions.create(REQUEST);
          expect([completion.openpipe.servedBy, create.mock.calls.length]).toEqual(['fallback', 1]);
          const { chunks } = await readAll(await openai.chat.completions.create({ ...REQUEST, stream: true }));
          expect([textOf(chunks), create.mock.calls.length]).toEqual([TEXT, 2]);
          await openai.chat.completions.parse?.(REQUEST);
          expect(create).toHaveBeenCalledTimes(3);
        } finally {
          create.mockRestore();
        }
      });
    }

    test('the value of a patch that returns no promise is passed on', async ({ fallingBack }) => {
      const { options } = await fallingBack();
      const openai = new Ours(options);
      const { prototype } = sdk.OpenAI.Chat.Completions;
      const { create } = prototype;
      prototype.create = async function* (/** @type {any} */ body, /** @type {any} */ given) {
        yield* await create.call(this, body, given);
      };
      try {
        const { chunks, error } = await readAll(openai.chat.completions.create({ ...REQUEST, stream: true }));
        expect([textOf(chunks), error]).toEqual([TEXT, undefined]);
      } finally {
        prototype.create = create;
      }
    });

    for (const transport of ['native', 'fetch']) {
      test(`an instrumentation's replacement of a stream’s \`iterator\` is called, by ${transport}`, async ({
        fallingBack,
      }) => {
        const { options } = await fallingBack();
        const openai = new Ours({ ...options, openpipe: { ...options.openpipe, transport } });
        const stream = await openai.chat.completions.create({ ...REQUEST, stream: true });
        const { iterator } = stream;
        let seen = 0;
        stream.iterator = async function* () {
          for await (const chunk of iterator.call(stream)) {
            seen += 1;
            yield chunk;
          }
        };
        const { chunks, error } = await readAll(stream);
        expect([textOf(chunks), error, seen]).toEqual([TEXT, undefined, chunks.length]);
      });
    }

    test('the promise is an instance of the SDK’s class', async ({ fallingBack }) => {
      const { options } = await fallingBack();
      const promise = new Ours(options).chat.completions.create(REQUEST);
      expect(promise.constructor).toBe(sdk.APIPromise);
      const { response, options: asked } = await promise.responsePromise;
      expect(response.status).toBe(200);
      expect(asked).toMatchObject({ method: 'post', path: '/chat/completions' });
      expect((await promise.parse()).openpipe.servedBy).toBe('fallback');
      expect((await promise._thenUnwrap((/** @type {any} */ value) => ({ ...value }))).openpipe.model).toBe(FALLBACK);
    });

    test('`client.post` to the path is taken over, another POST is not', async ({ fallingBack, serve }) => {
      const { options } = await fallingBack();
      const other = await serve({ kind: 'status', status: 200, body: { bytes: '{"object":"x"}' } });
      const { logger, warnings } = listeningLogger();
      const openai = new Ours({ ...options, baseURL: other.url, logger });
      openai.baseURL = options.baseURL;
      expect((await openai.post('/chat/completions', { body: REQUEST })).openpipe.servedBy).toBe('fallback');
      openai.baseURL = other.url;
      const body = { input: 'x', openpipe: { fallback: { model: 'm' } } };
      expect(JSON.parse(await openai.post(`/moderations/${sdk.OpenAI.name}${title.at(-1)}`, { body }))).toEqual({
        object: 'x',
      });
      expect(other.requests.at(-1)?.body).toEqual({ input: 'x' });
      expect(warnings.filter((line) => line.includes('has no effect'))).toHaveLength(1);
    });

    test('`openpipe` of the request options wins over that of the body, member by member', async ({ fallingBack }) => {
      const { options, primary } = await fallingBack();
      const openai = new Ours(options);
      const body = { ...REQUEST, openpipe: { fallback: null, deadline: 60_000 } };
      const got = await openai.chat.completions.create(body, { openpipe: { fallback: { model: FALLBACK } } });
      expect(got.openpipe.servedBy).toBe('fallback');
      expect(JSON.stringify(chats(primary)[0]?.body)).not.toContain('openpipe":');
    });

    describe.each(['native', 'fetch'])('by the transport %s', (transport) => {
      test('an error’s stack names the functions that wait for the call, wherever the SDK’s does', async ({
        serve,
      }) => {
        const upstream = await serve({ kind: 'status', status: 418 });
        const silent = await serve({ kind: 'silence' });
        const options = { apiKey: OPENAI_KEY, maxRetries: 0 };
        const openpipe = { transport, logRequest: false };
        const places = { status: upstream.url, silent: silent.url, refused: 'http://127.0.0.1:1/v1' };
        const shown = async (/** @type {(options: object) => any} */ make) => {
          /** @type {string[]} */
          const names = [];
          for (const [place, baseURL] of Object.entries(places)) {
            const client = make({ ...options, baseURL, timeout: place === 'silent' ? 100 : 10_000 });
            const ways = Object.entries(waysToFail).map(async ([name, way]) => {
              if (place !== 'status' && ['responses', 'withResponse', 'asResponse'].includes(name)) return;
              const { stack } = await rejection(callerOfTheSdk(() => way(client)));
              if (stack.includes('callerOfTheSdk')) names.push(`${place} ${name}`);
            });
            await Promise.all(ways);
          }
          return names;
        };
        const ours = await shown((given) => new Ours({ ...given, openpipe }));
        expect(ours).toEqual(expect.arrayContaining(await shown((given) => new sdk.OpenAI(given))));
        expect(ours).toEqual(
          expect.arrayContaining(['status completion', 'status stream', 'status malformed', 'silent aborted']),
        );
      });

      test('an error that the caller’s own getter throws is not changed', async () => {
        const thrown = new TypeError('of the caller');
        const { stack } = thrown;
        const openpipe = { get deadline() { throw thrown; } }; // prettier-ignore
        const openai = new Ours({ apiKey: OPENAI_KEY, openpipe: { transport, logRequest: false } });
        expect(await rejection(openai.chat.completions.create(REQUEST, { openpipe }))).toBe(thrown);
        expect(thrown.stack).toBe(stack);
      });

      test('an error of a stream has the function that iterates in its stack', async ({ fallingBack }) => {
        const { options } = await fallingBack({ fallback: { kind: 'answer', fault: { after: 2, how: 'reset' } } });
        const openai = new Ours({ ...options, openpipe: { ...options.openpipe, transport } });
        const stream = await openai.chat.completions.create({ ...REQUEST, stream: true });
        async function iteratesTheStream() {
          for await (const _ of stream);
        }
        const error = await rejection(iteratesTheStream());
        expect(error).toBeInstanceOf(sdk.APIConnectionError);
        expect(error.stack).toContain('iteratesTheStream');
      });

      test('the error of the target before is the cause of a connection error’s own cause', async ({ serve }) => {
        const upstream = await serve({ kind: 'status', status: 418 });
        const upstreams = { dead: { baseURL: 'http://127.0.0.1:9/v1', apiKey: null } };
        const options = { apiKey: OPENAI_KEY, baseURL: upstream.url, maxRetries: 0 };
        const openai = new Ours({ ...options, openpipe: { transport, upstreams, logRequest: false } });
        const targets = [{ model: 'dead:m' }, { model: 'dead:m' }];
        const call = openai.chat.completions.create(
          { ...REQUEST, model: 'gpt-4o' },
          { openpipe: { fallback: targets } },
        );
        const causes = [];
        for (let each = await rejection(call); each; each = each.cause) causes.push(each);
        expect(causes.filter((each) => each instanceof sdk.APIConnectionError)).toHaveLength(2);
        expect(causes.at(-1)).toMatchObject({ status: 418 });
      });

      test('the errors of all targets form a chain of causes', async ({ fallingBack }) => {
        const { options } = await fallingBack({ fallback: { kind: 'status', status: 418 } });
        const openai = new Ours({ ...options, openpipe: { ...options.openpipe, transport } });
        const error = await rejection(callerOfTheSdk(() => openai.chat.completions.create(REQUEST)));
        expect(error.openpipe.errors).toHaveLength(2);
        expect(inspect(error)).toContain(error.openpipe.errors[0].message);
        for (const { stack } of error.openpipe.errors) expect(stack).toContain('callerOfTheSdk');
      });
    });
  });
}

/** What stands in the place of the SDK's class. @type {[string, (Real: any) => any][]} */
const replacements = [
  [
    'a function, as Sentry 10 does',
    (Real) => {
      const binding = (/** @type {any} */ target) =>
        new Proxy(target, {
          get(inner, name) {
            const value = inner[name];
            if (typeof value === 'function') return value.bind(inner);
            return value && typeof value === 'object' ? binding(value) : value;
          },
        });
      /** @type {any} */
      const Wrapped = function (/** @type {any[]} */ ...args) {
        return binding(Reflect.construct(Real, args));
      };
      Object.setPrototypeOf(Wrapped, Real);
      Object.setPrototypeOf(Wrapped.prototype, Real.prototype);
      return Wrapped;
    },
  ],
  ['a function that is linked to nothing', (Real) => Object.assign((/** @type {any} */ o) => new Real(o), { Chat: Real.Chat })],
  ['a proxy', (Real) => new Proxy(Real, { construct: (target, args) => new target(...args) })],
  ['a proxy that keeps the class', (Real) => new Proxy(Real, {})],
  ['a subclass', (Real) => class extends Real {}],
]; // prettier-ignore

for (const { title, sdk } of versions) {
  for (const [what, replace] of replacements) {
    describe(`${title}, whose class was replaced by ${what}`, () => {
      const Ours = defineClient({ ...sdk, OpenAI: replace(sdk.OpenAI), Stream });

      test('makes clients of this package', async ({ fallingBack }) => {
        const { options, primary, fallback } = await fallingBack();
        const openai = new Ours(options);
        expect(openai).toBeInstanceOf(Ours);
        expect(openai).toBeInstanceOf(sdk.OpenAI);
        expect(JSON.stringify(openai) + inspect(openai)).not.toContain(OPENAI_KEY);
        expect(inspect(openai)).toMatch(/^OpenAI \{/);
        const derived = openai.withOptions({ timeout: 9_000 });
        for (const client of [openai, derived]) {
          const completion = await client.chat.completions.create(REQUEST);
          expect(completion.openpipe.servedBy).toBe('fallback');
        }
        if (openai.chat.completions.stream) {
          expect(await openai.chat.completions.stream(REQUEST).finalContent()).toBe(TEXT);
        }
        expect(JSON.stringify(primary.requests.concat(fallback.requests).map(({ body }) => body))).not.toMatch(
          /"openpipe":/,
        );
        expect(await derived.flush()).toMatchObject({ pending: 0 });
        expect(inspect(derived)).not.toContain(OPENPIPE_KEY);
        await openai.close();
        expect((await rejection(openai.chat.completions.create(REQUEST))).message).toMatch(/closed/);
      });
    });
  }
}

const FALLING_BACK = { ...REQUEST, openpipe: { fallback: { model: FALLBACK } } };

describe('an error body that is nested too deep to be shown', () => {
  const DEEP = '{"error":' + '['.repeat(5_000) + ']'.repeat(5_000) + '}';
  const deep = /** @type {const} */ ({ kind: 'status', status: 500, body: { bytes: DEEP } });

  for (const { title, sdk, Ours } of versions) {
    test(`is an error with the status, with ${title}`, async ({ fallingBack }) => {
      const { options } = await fallingBack({ fallback: /** @type {any} */ (deep) });
      const error = await rejection(new Ours({ ...options, maxRetries: 0 }).chat.completions.create(REQUEST));
      expect(error).toBeInstanceOf(sdk.APIError);
      expect(error.status).toBe(500);
      expect(error.openpipe.attempts).toHaveLength(2);
    });
  }

  test('does not keep an abort from rejecting this call and the others of the signal', async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: /** @type {any} */ (deep), fallback: { kind: 'silence' } });
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [1, 2].map(() => rejection(openai.chat.completions.create(FALLING_BACK, { signal })));
    await fallback.arrival(2);
    controller.abort();
    for (const error of await Promise.all(calls)) {
      expect(error.constructor.name).toBe('APIUserAbortError');
      expect(error.openpipe.attempts[0]).toMatchObject({ outcome: 'server_error', status: 500 });
    }
  });
});

test('a `makeStatusError` that throws gives an error with the status, and with its error as the cause', async ({
  serve,
}) => {
  const { default: OpenAI } = await import('openpipe-native');
  const thrown = new Error('mine');
  class Mine extends OpenAI {
    /** @returns {any} */
    makeStatusError() {
      throw thrown;
    }
  }
  const upstream = await serve({ kind: 'status', status: 404 });
  const openai = new Mine({ apiKey: OPENAI_KEY, baseURL: upstream.url });
  const error = await rejection(openai.chat.completions.create({ ...REQUEST, model: 'gpt-4o' }));
  expect(error).toBeInstanceOf(OpenAI.NotFoundError);
  expect([error.status, error.cause, error.openpipe.attempts.length]).toEqual([404, thrown, 1]);
});

test('the last error has the errors of all targets as its causes, after its own cause', async ({ stage }) => {
  const { openai } = await stage({ primary: { kind: 'status', status: 429 }, fallback: 'refused', maxRetries: 0 });
  const error = await rejection(openai.chat.completions.create(FALLING_BACK));
  expect(error.cause.code).toBe('ECONNREFUSED');
  expect(error.cause.cause.code).toBe('ECONNREFUSED');
  expect(error.cause.cause.cause).toBe(error.openpipe.errors[0]);
  expect(inspect(error)).toContain('429');
});
