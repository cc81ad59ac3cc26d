/** Thousands of calls at once, half of whose primaries fail (contract.md, section 3; issue 7). In processes of their own. */

import { beforeAll, describe, expect, test } from 'vitest';

import { runProgram } from '../support/programs.mjs';
import { countsDescriptors } from '../support/process.mjs';

const MIB = 1024 * 1024;
/** With the streams fewer than Linux lets wait for their handshake at one port (`tcp_max_syn_backlog`, 2,048): it resets some beyond. */
const COMPLETIONS = 1_200;
const STREAMS = 300;
/** The first two rounds create what exists once per process; a further one must leak nothing. */
const ROUNDS = 3;

describe(`${COMPLETIONS} completions and ${STREAMS} streams at once, again and again`, () => {
  /** @type {any} */
  let told;

  beforeAll(async () => {
    const run = await runProgram('load/rounds', [COMPLETIONS, STREAMS, ROUNDS].map(String), {
      flags: ['--expose-gc'],
      atMost: 240_000,
    });
    expect(run).toMatchObject({ code: 0, signal: null, stderr: '' });
    told = JSON.parse(run.stdout);
  }, 250_000);

  test('each get their own answer', () => {
    expect(told.some).toEqual([]);
    expect(told.wrong).toBe(0);
  });

  test('are each reported, where the fallback answered', () => {
    expect(told.fallbacks).toBeGreaterThan((ROUNDS * (COMPLETIONS + STREAMS)) / 2 - 1);
    expect(told.reports).toBe(told.fallbacks);
  });

  test('leave no request open at the upstream', () => {
    expect(told.open).toBe(0);
  });

  test.skipIf(!countsDescriptors)('leave no descriptor open (counted in /proc, so on Linux only)', () => {
    expect(told.descriptors).toBeLessThanOrEqual(told.before);
  });

  test('take no more memory in later rounds', () => {
    const [first, second, ...later] = told.after;
    const last = later.at(-1);
    // Of 3,000 calls. Measured: 0.03 MB.
    expect(last.heapUsed - first.heapUsed).toBeLessThan(2 * MIB);
    // What the allocator keeps settles with the second round. Of 1,500 calls; measured: 5 MB.
    expect(last.rss - second.rss).toBeLessThan(25 * MIB);
  });
});
