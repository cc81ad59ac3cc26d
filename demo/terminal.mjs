/** Prints headings, code, bars and tables. */

import { spanOf } from './rows.mjs';

/** @import { Row } from "./rows.mjs" */

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 };

/** @typedef {keyof typeof STYLES} Style */

const INDENT = '     ';
const LABEL_WIDTH = 15;
const BAR_WIDTH = 40;

/** Each kind of bar has its own character, for terminals without colours. @type {Record<Row["look"], { style: Style, ink: string }>} */
const LOOKS = {
  good: { style: 'green', ink: '█' },
  bad: { style: 'red', ink: '▓' },
  loop: { style: 'yellow', ink: '╌' },
  'peer good': { style: 'blue', ink: '▒' },
  'peer bad': { style: 'dim', ink: '░' },
};

const coloured = Boolean(process.stdout.isTTY) && !process.env['NO_COLOR'];

/** @param {string} text */
export function say(text) {
  process.stdout.write(`${text}\n`);
}

/** @param {number} number @param {string} title @param {string} promise @param {string[]} code */
export function printHeading(number, title, promise, code) {
  say(`\n${style('bold', `${String(number).padStart(2)}.  ${title}`)}`);
  say(`${INDENT}${style('dim', `Promised: ${promise}`)}\n`);
  for (const line of code) say(`${INDENT}${style('cyan', line)}`);
  say('');
}

/** @param {Row[][]} groups The rows of this package, then those of the others, all on one scale. */
export function printBars(groups) {
  const span = spanOf(groups.flat());
  for (const rows of groups) for (const row of rows) say(`${INDENT}${bar(row, span)}`);
}

/** @param {Row} row @param {number} span */
function bar({ label, look, from, to, firstToken, words }, span) {
  const { style: colour, ink } = LOOKS[look];
  const cell = (/** @type {number} */ ms) => Math.min(BAR_WIDTH, Math.round((ms / span) * BAR_WIDTH));
  const start = Math.min(cell(from), BAR_WIDTH - 1);
  const goesOn = to > span;
  const end = Math.max(cell(to), start + 1);
  const cells = [...ink.repeat(end - start)];
  if (goesOn) cells[cells.length - 1] = '▶';
  const token = firstToken === undefined ? -1 : cell(firstToken) - start;
  if (cells.length > 2 && token > 0 && token < cells.length) cells[token] = '▏';
  const drawn = `${' '.repeat(start)}${style(colour, cells.join(''))}${' '.repeat(BAR_WIDTH - end)}`;
  return `${label.padEnd(LABEL_WIDTH)} ${drawn}  ${words}`;
}

/** @param {string} label @param {string} words */
export function printNote(label, words) {
  say(`${INDENT}${style('dim', label.padEnd(LABEL_WIDTH))} ${words}`);
}

/** @param {string[]} problems Empty if the promise was kept. */
export function printVerdict(problems) {
  if (problems.length === 0) say(`${INDENT}${style('green', '✓ as promised')}`);
  for (const problem of problems) say(`${INDENT}${style('red', `✗ NOT as promised: ${problem}`)}`);
}

/** @param {string[][]} rows The first is the head. */
export function printTable(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (/** @type {string[]} */ row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  rows.forEach((row, index) => say(index === 0 ? style('bold', line(row)) : line(row).trimEnd()));
}

/** @param {number} kept @param {number} all @param {number} ms */
export function printSummary(kept, all, ms) {
  const text = `${kept} of ${all} situations went as promised, in ${(ms / 1000).toFixed(1)} s.`;
  say(`\n${style(kept === all ? 'green' : 'red', style('bold', text))}`);
}

/** @param {Style} name @param {string} text */
function style(name, text) {
  return coloured ? `\u001b[${STYLES[name]}m${text}\u001b[0m` : text;
}
