/** Type-checks programs that stand in documents, or in `examples/`, as a user's project would. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The file of the `tsc` of TypeScript 7, which takes a fifth of the time of the ones before it. */
export const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript7/package.json')), 'bin/tsc');

const compilerOptions = {
  strict: true,
  noEmit: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable', 'dom', 'dom.iterable'],
  module: 'node20',
  moduleResolution: 'node16',
  types: ['node'],
};

/**
 * What the compiler says, each error with its line, by the file's name or path.
 *
 * @param {Record<string, string>} texts Files that are not on the disk: their names, and what is in them.
 * @param {string[]} [files] Files that are: their paths from the root.
 * @returns {Map<string, string[]>}
 */
export function typeErrors(texts, files = []) {
  // Within the root, so that imports lead where they lead for a user.
  const folder = mkdtempSync(join(root, '.type-errors-'));
  try {
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
    const paths = [...Object.keys(texts), ...files.map((file) => join(root, file))];
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: paths }));
    const found = new Map([...Object.keys(texts), ...files].map((name) => [name, /** @type {string[]} */ ([])]));
    const args = [TSC, '-p', folder, '--pretty', 'false'];
    const { stdout, status, error } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    if (error) throw error;
    // An error's first line names its place, and the lines that say more are indented.
    for (const [, path = '', at, message] of stdout.matchAll(/^(\S+)\((\d+),\d+\): error (.*(?:\n .*)*)/gm)) {
      const name = path.startsWith(`${basename(folder)}/`) ? basename(path) : path;
      found.set(name, [...(found.get(name) ?? []), `line ${at}: ${message}`]);
    }
    // What is not about a line of a file: an option, or the compiler itself.
    if (status !== 0 && [...found.values()].every((errors) => errors.length === 0)) throw new Error(stdout);
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
