#!/usr/bin/env node
// `npm run bench:guard`: fails when a pure part of the core (body scan and splice, SSE decoding, signs, merge, headers)
// needs more instructions than bench/guard.json says, plus a tolerance. `npm run bench:guard -- --update` rewrites that file.
//
// Instructions are counted by valgrind (callgrind), not timed: neither the machine's speed nor its load matters. Each case runs twice,
// with different numbers of iterations; the difference is its own cost.
//
// The counts depend on the compiler (its version is in guard.json, and another one is reported), on the processor's architecture (on
// another one it fails with a message), and a little on valgrind's vector instructions and the C library. The tolerance is for these,
// and for changes too small to matter. A case that needs far less is reported too: update the file then, to keep the gain.
//
// Needs valgrind (Debian, Ubuntu: `apt-get install valgrind`; Fedora: `dnf install valgrind`) and a Rust toolchain.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const TOLERANCE = 0.05;
const FEW = 2;
const MORE = 12;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const file = join(root, 'bench/guard.json');

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/** The compiler for which the counts are valid. */
function toolchain() {
  const said = execFileSync('rustc', ['-vV'], { cwd: root, encoding: 'utf8' });
  const of = (/** @type {string} */ name) => new RegExp(`^${name}: (.*)$`, 'm').exec(said)?.[1] ?? 'unknown';
  return { rustc: of('release'), host: of('host') };
}

/** Builds the bench `guard` with the release profile. Returns its path. */
function build() {
  const built = spawnSync(
    'cargo',
    ['bench', '--locked', '-p', 'openpipe-core', '--bench', 'guard', '--no-run', '--message-format=json'],
    { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 * 1024 * 1024 },
  );
  if (built.status !== 0) fail('cargo could not build the bench `guard` of crates/core (see above)');
  const messages = built.stdout.split('\n').filter((line) => line.startsWith('{'));
  const artifact = messages
    .map((line) => JSON.parse(line))
    .find((message) => message.target?.name === 'guard' && message.executable);
  return artifact?.executable ?? fail('cargo told of no executable of the bench `guard`');
}

/** @param {string} binary @param {string} name @param {number} times */
function instructions(binary, name, times) {
  const run = spawnSync(
    'valgrind',
    ['--tool=callgrind', '--callgrind-out-file=/dev/null', binary, name, String(times)],
    { encoding: 'utf8', env: { PATH: process.env.PATH } },
  );
  const collected = /Collected : (\d+)/.exec(run.stderr)?.[1];
  if (run.status !== 0 || !collected) fail(`valgrind failed for "${name}":\n${run.stderr}`);
  return Number(collected);
}

/** @param {number} count */
const grouped = (count) => count.toLocaleString('en-US').padStart(14);

const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } });
if (spawnSync('valgrind', ['--version']).status !== 0) {
  fail(
    'bench:guard counts instructions with valgrind, which is not installed (Debian, Ubuntu: `apt-get install valgrind`; Fedora: `dnf install valgrind`).',
  );
}
const here = toolchain();
const kept = values.update ? undefined : JSON.parse(readFileSync(file, 'utf8'));
if (kept && kept.host !== here.host) {
  fail(`bench/guard.json was counted on ${kept.host}, this is ${here.host}: these counts cannot be compared.`);
}
if (kept && kept.rustc !== here.rustc) {
  console.warn(
    `bench/guard.json was counted with rustc ${kept.rustc}, this is ${here.rustc}: a difference may be the compiler's. ` +
      'If so, rewrite it (`npm run bench:guard -- --update`) in a commit of its own.\n',
  );
}

const binary = build();
const names = execFileSync(binary, { encoding: 'utf8' }).trim().split('\n');
/** @type {Record<string, number>} */
const counts = {};
let worse = 0;
let better = 0;
for (const name of names) {
  const count = Math.round((instructions(binary, name, MORE) - instructions(binary, name, FEW)) / (MORE - FEW));
  counts[name] = count;
  const before = kept?.instructions[name];
  const change = before === undefined ? undefined : count / before - 1;
  const verdict =
    change === undefined ? (kept ? 'NEW' : '') : change > TOLERANCE ? 'WORSE' : change < -TOLERANCE ? 'better' : 'ok';
  worse += Number(verdict === 'WORSE' || verdict === 'NEW');
  better += Number(verdict === 'better');
  const percent = change === undefined ? '' : `${change >= 0 ? '+' : ''}${(change * 100).toFixed(1)} %`;
  console.log(`${grouped(count)}  ${percent.padStart(9)}  ${verdict.padEnd(6)}  ${name}`);
}
if (values.update) {
  writeFileSync(file, `${JSON.stringify({ ...here, instructions: counts }, null, 2)}\n`);
  console.log(`\nwrote ${file}`);
} else {
  const gone = Object.keys(kept.instructions).filter((name) => !(name in counts));
  if (gone.length > 0) fail(`\nbench/guard.json has cases that are gone: ${gone.join('; ')}`);
  if (worse > 0) {
    fail(`\n${worse} of ${names.length} cases need more than ${TOLERANCE * 100} % more instructions, or are new.`);
  }
  if (better > 0) console.log('\nFewer instructions than before: `npm run bench:guard -- --update` keeps the gain.');
}
