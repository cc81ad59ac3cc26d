/** Type-checks the code in documents and in `examples/`, as a user's project would. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The path of TypeScript 7's `tsc`, which takes a fifth of the time of earlier versions. */
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
 * The compiler's errors, each with its line, by the file's name or path.
 *
 * @param {Record<string, string>} texts Files that are not on the disk: their names, and what is in them.
 * @param {string[]} [files] Files that are: their paths from the root.
 * @returns {Map<string, string[]>}
 */
export function typeErrors(texts, files = []) {
  // Within the root, so that imports are resolved as for a user.
  const folder = mkdtempSync(join(root, '.type-errors-'));
  try {
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
    const paths = [...Object.keys(texts), ...files.map((file) => join(root, file))];
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: paths }));
    const found = new Map([...Object.keys(texts), ...files].map((name) => [name, /** @type {string[]} */ ([])]));
    const args = [TSC, '-p', folder, '--pretty', 'false'];
    const { stdout, status, error } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    if (error) throw error;
    // The first line of an error has its position; the lines with details are indented.
    for (const [, path = '', at, message] of stdout.matchAll(/^(\S+)\((\d+),\d+\): error (.*(?:\n .*)*)/gm)) {
      const name = path.startsWith(`${basename(folder)}/`) ? basename(path) : path;
      found.set(name, [...(found.get(name) ?? []), `line ${at}: ${message}`]);
    }
    // An error without a position: of an option, or of the compiler itself.
    if (status !== 0 && [...found.values()].every((errors) => errors.length === 0)) throw new Error(stdout);
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
