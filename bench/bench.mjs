/**
 * `npm run bench`: this package and its peers at the same work, in one run. `-- --quick` takes a tenth of the time.
 *
 * Each peer does each situation in a fresh process, in turn, over several rounds; what is told are medians. Absolute figures
 * are this machine's; the ratios within one run are what counts. Writes bench/results.json.
 */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const QUICK = process.argv.includes('--quick');
const ROUNDS = QUICK ? 1 : 3;
const SECONDS = QUICK ? 0.5 : 2;
const path = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

const ALL = ['openpipe-native', 'floor', 'openai 7', 'openpipe 1.0.0', 'undici', 'fetch'];
const STREAMING = ALL.filter((peer) => peer !== 'floor');
/** @type {[situation: string, peers: string[], stream?: string][]} */
const SITUATIONS = [
  ['completions, 32 at a time', ALL],
  ['completions, one at a time', ALL],
  ['streams at full speed, 16 at a time', STREAMING, 'stream-200-0'],
  ['streams, 300 at a time, an event each 20 ms', STREAMING, QUICK ? 'stream-50-20' : 'stream-200-20'],
  ['primary answers 500', ['openpipe-native', 'openpipe 1.0.0', 'undici']],
  ['primary is silent', ['openpipe-native', 'openpipe 1.0.0']],
  ['primary is silent, JavaScript is busy', ['openpipe-native', 'openpipe 1.0.0']],
  ['1000 open streams', ['openpipe-native', 'openai 7']],
];

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

async function startUpstream() {
  const child = spawn(path('../target/release/bench-upstream'), { stdio: ['pipe', 'pipe', 'inherit'] });
  const [url] = await once(createInterface({ input: child.stdout }), 'line');
  return { url, stop: () => child.stdin.end() };
}

/** @param {string} peer @param {string} url @param {string} situation @param {string | undefined} stream */
function measure(peer, url, situation, stream) {
  const env = { ...process.env, ...(stream ? { BENCH_STREAM: stream } : {}), OPENPIPE_API_KEY: '', OPENAI_LOG: 'off' };
  const args = [path('peer.mjs'), peer, url, situation, String(SECONDS)];
  const out = execFileSync(process.execPath, args, {
    env,
    encoding: 'utf8',
    timeout: 120_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return /** @type {Record<string, number>} */ (JSON.parse(out.trim().split('\n').at(-1) ?? '{}'));
}

/** @param {string} module */
function importTime(module) {
  const code = `const t = performance.now(); await import(${JSON.stringify(module)}); console.log(performance.now() - t)`;
  const times = Array.from({ length: 5 }, () =>
    Number(execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: path('..'), encoding: 'utf8' })),
  );
  return median(times);
}

/** @param {number} value */
const shown = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));

/** @param {string} situation @param {Map<string, Record<string, number>>} results */
function table(situation, results) {
  const columns = [...new Set([...results.values()].flatMap(Object.keys))].filter((column) => column !== 'kept');
  const rows = [...results].map(([peer, result]) => [peer, ...columns.map((column) => shown(result[column] ?? NaN))]);
  const widths = [situation, ...columns].map((head, index) =>
    Math.max(index === 0 ? 16 : head.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const line = (/** @type {string[]} */ cells) =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ');
  return [`\n${situation}`, line(['', ...columns]), ...rows.map(line)].join('\n');
}

const upstream = await startUpstream();
/** @type {Record<string, Record<string, Record<string, number>>>} */
const all = {};
for (const [situation, peers, stream] of SITUATIONS) {
  /** @type {Map<string, Record<string, number>[]>} */
  const rounds = new Map(peers.map((peer) => [peer, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const peer of peers) {
      process.stderr.write(`\r\x1b[K${situation}: round ${round + 1} of ${ROUNDS}, ${peer}`);
      rounds.get(peer)?.push(measure(peer, upstream.url, situation, stream));
    }
  }
  process.stderr.write('\r\x1b[K');
  const medians = new Map(
    [...rounds].map(([peer, results]) => {
      const columns = Object.keys(results[0] ?? {});
      return [
        peer,
        Object.fromEntries(columns.map((column) => [column, median(results.map((result) => result[column] ?? NaN))])),
      ];
    }),
  );
  console.log(table(situation, medians));
  all[situation] = Object.fromEntries(medians);
}
upstream.stop();

const addon = readdirSync(path('..')).find((name) => name.endsWith('.node'));
const rest = {
  'import openai, ms': importTime('openai'),
  'import openpipe-native, ms': importTime('openpipe-native'),
  'addon, MB': addon ? statSync(path(`../${addon}`)).size / 1e6 : NaN,
};
console.log(table('the rest', new Map([['', rest]])));
const machine = `${cpus()[0]?.model}, ${cpus().length} cores, Node.js ${process.version}`;
console.log(`\n${machine}`);
writeFileSync(path('results.json'), `${JSON.stringify({ machine, rounds: ROUNDS, results: all, rest }, null, 2)}\n`);
