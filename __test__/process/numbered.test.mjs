/** What is kept by numbers that are given out in a row (lib/native/numbered.js). */

import { createRequire } from 'node:module';

import { expect, test } from 'vitest';

const { Numbered } = createRequire(import.meta.url)('../../lib/native/numbered.js');

test('each value is found by its number, until it is deleted', () => {
  const things = new Numbered();
  const numbers = Array.from({ length: 2_000 }, (_, index) => index);
  for (const number of numbers) things.set(number, `thing ${number}`);
  for (const number of numbers) if (number % 3 > 0) things.delete(number);

  const expected = numbers.map((number) => (number % 3 > 0 ? undefined : `thing ${number}`));
  expect(numbers.map((number) => things.get(number))).toEqual(expected);
});

test('numbers may have any value and order', () => {
  const things = new Numbered();
  for (const number of [4_294_967_295, 0, 256, 255, 4_294_967_294, 70_000]) {
    things.set(number, number);
    expect(things.get(number)).toBe(number);
    things.delete(number);
    expect(things.get(number)).toBeUndefined();
  }
});

test('deleting a missing number changes nothing', () => {
  const things = new Numbered();
  things.set(5, 'five');
  things.delete(6);
  things.delete(600);
  things.delete(5);
  things.delete(5);
  things.set(7, 'seven');
  things.set(300, 'on another page');
  expect([5, 6, 7, 300, 600].map((number) => things.get(number))).toEqual([
    undefined, undefined, 'seven', 'on another page', undefined,
  ]); // prettier-ignore
});

test('the last value of a page is still found', () => {
  const things = new Numbered();
  things.set(0, 'stays');
  for (let number = 1; number < 1_000; number += 1) {
    things.set(number, number);
    things.delete(number);
  }
  expect(things.get(0)).toBe('stays');
});
