/**
 * `npm run bench`: measures this package and its peers at the same work, in one run. `-- --quick` measures each once and briefly,
 * `-- --only TEXT` only the situations whose name contains that text.
 *
 * Each peer does each situation in a fresh process, in turn, over several rounds. Absolute figures depend on the machine;
 * compare the ratios within a round. Writes results.json, and RESULTS.md and the charts by report.mjs.
 */

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { median } from './median.mjs';
import { readResults, report, resultsFile, table } from './report.mjs';
import { SITUATIONS } from './situations.mjs';

const { values: options } = parseArgs({ options: { quick: { type: 'boolean' }, only: { type: 'string' } } });
const isQuick = options.quick ?? false;
const ROUNDS = isQuick ? 1 : 3;
const SECONDS = isQuick ? 0.4 : 2;
const path = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const tell = (/** @type {string} */ text) => process.stderr.write(`\r\x1b[K${text}`);

/**
 * If there are enough cores, upstream and client are pinned to different ones. On fewer cores they share them: pinning a client with
 * several threads to one core would measure something else.
 */
function pinning() {
  const count = cpus().length;
  if (count < 4 || spawnSync('taskset', ['--version']).error) return undefined;
  const first = count - Math.max(2, count >> 2);
  return { client: `0-${first - 1}`, upstream: `${first}-${count - 1}` };
}
const pinned = pinning();

/** @param {string | undefined} cores @param {string} command @param {string[]} args @returns {[string, string[]]} */
function on(cores, command, args) {
  return cores === undefined ? [command, args] : ['taskset', ['-c', cores, command, ...args]];
}

async function startUpstream() {
  const [command, args] = on(pinned?.upstream, path('../target/release/bench-upstream'), []);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [url] = await once(createInterface({ input: child.stdout }), 'line');
  return { url, stop: () => child.stdin.end() };
}

/** @param {string} peer @param {string} url @param {import('./situations.mjs').Situation} situation */
function measure(peer, url, situation) {
  const args = [path('peer.mjs'), peer, url, JSON.stringify(situation), String(SECONDS)];
  const out = execFileSync(...on(pinned?.client, process.execPath, args), {
    env: { ...process.env, OPENPIPE_API_KEY: '', OPENAI_LOG: 'off' },
    encoding: 'utf8',
    timeout: 180_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return /** @type {Record<string, number>} */ (JSON.parse(out.trim().split('\n').at(-1) ?? '{}'));
}

/** Milliseconds, in a fresh process. @param {string} module */
function importTime(module) {
  const code = `const t = performance.now(); await import(${JSON.stringify(module)}); console.log(performance.now() - t)`;
  return Number(
    execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: path('..'), encoding: 'utf8' }),
  );
}

const upstream = await startUpstream();
const chosen = SITUATIONS.filter(
  ({ name, growth }) => (options.only ? name.includes(options.only) : true) && !(isQuick && growth),
);
/** @type {import('./report.mjs').Results} */
const results = {};
for (const [number, situation] of chosen.entries()) {
  const rounds = situation.growth ? 1 : ROUNDS;
  /** @type {Record<string, Record<string, number[]>>} */
  const peers = Object.fromEntries(situation.peers.map((peer) => [peer, {}]));
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of situation.peers) {
      tell(`${number + 1} of ${chosen.length}: ${situation.name}, round ${round + 1} of ${rounds}, ${peer}`);
      for (const [metric, value] of Object.entries(measure(peer, upstream.url, situation))) {
        ((peers[peer] ??= {})[metric] ??= []).push(value);
      }
    }
  }
  tell('');
  console.log(`\n${situation.name}\n${table(peers)}`);
  results[situation.name] = peers;
}
upstream.stop();

/** @type {Record<string, number>} */
const rest = {};
const measuresRest = !options.only || options.only === 'import';
if (measuresRest) {
  const modules = { openai: 'openai', 'openpipe-native': 'openpipe-native' };
  const times = Array.from({ length: isQuick ? 5 : 31 }, () => [
    importTime(modules.openai),
    importTime(modules['openpipe-native']),
  ]);
  rest['import openai, ms'] = median(times.map(([theirs]) => theirs ?? NaN));
  rest['import openpipe-native, ms'] = median(times.map(([, ours]) => ours ?? NaN));
  const addon = readdirSync(path('..')).find((name) => name.endsWith('.node'));
  rest['addon, MB'] = addon ? statSync(path(`../${addon}`)).size / 1e6 : NaN;
  console.log('');
  for (const [name, value] of Object.entries(rest)) console.log(`${name}: ${value.toFixed(1)}`);
}
const pins = pinned ? 'the upstream on cores of its own' : 'which the upstream shares';
const machine = `${cpus()[0]?.model}, ${cpus().length} cores, ${pins}; Node.js ${process.version}`;
console.log(`\n${machine}; load ${(loadavg()[0] ?? 0).toFixed(1)} at the end`);
// A run of some situations updates only their results.
const before = options.only ? readResults() : undefined;
const all = {
  machine,
  isQuick,
  results: { ...before?.results, ...results },
  rest: measuresRest ? rest : (before?.rest ?? {}),
};
writeFileSync(resultsFile, `${JSON.stringify(all, null, 1)}\n`);
report();
