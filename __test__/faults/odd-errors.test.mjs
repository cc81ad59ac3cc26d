/**
 * The bodies of errors may be anything, and a caller may abort at any time: no listener, delivery or callback throws into Node.js
 * (contract.md, section 1). In a separate process, which any uncaught error ends.
 */

import { describe, expect, test } from 'vitest';

import { runProgram } from '../support/programs.mjs';

describe.concurrent('a deep or odd error body fails its call with its status, and an abort afterwards ends all calls of the signal', () => {
  test.each(['native', 'fetch'])('(%s)', { timeout: 60_000 }, async (transport) => {
    const { code, stdout, stderr } = await runProgram('faults/programs/odd-errors', [transport]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { count, wrong } = JSON.parse(stdout);
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(40);
  });
}); // prettier-ignore
