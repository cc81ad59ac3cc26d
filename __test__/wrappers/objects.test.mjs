/** Variations of a client in user code: proxies, clones, subclasses, replaced and extracted functions. */

import { createRequire } from 'node:module';

import OpenAI from 'openpipe-native';
import { describe, expect, vi } from 'vitest';

import { rejection } from '../support/calls.mjs';
import { chats, FALLBACK } from '../support/upstreams.mjs';
import { saying } from '../support/sdk-api.mjs';
import { versions } from '../support/sdk-versions.mjs';
import { REQUEST, test, TEXT, textOfStream } from '../support/through-fallback.mjs';

const require = createRequire(import.meta.url);

/** A proxy that records every access, also of objects that are reached through it. @param {any} target @returns {any} */
function deepProxy(target) {
  return new Proxy(target, {
    get(inner, name, receiver) {
      const value = Reflect.get(inner, name, receiver);
      return typeof value === 'object' && value !== null && name !== '_client' ? deepProxy(value) : value;
    },
  });
}

/** A shallow copy with the same prototype. @param {any} object */
const cloneOf = (object) => Object.assign(Object.create(Object.getPrototypeOf(object)), object);

/** What is made of a client of a class. @type {[string, (openai: any, OpenAI: any) => any][]} */
const made = [
  ['a proxy around the client', (openai) => new Proxy(openai, {})],
  [
    'a proxy that passes itself as `this`',
    (openai) => new Proxy(openai, { get: (target, name, self) => Reflect.get(target, name, self) }),
  ],
  ['a proxy around `chat`', (openai) => Object.assign(openai, { chat: new Proxy(openai.chat, {}) })],
  [
    'a proxy around `completions`',
    (openai) => {
      openai.chat.completions = new Proxy(openai.chat.completions, {});
      return openai;
    },
  ],
  ['proxies all the way', deepProxy],
  [
    'a proxy that binds every function',
    (openai) =>
      new Proxy(openai, {
        get: (target, name) => {
          const value = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      }),
  ],
  ['a proxy of a proxy', (openai) => new Proxy(new Proxy(openai, {}), {})],
  ['a spread of the client', (openai) => ({ ...openai })],
  ['a clone of the client', cloneOf],
  ['an object whose prototype is the client', (openai) => Object.create(openai)],
  [
    'clones of the client, its chat and its completions',
    (openai) => {
      const clone = cloneOf(openai);
      clone.chat = cloneOf(openai.chat);
      clone.chat.completions = cloneOf(openai.chat.completions);
      return clone;
    },
  ],
  [
    'a replaced `create` that calls the one before',
    (openai) => {
      const { completions } = openai.chat;
      const before = completions.create;
      completions.create = /** @type {any} */ (
        /** @this {any} @param {...any} args */
        function (...args) {
          return Reflect.apply(before, this, args);
        }
      );
      return openai;
    },
  ],
  [
    'a replaced `create` that is bound',
    (openai) => {
      const { completions } = openai.chat;
      completions.create = /** @type {any} */ (completions.create.bind(completions));
      return openai;
    },
  ],
  [
    'a `create` that was extracted and bound',
    (openai) => ({ chat: { completions: { create: openai.chat.completions.create.bind(openai.chat.completions) } } }),
  ],
  [
    'an extracted `completions`',
    (openai) => {
      const { completions } = openai.chat;
      return { chat: { completions } };
    },
  ],
  ['completions made by hand', (openai, OpenAI) => ({ chat: { completions: new OpenAI.Chat.Completions(openai) } })],
  ['a chat made by hand', (openai, OpenAI) => ({ chat: new OpenAI.Chat(openai) })],
  [
    'completions of a proxy',
    (openai, OpenAI) => ({ chat: { completions: new OpenAI.Chat.Completions(new Proxy(openai, {})) } }),
  ],
  [
    'a subclass of the completions',
    (openai, OpenAI) => {
      /** @type {any} */
      const Completions = OpenAI.Chat.Completions;
      const Mine = /** @type {any} */ (class extends Completions {});
      return { chat: { completions: new Mine(openai) } };
    },
  ],
  [
    'a frozen client',
    (openai) => {
      Object.freeze(openai.chat.completions);
      Object.freeze(openai.chat);
      return Object.freeze(openai);
    },
  ],
  ['what `withOptions` makes of a proxy', (openai) => new Proxy(openai, {}).withOptions({ timeout: 9_000 })],
  ['a proxy around what `withOptions` makes', (openai) => deepProxy(openai.withOptions({ timeout: 9_000 }))],
];

for (const { title, sdk, Ours } of versions) {
  for (const [what, make] of made) {
    describe(`${title}: ${what}`, () => {
      test('gives a completion of the fallback', async ({ fallingBack }) => {
        const { options, primary, fallback } = await fallingBack();
        const promise = make(new Ours(options), Ours).chat.completions.create(REQUEST);
        expect(promise).toBeInstanceOf(sdk.APIPromise);
        const { data, response } = await promise.withResponse();
        expect(data.choices[0].message.content).toBe(TEXT);
        expect(data.openpipe.servedBy).toBe('fallback');
        expect(response.url).toBe(`${fallback.url}/chat/completions`);
        expect([chats(primary).length, chats(fallback).length]).toEqual([1, 1]);
      });

      test('gives a stream of the fallback', async ({ fallingBack }) => {
        const { options } = await fallingBack();
        const stream = await make(new Ours(options), Ours).chat.completions.create({ ...REQUEST, stream: true });
        expect(await textOfStream(stream)).toBe(TEXT);
        expect(stream.openpipe.servedBy).toBe('fallback');
      });

      test('has `parse()` and `stream()`, where it has them', async ({ fallingBack }) => {
        const { options } = await fallingBack({
          fallback: saying({ role: 'assistant', content: 'From the fallback.' }),
        });
        const { completions } = make(new Ours(options), Ours).chat;
        if (completions.parse === undefined) return;
        const parsed = await completions.parse(REQUEST);
        expect(parsed.choices[0].message.content).toBe('From the fallback.');
        const final = await completions.stream(REQUEST).finalChatCompletion();
        expect(final.choices[0].message.content).toBe('From the fallback.');
      });
    });
  }
}

describe('a subclass of the client', () => {
  class Mine extends OpenAI {
    /** @param {ConstructorParameters<typeof OpenAI>[0]} options */
    constructor(options) {
      super(options);
      this.mine = true;
    }

    /** @param {string} content */
    async say(content) {
      const messages = [{ role: /** @type {const} */ ('user'), content }];
      const { choices } = await this.chat.completions.create({ model: REQUEST.model, messages });
      return choices[0]?.message.content;
    }
  }

  test('has its own methods, also after `withOptions`', async ({ fallingBack }) => {
    const { options } = await fallingBack();
    const mine = new Mine(options);
    expect(await mine.say('Count')).toBe(TEXT);
    const derived = mine.withOptions({ timeout: 9_000 });
    expect(derived).toBeInstanceOf(Mine);
    expect(await derived.say('Count')).toBe(TEXT);
  });

  test('may have private fields of its own', async ({ fallingBack }) => {
    class Counting extends OpenAI {
      #calls = 0;
      count() {
        return (this.#calls += 1);
      }
    }
    const { options } = await fallingBack();
    const counting = new Counting(options);
    expect((await counting.chat.completions.create(REQUEST)).openpipe.servedBy).toBe('fallback');
    expect(counting.count()).toBe(1);
  });
});

describe('a `create` that was replaced', () => {
  test('on the instance, is what `parse()`, `stream()` and `runTools()` call', async ({ fallingBack }) => {
    const { openai } = await fallingBack();
    const create = vi.spyOn(openai.chat.completions, 'create');
    await openai.chat.completions.parse(REQUEST);
    await openai.chat.completions.stream(REQUEST).finalChatCompletion();
    await openai.chat.completions.runTools({ ...REQUEST, tools: [] }).finalContent();
    expect(create).toHaveBeenCalledTimes(3);
  });

  test('on the prototype, is what every client calls, and no plain one', async ({ fallingBack }) => {
    const { openai } = await fallingBack();
    const before = openai.withOptions({});
    const create = vi.spyOn(OpenAI.Chat.Completions.prototype, 'create');
    try {
      await openai.chat.completions.create(REQUEST);
      await before.chat.completions.create(REQUEST);
      expect(create).toHaveBeenCalledTimes(2);
      const sdk = require('openai');
      expect(sdk.OpenAI.Chat.Completions.prototype.create).not.toBe(OpenAI.Chat.Completions.prototype.create);
    } finally {
      create.mockRestore();
    }
  });

  test('by a mock, sends nothing', async ({ fallingBack }) => {
    const { openai, primary } = await fallingBack();
    vi.spyOn(openai.chat.completions, 'create').mockResolvedValue(/** @type {any} */ ({ choices: [] }));
    expect(await openai.chat.completions.create(REQUEST)).toEqual({ choices: [] });
    expect(primary.requests).toEqual([]);
  });
});

test('`chat` and `chat.completions` are the same objects each time, and can be set', async ({ fallingBack }) => {
  const { openai } = await fallingBack();
  expect(openai.chat).toBe(openai.chat);
  expect(openai.chat.completions).toBe(openai.chat.completions);
  for (const [object, name] of /** @type {[object, string][]} */ ([[openai, 'chat'], [openai.chat, 'completions']])) {
    expect(Object.getOwnPropertyDescriptor(object, name)).toMatchObject({
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
}); // prettier-ignore

test('a proxy can be printed, flushed and closed', async ({ fallingBack }) => {
  const { options } = await fallingBack();
  for (const { Ours } of versions) {
    const openai = deepProxy(new Ours(options));
    expect(JSON.parse(JSON.stringify(openai))).toHaveProperty('baseURL', options.baseURL);
    expect(await openai.flush()).toMatchObject({ pending: 0 });
    await openai.close();
    expect(await rejection(openai.chat.completions.create(REQUEST))).toHaveProperty(
      'message',
      expect.stringMatching(/closed/),
    );
  }
});

test('`create` without its object is refused as by the SDK', async ({ fallingBack }) => {
  const { openai } = await fallingBack();
  const { create } = openai.chat.completions;
  expect(() => Reflect.apply(create, undefined, [REQUEST])).toThrow(TypeError);
});

test('a promise behind a proxy can be awaited by its methods', async ({ fallingBack }) => {
  const { openai } = await fallingBack();
  const promise = new Proxy(openai.chat.completions.create(REQUEST), {});
  expect((await promise.then((value) => value)).choices[0]?.message.content).toBe(TEXT);
  expect((await promise.withResponse()).data.openpipe.model).toBe(FALLBACK);
  expect(await promise.asResponse()).toBeInstanceOf(Response);
  expect(await promise.catch(String).finally(() => {})).toBe(await promise);
  const failing = new Proxy(openai.chat.completions.create(/** @type {any} */ ({})), {});
  expect(await rejection(failing)).toBeInstanceOf(TypeError);
});

test('a client of the CommonJS entry may be wrapped in the same way', async ({ fallingBack }) => {
  const { options } = await fallingBack();
  /** @type {any} */
  const Cjs = require('../../index.js');
  const openai = deepProxy(new Cjs(options));
  expect((await openai.chat.completions.create(REQUEST)).choices[0].message.content).toBe(TEXT);
});
