/** The tarball of the main package: its files, and the verdict of tools that check packages. */

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { packMain } from '../../release/pack.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'openpipe-native-tarball-'));
/** @type {ReturnType<typeof packMain>} */
let packed;
/** @type {string} */
let tarball;
beforeAll(() => {
  packed = packMain(folder);
  tarball = join(folder, packed.filename);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('has the needed files and no others', () => {
  const lib = readdirSync(new URL('../../lib', import.meta.url), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
  const entries = ['index', 'client', 'fetch', 'testing'].flatMap((entry) =>
    ['js', 'mjs', 'd.ts', 'd.mts'].map((end) => `${entry}.${end}`),
  );
  const others = [
    'types.d.ts',
    'client-types.d.ts',
    'fetch-types.d.ts',
    'testing-types.d.ts',
    'unsupported.js',
    'unsupported.mjs',
    'binding.js',
    'binding.d.ts',
    'package.json',
    'README.md',
    'LICENSE',
  ];
  expect(packed.files.map(({ path }) => path).sort()).toEqual([...entries, ...others, ...lib].sort());
});

test('publint reports nothing, not even a suggestion', async () => {
  const ran = await run(bin('publint'), ['run', tarball, '--strict', '--level', 'suggestion']);
  expect(ran).toMatchObject({ code: 0 });
  expect(ran.output).toContain('All good!');
}, 60_000);

// No profile and no rule is left out: node10, node16 from both sides, and bundlers, for every entry.
test('attw finds the types of every entry in every way of resolving modules', async () => {
  const ran = await run(bin('@arethetypeswrong/cli', 'attw'), [tarball, '--format', 'ascii', '--no-color']);
  expect(ran).toMatchObject({ code: 0 });
  expect(ran.output).toContain('No problems found');
  for (const entry of ['', '/openai', '/client', '/fetch', '/testing'])
    expect(ran.output).toContain(`"openpipe-native${entry}"`);
}, 60_000);

/** @param {string} name @param {string} [command] */
function bin(name, command = name) {
  const folder = fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

/**
 * @param {string} program
 * @param {string[]} args
 * @returns {Promise<{ code: unknown, output: string }>}
 */
function run(program, args) {
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, output: stdout + stderr });
    });
  });
}
