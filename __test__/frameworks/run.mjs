/**
 * `createFetch` under frameworks that are too large for the devDependencies, or want a newer Node.js than the oldest that is
 * supported. Installs them into this folder, and runs the tests of fetch/sdks/cases.mjs over them with Node.js 24. It needs a
 * registry and the built addon.
 *
 * Run: npm run test:frameworks [-- -t mastra]
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { node, obtain } from '../runtimes/obtain.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

if (!existsSync(join(HERE, 'node_modules'))) {
  // Npm may itself be run by an older Node.js than some of them want.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--engine-strict=false'];
  execFileSync('npm', args, { cwd: HERE, stdio: 'inherit', shell: process.platform === 'win32' });
}
// The code of the docs imports the package by its name.
const link = join(HERE, 'node_modules', 'openpipe-native');
if (!existsSync(link)) symlinkSync(ROOT, link, 'junction');
const { command } = obtain(node(24));
const [executable = '', ...flags] = command;
const vitest = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--config', join(HERE, 'vitest.config.mjs')];
const { status } = spawnSync(executable, [...flags, ...vitest, ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
