/** The reader of a stream, by itself (lib/call/stream.js). */

import { createRequire } from 'node:module';

import { expect, test } from 'vitest';

const { EventReader, ReaderRef } = createRequire(import.meta.url)('../../lib/call/stream.js');

/** A reader of a custom client's stream with these chunks. */
const newReader = () => new EventReader(-1, new ReaderRef(), false, new AbortController(), () => {});

test('a reader that is always behind gets every event in order, and events that it has read are not kept', async () => {
  const reader = newReader();
  const read = [];
  reader.push(
    Array.from({ length: 100 }, (_, index) => index),
    100,
  );
  for (let next = 100; next < 10_000; next += 10) {
    reader.push(
      Array.from({ length: 10 }, (_, index) => next + index),
      10,
    );
    for (let turn = 0; turn < 10; turn += 1) read.push((await reader.next()).value);
    expect(reader.events.length).toBeLessThan(400);
  }
  expect(read).toEqual(Array.from({ length: 9_900 }, (_, index) => index));
});
