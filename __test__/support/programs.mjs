/** Runs a program of the tests in a process of its own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Run
 * @property {number | null} code
 * @property {NodeJS.Signals | null} signal
 * @property {string} stdout
 * @property {string} stderr
 * @property {number} exitedAt Unix time in milliseconds.
 */

/** Longer than any program takes. One that runs longer fails its test, instead of hanging it. */
const AT_MOST_MS = 50_000;

/**
 * @param {string} name The file below `__test__`, without its ending.
 * @param {string[]} args
 * @param {{ flags?: string[], env?: Record<string, string>, atMost?: number, on?: (stdout: string, child: import('node:child_process').ChildProcess) => void, started?: (child: import('node:child_process').ChildProcess) => void }} [options]
 *   `on` is called each time that the child has printed something, with all that it has printed; `started` with the child.
 * @returns {Promise<Run>}
 */
export async function runProgram(name, args, { flags = [], env = {}, atMost = AT_MOST_MS, on, started } = {}) {
  const file = fileURLToPath(new URL(`../${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [...flags, file, ...args], {
    // Settings of the test runner must not affect the child.
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: atMost,
    killSignal: 'SIGKILL',
  });
  started?.(child);
  const texts = { stdout: '', stderr: '' };
  for (const which of /** @type {const} */ (['stdout', 'stderr'])) {
    child[which].setEncoding('utf8').on('data', (text) => (texts[which] += text));
  }
  if (on) child.stdout.on('data', () => on(texts.stdout, child));
  let exitedAt = 0;
  child.once('exit', () => (exitedAt = Date.now()));
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...texts, exitedAt };
}
