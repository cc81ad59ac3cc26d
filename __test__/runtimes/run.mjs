/**
 * The smoke suite on every runtime, with the packed packages as a user installs them. It needs a registry, for the
 * runtimes, and the built addon. Exits 1 when a case fails that should not, and when one works that should not.
 *
 * Run: npm run test:runtimes [-- node@24 bun …]
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { packAll } from '../../release/pack.mjs';
import { Installation } from '../support/installation.mjs';
import { CASES, runCase } from './cases.mjs';

/** @import { Command } from './cases.mjs' */

/** As npm packages, which are kept from one run to the next. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/runtimes', import.meta.url));
const EXE = process.platform === 'win32' ? '.exe' : '';

/**
 * @typedef {object} Runtime
 * @property {string} name The package, and the version.
 * @property {string} binary In the folder of the package's installation.
 * @property {string[]} flags
 * @property {Record<string, string>} fails By case: why it cannot work. It is a failure of the run when it does.
 */

/** @param {number} major @returns {Runtime} */
const node = (major) => ({ name: `node@${major}`, binary: `node_modules/node/bin/node${EXE}`, flags: [], fails: {} });

/** @type {Runtime[]} */
const RUNTIMES = [
  node(20),
  node(22),
  node(24),
  node(26),
  { name: 'bun@1', binary: `node_modules/bun/bin/bun.exe`, flags: ['run'], fails: {} },
  {
    name: 'deno@2',
    binary: `node_modules/deno/deno${EXE}`,
    flags: ['run', '--quiet', '--allow-all', '--node-modules-dir=manual'],
    fails: {},
  },
];

/**
 * Installs a runtime, unless it is there.
 * @param {Runtime} runtime
 * @returns {{ command: Command, version: string }}
 */
function obtain({ name, binary, flags }) {
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

/**
 * @param {Runtime} runtime
 * @param {string} program
 */
async function runAll(runtime, program) {
  const { command, version } = obtain(runtime);
  /** @type {{ name: string, mark: string, bad: boolean, why?: string | undefined }[]} */
  const results = [];
  for (const name of CASES) {
    const why = await runCase(command, program, name);
    const known = runtime.fails[name];
    const bad = (why === undefined) !== (known === undefined);
    const mark = why === undefined ? (known ? 'WORKS' : 'ok') : known ? 'known' : 'FAILED';
    console.error(`${runtime.name} (${version}): ${name}: ${mark}${bad && why ? `\n${why}` : ''}`);
    results.push({ name, mark, bad, why });
  }
  return {
    title: `${runtime.name.split('@')[0]} ${version.replace(/^\D+/, '').split(' ')[0]}`,
    results,
    fails: runtime.fails,
  };
}

/** @param {Awaited<ReturnType<typeof runAll>>[]} columns */
function table(columns) {
  const rows = [
    ['', ...columns.map(({ title }) => title)],
    ...CASES.map((name, row) => [name, ...columns.map(({ results }) => results[row]?.mark ?? '')]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (/** @type {string[]} */ row) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

const wanted = process.argv.slice(2);
const chosen = RUNTIMES.filter(({ name }) => wanted.length === 0 || wanted.some((want) => name.startsWith(want)));
if (chosen.length === 0)
  throw new Error(`none of ${RUNTIMES.map(({ name }) => name).join(', ')} is ${wanted.join(', ')}`);

const tarballs = mkdtempSync(join(tmpdir(), 'openpipe-native-tarballs-'));
const installation = new Installation();
try {
  const { main, platforms } = await packAll(tarballs);
  const files = [main, ...platforms].map(({ filename }) => join(tarballs, filename));
  await installation.install([...files, 'openai', 'zod']);
  const program = join(installation.folder, 'smoke.mjs');
  copyFileSync(fileURLToPath(new URL('./smoke.mjs', import.meta.url)), program);

  const columns = [];
  for (const runtime of chosen) columns.push(await runAll(runtime, program));
  console.log(`\n${table(columns)}\n`);
  for (const { title, fails } of columns) {
    for (const [name, why] of Object.entries(fails)) console.log(`known: ${title}, ${name}: ${why}`);
  }
  const bad = columns.flatMap(({ title, results }) =>
    results.filter((result) => result.bad).map(({ name }) => `${title}: ${name}`),
  );
  for (const one of bad) console.log(`not as expected: ${one}`);
  process.exitCode = bad.length === 0 ? 0 : 1;
} finally {
  installation.remove();
  rmSync(tarballs, { recursive: true, force: true });
}
