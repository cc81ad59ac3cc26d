/**
 * A body that comes from a user costs what its size costs, on JavaScript's thread and on the runtime's (contract.md, section 2). CPU
 * time of the process, and only its growth: how fast the machine is, and what else it does, does not matter.
 */

import { expect } from 'vitest';

import { runProgram } from '../support/programs.mjs';
import { test } from '../support/upstreams.mjs';

/** The first run only warms up the measured code. */
const SIZES = [1_000, 6_250, 50_000];
/**
 * Eight times as large may cost so many times as much: objects of 50,000 members leave the processor's caches, and the heap grows for
 * them, which makes up to 25 times of it. What is quadratic costs 64 times as much.
 */
const AT_MOST_TIMES = 40;
/** What costs less is noise: compilation, garbage of before. */
const NOISE_MS = 10;

test('names, params, tags and targets of any number cost in proportion to it', { timeout: 120_000 }, async ({ serve }) => {
  const { url } = await serve(({ body }) =>
    body?.model === 'down' ? { kind: 'status', status: 503 } : { kind: 'answer' },
  );
  const { code, stdout, stderr } = await runProgram('calls/programs/linear', [url, ...SIZES.map(String)], {
    atMost: 110_000,
  });
  expect(code, stderr).toBe(0);
  const costs = /** @type {[string, [number, number, number]][]} */ (Object.entries(JSON.parse(stdout)));
  expect(costs.length).toBeGreaterThan(10);
  const steep = costs.filter(([, [, less, more]]) => more > AT_MOST_TIMES * Math.max(less, NOISE_MS));
  expect(steep, JSON.stringify(costs)).toEqual([]);
}); // prettier-ignore
