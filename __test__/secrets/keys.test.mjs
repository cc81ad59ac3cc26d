/** A search that finds nothing would let every other test of this folder pass. */

import { inspect } from 'node:util';

import { describe, expect, test } from 'vitest';

import { everyPrint, KEYS, keysIn } from './keys.mjs';

/** @import { KeyName } from './keys.mjs' */

describe('a key is found', () => {
  for (const [name, key] of /** @type {[KeyName, string][]} */ (Object.entries(KEYS))) {
    test(`in every form: ${name}`, () => {
      for (const text of [
        key,
        `Bearer ${key}`,
        JSON.stringify({ key }),
        encodeURIComponent(key),
        Buffer.from(key).toString('base64'),
        Buffer.from(`someone:${key}`).toString('base64'),
        Buffer.from(`x${key}`).toString('base64url'),
        Buffer.from(key).toString('hex'),
        inspect(Buffer.from(key)),
        [...Buffer.from(key)].join(', '),
        key.slice(4),
      ]) {
        expect(keysIn(text), text).toEqual([name]);
      }
    });
  }

  for (const [where, value] of /** @type {[string, () => unknown][]} */ ([
    ['the cause of an error', () => new Error('a', { cause: new Error('b', { cause: KEYS.openai }) })],
    ['an error among others', () => new AggregateError([new Error(KEYS.openai)])],
    ['a hidden property', () => Object.defineProperty({}, 'hidden', { value: { key: KEYS.openai } })],
    ['a symbol', () => ({ [Symbol('s')]: KEYS.openai })],
    ['a getter', () => Object.defineProperty({}, 'got', { get: () => ({ deep: [KEYS.openai] }) })],
    ['headers', () => ({ headers: new Headers({ authorization: `Bearer ${KEYS.openai}` }) })],
    ['a map', () => new Map([['key', { value: KEYS.openai }]])],
  ])) {
    test(`in ${where}`, () => expect(keysIn(everyPrint(value()))).toEqual(['openai']));
  }

  test('nowhere in a text without one', () => {
    expect(keysIn(everyPrint(new Error('Incorrect API key provided: sk-***aa41')))).toEqual([]);
  });
});
