/**
 * `npm run test:valgrind`: programs of the tests under valgrind's memcheck, which must be installed. Fails on invalid reads and writes, uses of
 * uninitialised memory and double frees, and if a program does not end as expected; prints the addon's leaks. Takes some minutes. Node.js itself is clean under these flags, so nothing is suppressed.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { startUpstream } from '../../demo/upstream.mjs';

const ERROR_CODE = 99;

/** @type {[program: string, scene: string, code: number][]} */
const RUNS = [
  ['process/programs/ends', 'streams that were left in every way', 0],
  ['process/programs/ends', 'a JavaScript client that answers', 0],
  ['process/programs/ends', 'many clients that are closed', 0],
  ['process/programs/ends', 'exit with everything under way', 3],
  ['process/programs/ends', 'a rejection of a stream that nobody handles', 1],
  ['reports/programs/exit', 'a stream that is left early', 0],
  ['custom-clients/programs/workers', 'streams', 0],
];

const FLAGS = [
  // V8 writes code that it runs.
  '--smc-check=all-non-file',
  ...['--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=none', '--num-callers=20'],
  `--error-exitcode=${ERROR_CODE}`,
];

const upstream = await startUpstream({ keepAliveMs: 60_000 });
const folder = mkdtempSync(join(tmpdir(), 'openpipe-native-'));
const log = join(folder, 'valgrind.log');
let faults = 0;

for (const [program, scene, expected] of RUNS) {
  const file = fileURLToPath(new URL(`../${program}.mjs`, import.meta.url));
  const args = [...FLAGS, `--log-file=${log}`, process.execPath, file, scene, upstream.url, upstream.url];
  const started = performance.now();
  const child = spawn('valgrind', args, { stdio: ['ignore', 'ignore', 'ignore'] });
  const [code, signal] = await once(child, 'close');
  const text = readFileSync(log, 'utf8');
  const errors = /ERROR SUMMARY: (.*) \(/.exec(text)?.[1];
  // A paragraph for each loss.
  const lost = text
    .split(/^==\d+== *$/m)
    .filter((part) => part.includes('definitely lost') && part.includes('openpipe-native'));
  const seconds = Math.round((performance.now() - started) / 1000);
  const isFault = code !== expected || signal !== null;
  if (isFault) faults += 1;
  console.log(
    `${isFault ? 'FAULT' : 'ok'} · ${scene} · exit ${signal ?? code} · ${errors} · ${lost.length} losses · ${seconds} s`,
  );
  for (const part of isFault ? [text] : lost) console.log(part.trim());
}

rmSync(folder, { recursive: true });
await upstream.close();
process.exitCode = faults === 0 ? 0 : 1;
