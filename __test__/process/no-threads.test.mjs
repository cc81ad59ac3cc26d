/** A process that can have no further thread (RLIMIT_NPROC): a failure of a target, and the next one answers (contract.md, section 1). */

import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect } from 'vitest';

import { test } from '../support/upstreams.mjs';

const PROGRAM = fileURLToPath(new URL('./programs/no-threads.mjs', import.meta.url));
/** Nobody else has it, so that only this process's threads count. */
const USER = '54321';
/** The limit does not hold for root, so that the process has to be another's; only root can make it that. */
const isPossible =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  spawnSync('setpriv', ['--reuid', USER, '--clear-groups', 'prlimit', '--nproc=20', process.execPath, PROGRAM], {
    timeout: 20_000,
    killSignal: 'SIGKILL',
  }).stdout?.toString().startsWith('up'); // prettier-ignore

/** @param {number} threads @param {string} url @returns {Promise<{ error: any, stdout: string, stderr: string }>} */
function limited(threads, url) {
  const command = ['--reuid', USER, '--clear-groups', 'prlimit', `--nproc=${threads}`, process.execPath, PROGRAM, url];
  return new Promise((resolve) => {
    // At too low a limit Node.js does not even end: what has not said that it is up by then never will.
    execFile('setpriv', command, { timeout: 30_000, killSignal: 'SIGKILL' }, (error, stdout, stderr) =>
      resolve({ error, stdout, stderr }),
    );
  });
}

test.skipIf(!isPossible)('every call is answered or refused, and a fallback that needs no thread answers', async ({ serve }) => {
  const { url } = await serve();
  let seen = 0;
  for (const threads of [9, 10, 11, 12, 13]) {
    const { error, stdout, stderr } = await limited(threads, url);
    if (!stdout.startsWith('up')) continue;
    seen += 1;
    expect({ code: error?.code ?? 0, signal: error?.signal ?? null }, stderr).toEqual({ code: 0, signal: null });
      const { fallback, byName, alone, stream } = JSON.parse(stdout.split('\n')[1] ?? '');
    for (const text of [fallback, byName]) expect(text).not.toMatch(/Error$/);
    // Without a fallback they may fail, but they end.
    for (const text of [alone, stream]) expect(text).toEqual(expect.any(String));
  }
  expect(seen).toBeGreaterThan(0);
}); // prettier-ignore
