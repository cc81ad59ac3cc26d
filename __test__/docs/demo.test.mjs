/** The demo, run like a user: its output for a situation, and its exit. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { expect, onTestFinished, test } from 'vitest';

import { root } from '../support/compiler.mjs';

/** Starting five processes takes its time where others want the cores as well. */
const AT_MOST_MS = 120_000;

/** @param {string[]} args */
async function run(...args) {
  const child = spawn(process.execPath, ['demo/demo.mjs', ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const told = { stdout: '', stderr: '' };
  for (const which of /** @type {const} */ (['stdout', 'stderr'])) {
    child[which].setEncoding('utf8').on('data', (text) => (told[which] += text));
  }
  const [code] = await once(child, 'close');
  return { code, ...told };
}

test(
  'the demo shows the code, a bar for each target, the other clients and a table',
  { timeout: AT_MOST_MS },
  async () => {
    const { code, stdout, stderr } = await run('--fast', '--only', 'status-500', '--only', 'html');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain("{ model: 'openpipe:demo', messages },");
    expect(stdout).toContain("{ openpipe: { fallback: { model: 'gpt-5.4-mini' } } },");
    expect(stdout).toMatch(/^ +openpipe:demo +▓+ .*server_error \(500\)$/m);
    expect(stdout).toMatch(/^ +gpt-5\.4-mini +█+ .*ok$/m);
    expect(stdout).toMatch(
      /^ 2 +status-500 +\d+ ms: gpt-5\.4-mini +.*InternalServerError \(500\), after 3 tries.*gpt-5\.4-mini answers/m,
    );
    expect(stdout).toMatch(/^ 8 +html +\d+ ms: gpt-5\.4-mini +.*returns it as a completion/m);
    expect(stdout).toContain('2 of 2 situations went as promised');
  },
);

test('with a blocked event loop the demo’s fallback is called in time', { timeout: AT_MOST_MS }, async () => {
  const { code, stdout } = await run('--fast', '--only', 'blocked-loop');

  expect(stdout).toMatch(/^ +event loop +╌+ +blocked$/m);
  expect(code, stdout).toBe(0);
});

test('an unknown situation gives the list of situations', { timeout: AT_MOST_MS }, async () => {
  const { code, stdout } = await run('--only', 'no-such-thing');

  expect(code).toBe(2);
  expect(stdout).toMatch(/^ +4 {2}silent$/m);
});
