/** Makes RESULTS.md, the charts and the figures in the README from results.json: `node bench/report.mjs`. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

import * as prettier from 'prettier';

import { drawCharts } from './charts.mjs';
import { median } from './median.mjs';
import { OURS } from './situations.mjs';

/**
 * The values of each round, by situation, peer and metric.
 * @typedef {Record<string, Record<string, Record<string, number[]>>>} Results
 * @typedef {{ machine: string, isQuick: boolean, results: Results, rest: Record<string, number> }} Run
 */

const path = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
export const resultsFile = path('results.json');

/** @returns {Run} */
export function readResults() {
  return JSON.parse(readFileSync(resultsFile, 'utf8'));
}

/** @param {number} value */
export function shown(value) {
  if (!Number.isFinite(value)) return '';
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

/** How many times ours a peer's figure is, round by round: the median and the range. @param {number[]} theirs @param {number[]} ours */
export function ratio(theirs, ours) {
  const ratios = theirs.map((value, round) => value / (ours[round] ?? NaN));
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}

/** @param {Record<string, Record<string, number[]>>} peers Of one situation. */
function metricsOf(peers) {
  return [...new Set(Object.values(peers).flatMap(Object.keys))];
}

/** For a terminal. @param {Record<string, Record<string, number[]>>} peers */
export function table(peers) {
  const metrics = metricsOf(peers);
  const rows = Object.entries(peers).map(([peer, of]) => [
    peer,
    ...metrics.map((metric) => shown(median(of[metric] ?? []))),
  ]);
  const widths = ['', ...metrics].map((head, index) =>
    Math.max(head.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const line = (/** @type {string[]} */ cells) =>
    cells.map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)));
  return [['', ...metrics], ...rows].map((cells) => line(cells).join('  ')).join('\n');
}

/** For a page: medians, and behind a peer's how many times ours it is, with the range over the rounds. @param {Record<string, Record<string, number[]>>} peers */
function markdownTable(peers) {
  const metrics = metricsOf(peers);
  const cell = (/** @type {string} */ peer, /** @type {string} */ metric) => {
    const own = peers[peer]?.[metric];
    const ours = peers[OURS]?.[metric];
    if (!own || own.some((value) => value === null)) return '';
    if (peer === OURS || !ours) return `**${shown(median(own))}**`;
    const { median: times, low, high } = ratio(own, ours);
    const range = own.length > 1 ? ` (${shown(low)} to ${shown(high)})` : '';
    return `${shown(median(own))}<br>× ${shown(times)}${range}`;
  };
  const rows = Object.keys(peers).map((peer) => [peer, ...metrics.map((metric) => cell(peer, metric))]);
  const all = [['', ...metrics], ['---', ...metrics.map(() => '--:')], ...rows];
  return all.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** @param {Run} run */
function command(run) {
  return `npm run bench${run.isQuick ? ' -- --quick' : ''}`;
}

/** @param {Run} run */
function resultsPage(run) {
  const parts = Object.entries(run.results).map(([name, peers]) => `## ${name}\n\n${markdownTable(peers)}`);
  const rest = Object.entries(run.rest).map(([name, value]) => `- ${name}: ${value.toFixed(1)}`);
  return `# Results

Made by \`${command(run)}\` on ${run.machine}. Medians over the rounds; behind each peer's figure how many times ours it is,
and the range of that over the rounds. Made of [results.json](results.json) by \`node bench/report.mjs\`.

\`loop\` is the time that the JavaScript thread was busy, \`cpu\` the time of all threads. \`floor\` is a direct call
of the addon, without the SDK's class, types and helpers around it: the least that a call can cost here. \`undici\` and \`fetch\` are calls written by hand.

![Time of the JavaScript thread for each completion](charts/loop.svg)
![Events a second at full speed](charts/events.svg)
![Requests a second as calls at a time grow](charts/growth-completions.svg)
![Memory as open streams grow](charts/growth-streams.svg)

${parts.join('\n\n')}

## The rest

${rest.join('\n')}
`;
}

/** The README's figures. @param {Run} run */
function figures(run) {
  const { results, rest } = run;
  const value = (/** @type {string} */ situation, /** @type {string} */ peer, /** @type {string} */ metric) =>
    shown(median(results[situation]?.[peer]?.[metric] ?? []));
  const unit = (/** @type {string} */ text, /** @type {string} */ unit) => (text === '' ? '' : `${text} ${unit}`);
  const C = 'completions of 1 KB, 32 at a time';
  const S = 'streams, 300 at a time, an event each 20 ms';
  const F = 'streams at full speed, 16 at a time';
  const names = {
    [OURS]: '`openpipe-native`',
    'openai 7': '`openai` 7',
    'openpipe 1.0.0': '`openpipe` 1.0.0',
    'ai sdk 6': '`ai` 6 (AI SDK)',
    undici: '`undici.request` by hand',
    fetch: '`fetch` by hand',
    floor: 'a direct call of the addon',
  };
  const rows = Object.entries(names).map(
    ([peer, name]) =>
      `| ${name} | ${value(C, peer, 'requests/s')} | ${unit(value(C, peer, 'loop µs'), 'µs')} | ${unit(value(S, peer, 'loop µs/event'), 'µs')} | ${value(F, peer, 'events/s')} |`,
  );
  /** Situations with the time of the JavaScript thread, and the ratio of `openai` 7 to this package. */
  const loads = Object.entries(results).flatMap(([situation, peers]) => {
    const metric = ['loop µs', 'loop µs/event'].find((name) => peers[OURS]?.[name] && peers['openai 7']?.[name]);
    if (!metric || situation.startsWith('growth')) return [];
    const { median: times, low, high } = ratio(peers['openai 7']?.[metric] ?? [], peers[OURS]?.[metric] ?? []);
    return [`| ${situation} | × ${shown(times)} (${shown(low)} to ${shown(high)}) |`];
  });
  const late = (/** @type {string} */ situation, /** @type {string} */ peer) =>
    `${value(situation, peer, 'late ms, p50')} ms, at most ${value(situation, peer, 'late ms, p95')} ms at p95`;
  const silent = 'primary is silent';
  const busy = 'primary is silent, JavaScript is busy';
  const memory = (/** @type {string} */ peer) => value('1000 open streams', peer, 'MB for 1000 streams');
  return `Medians of \`${command(run)}\` (${run.machine}), the clients of each load measured in turns. Absolute figures move from machine to machine; the ratios within
a run are what counts. [More of them](bench/RESULTS.md), and [where they come from](docs/performance.md).

![Time of the JavaScript thread for each completion](bench/charts/loop.svg)

| | requests/s | JavaScript thread per request | per event of a paced stream | events/s at full speed |
| --- | --: | --: | --: | --: |
${rows.join('\n')}

| | \`openpipe-native\` | \`openpipe\` 1.0.0 |
| --- | --- | --- |
| the primary answers 500: time to the fallback's answer | ${value('primary answers 500', OURS, 'p50 ms')} ms (two bare round trips: ${value('primary answers 500', 'undici', 'p50 ms')} ms) | ${value('primary answers 500', 'openpipe 1.0.0', 'p50 ms')} ms |
| the primary is silent: the fallback's request is late by | ${late(silent, OURS)} | ${late(silent, 'openpipe 1.0.0')} |
| the same, while JavaScript is busy for 0.9 s | ${late(busy, OURS)} | ${late(busy, 'openpipe 1.0.0')} |

How many times the JavaScript time of this package \`openai\` 7 takes, by load: a completion, or an event of a stream. Small loads and paced streams
gain least, many calls at a time most.

| load | \`openai\` 7 |
| --- | --- |
${loads.join('\n')}

1,000 open streams take ${memory(OURS)} MB, with \`openai\` 7 ${memory('openai 7')} MB. \`import\` takes
${((rest['import openpipe-native, ms'] ?? NaN) - (rest['import openai, ms'] ?? NaN)).toFixed(0)} ms more than that of \`openai\`. The addon is ${(rest['addon, MB'] ?? NaN).toFixed(1)} MB.`;
}

/** Writes a page as the formatter would have it. @param {string} file @param {string} text */
async function write(file, text) {
  const options = await prettier.resolveConfig(file);
  writeFileSync(file, await prettier.format(text, { ...options, filepath: file }));
}

export async function report() {
  const run = readResults();
  mkdirSync(path('charts'), { recursive: true });
  for (const [name, svg] of Object.entries(drawCharts(run.results))) writeFileSync(path(`charts/${name}.svg`), svg);
  await write(path('RESULTS.md'), resultsPage(run));
  const readme = path('../README.md');
  const text = readFileSync(readme, 'utf8');
  const [start, end] = ['<!-- figures: made by bench/report.mjs -->', '<!-- end of figures -->'];
  const [before, rest] = text.split(start);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`README.md has no "${start}" … "${end}"`);
  await write(readme, `${before}${start}\n\n${figures(run)}\n\n${end}${after}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await report();
