/** NODE_TLS_REJECT_UNAUTHORIZED counts as it stands when a call is made, also for clients that were made before. */

import { expect, test } from 'vitest';

import { runProgram } from '../support/programs.mjs';

/** @param {string[]} settings */
async function outcomes(...settings) {
  const { code, stdout, stderr } = await runProgram('process/programs/verification', settings);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

test('switching verification on again affects the next call, which gets a new connection', async () => {
  expect(await outcomes('0', 'unset', '0')).toEqual({ answers: ['ok', 'APIConnectionError', 'ok'], warnings: 1 });
});

test('verification is switched off for the next call of an existing client', async () => {
  expect(await outcomes('unset', '0', '1')).toEqual({
    answers: ['APIConnectionError', 'ok', 'APIConnectionError'],
    warnings: 1,
  });
});

test('any value but 0 verifies, without a warning', async () => {
  expect(await outcomes('1', 'false')).toEqual({
    answers: ['APIConnectionError', 'APIConnectionError'],
    warnings: 0,
  });
});
