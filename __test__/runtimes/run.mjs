/**
 * The smoke suite on every runtime, with the packed packages as a user installs them. It needs a registry, for the
 * runtimes, and the built addon. Exits 1 when a case fails that should not, and when one works that should not.
 *
 * Run: npm run test:runtimes [-- node@24 bun …]
 */

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { packAll } from '../../release/pack.mjs';
import { Installation } from '../support/installation.mjs';
import { CASES, runCase } from './cases.mjs';
import { EXE, node, obtain } from './obtain.mjs';

/** @import { Runtime } from './obtain.mjs' */

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
  // Copied, as a user has them: not every runtime finds a linked package's own imports in the same way.
  await installation.install([...files, 'openai', 'zod'], ['--install-links']);
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
