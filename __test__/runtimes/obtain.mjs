/** Runtimes as npm packages, which are kept from one run to the next. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @import { Command } from './cases.mjs' */

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/runtimes', import.meta.url));
export const EXE = process.platform === 'win32' ? '.exe' : '';

/**
 * @typedef {object} Runtime
 * @property {string} name The package, and the version.
 * @property {string} binary In the folder of the package's installation.
 * @property {string[]} flags
 * @property {Record<string, string>} fails By case: why it cannot work. It is a failure of the run when it does.
 */

/** @param {number} major @returns {Runtime} */
export const node = (major) => ({
  name: `node@${major}`,
  binary: `node_modules/node/bin/node${EXE}`,
  flags: [],
  fails: {},
});

/**
 * Installs a runtime, unless it is there.
 * @param {Runtime} runtime
 * @returns {{ command: Command, version: string }}
 */
export function obtain({ name, binary, flags }) {
  const folder = join(CACHE, name.replace('@', '-'));
  const executable = join(folder, binary);
  if (!existsSync(executable)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    // Their install scripts put the binary of this platform in its place.
    const args = ['install', '--no-audit', '--no-fund', '--no-save', '--ignore-scripts=false', name];
    execFileSync('npm', args, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' });
  }
  const version = execFileSync(executable, ['--version'], { encoding: 'utf8' });
  return { command: [executable, ...flags], version: version.split('\n')[0]?.replace(/^v/, '').trim() ?? '' };
}
