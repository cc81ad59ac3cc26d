/** What is kept of failures for the retries of SDKs, and for how long. */

import { createRequire } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { createFetch } from 'openpipe-native/fetch';
import { expect, vi } from 'vitest';

import { byModel, chat } from '../support/fetching.mjs';
import { test } from '../support/upstreams.mjs';

const { Repeats } = createRequire(import.meta.url)('../../lib/fetch/repeats.js');

setFlagsFromString('--expose-gc');
/** @type {() => void} */
const collect = runInNewContext('gc');

/** Waits until an object has been collected, for less time than a failure is kept. @param {WeakRef<object>} reference */
const isCollected = (reference) =>
  vi.waitFor(
    () => {
      collect();
      // The error of a comparison with the object itself would hold it.
      expect(reference.deref() === undefined).toBe(true);
    },
    { timeout: 1500, interval: 20 },
  );

test('a failure that was kept while the timer of another ran is forgotten too', async () => {
  const repeats = new Repeats(50);
  const keep = (/** @type {string} */ key) => {
    const settled = { settle: () => {}, size: 1 };
    repeats.keep(key, settled);
    return new WeakRef(settled.settle);
  };
  keep('first');
  await new Promise((resolve) => setTimeout(resolve, 30));
  const second = keep('second');
  expect(repeats.find('second')).toBeDefined();
  await isCollected(second);
});

test('a failure is not found when its time is up, also where the event loop was blocked', () => {
  const repeats = new Repeats(20);
  repeats.keep('key', { settle: () => {}, size: 1 });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
  expect(repeats.find('key')).toBeUndefined();
});

for (const [what, count, size] of /** @type {[string, number, number][]} */ ([
  ['failures', 65, 1],
  ['characters', 3, 2 ** 21],
])) {
  test(`the oldest failure goes where there are too many ${what}`, () => {
    const repeats = new Repeats();
    for (let number = 0; number < count; number += 1) repeats.keep(String(number), { settle: () => {}, size });
    expect(repeats.find('0')).toBeUndefined();
    expect(repeats.find('1')).toBeDefined();
  });
}

test('a failure that is kept for a retry does not keep the body of its request', async ({ serve }) => {
  const [url, init] = chat(await serve(byModel), { model: 'status-500' });
  const fetch = createFetch({ maxRetries: 0 });
  const send = async () => {
    const body = new TextEncoder().encode(init.body);
    const response = await fetch(url, { ...init, body });
    expect(response.status).toBe(500);
    return new WeakRef(body);
  };
  await isCollected(await send());
});
