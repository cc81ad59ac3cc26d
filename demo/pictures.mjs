/**
 * `npm run pictures`: plays five situations with this package and with the others, and draws the result as
 * docs/images/timelines.svg. If Chromium is installed, it also takes docs/images/demo.png, a screenshot of the demo's page.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { peerNames, titleOf } from './clients.mjs';
import { startPeers } from './peers.mjs';
import { ownRows, peerRows, seconds, spanOf } from './rows.mjs';
import { playSituation } from './situation-run.mjs';
import { situations } from './situations.mjs';
import { warmUp } from './warm-up.mjs';
import { chromiumPath } from './web/chromium.mjs';
import { takeScreenshot } from './web/screenshot.mjs';

/** @import { Row } from "./rows.mjs" */

const FOLDER = fileURLToPath(new URL('../docs/images/', import.meta.url));

const DRAWN = ['status-500', 'silent', 'stalled-body', 'blocked-loop', 'stream-silent'];

/** A call of another client that has not ended by then is drawn with an arrow. */
const GIVE_UP_MS = 30_000;

const WIDTH = 940;
const LEFT = 130;
const BARS = 370;
const ROW = 21;
const HEAD = 44;

const STYLE = `
  text { font: 12.5px system-ui, sans-serif; fill: #1c2733 }
  .title { font-size: 14px; font-weight: 600 }
  .faint { fill: #64748b }
  .ground { fill: #ffffff; stroke: #dde3e9 }
  .track { fill: #eef2f5 }
  .good { fill: #0d9488 } .bad { fill: #dc2626 } .loop { fill: #f59e0b }
  .peer-good { fill: #60a5fa } .peer-bad { fill: #94a3b8 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e3eaf0 } .faint { fill: #8b9aab } .ground { fill: #0f1419; stroke: #2a3540 } .track { fill: #1b242d }
    .good { fill: #2dd4bf } .bad { fill: #f87171 } .loop { fill: #fbbf24 } .peer-bad { fill: #64748b }
  }`;

/** @param {{ title: string, rows: Row[], note: string }[]} pictures */
export function drawTimelines(pictures) {
  let y = 14;
  const blocks = pictures.map(({ title, rows, note }) => {
    const block = drawBlock(title, rows, note, y);
    y += HEAD + rows.length * ROW + 14;
    return block;
  });
  const size = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`;
  const ground = `<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${y - 1}" rx="10"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="What each client did in ${pictures.length} situations">
<style>${STYLE}
</style>
${ground}
${blocks.join('\n')}
</svg>
`;
}

/** @param {string} title @param {Row[]} rows @param {string} note @param {number} top */
function drawBlock(title, rows, note, top) {
  const span = spanOf(rows);
  const lines = rows.map((row, index) => drawRow(row, span, top + HEAD + index * ROW));
  return [
    `<text class="title" x="20" y="${top + 17}">${escape(title)}</text>`,
    `<text class="faint" x="20" y="${top + 34}">${escape(note)}</text>`,
    ...lines,
  ].join('\n');
}

/** @param {Row} row @param {number} span @param {number} y */
function drawRow({ label, look, from, to, words }, span, y) {
  const x = (/** @type {number} */ ms) => LEFT + Math.min(1, ms / span) * BARS;
  const start = Math.min(x(from), LEFT + BARS - 3);
  const width = Math.max(3, x(to) - start);
  const shape =
    to > span
      ? `<path class="${look.replace(' ', '-')}" d="M${start} ${y}h${(width - 8).toFixed(1)}l8 6.5l-8 6.5h-${(width - 8).toFixed(1)}z"/>`
      : `<rect class="${look.replace(' ', '-')}" x="${start.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="13" rx="3"/>`;
  return [
    `<text x="20" y="${y + 11}">${escape(label)}</text>`,
    `<rect class="track" x="${LEFT}" y="${y}" width="${BARS}" height="13" rx="3"/>`,
    shape,
    `<text class="faint" x="${LEFT + BARS + 14}" y="${y + 11}">${escape(words)}</text>`,
  ].join('');
}

/** @param {string} text */
function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

async function draw() {
  const peers = startPeers(DRAWN, GIVE_UP_MS);
  await peers.settled(GIVE_UP_MS + 10_000);
  await warmUp('openpipe-native');
  const pictures = [];
  for (const id of DRAWN) {
    const situation = situations.find((each) => each.id === id);
    if (!situation) throw new Error(`no situation ${id}`);
    const { result, problems } = await playSituation(situation);
    if (problems.length > 0) throw new Error(`${id}: ${problems.join('; ')}`);
    const note = `openpipe-native: ${seconds(result.ms)} until the caller has ${situation.stream ? 'the whole stream' : 'the answer'}`;
    pictures.push({ title: situation.title, rows: [...ownRows(situation, result), ...peerRows(id, peers)], note });
  }
  peers.stop();
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(`${FOLDER}timelines.svg`, drawTimelines(pictures));
  console.log(`docs/images/timelines.svg, with ${peerNames.map(titleOf).join(' and ')}`);
  if (!chromiumPath) return console.log('docs/images/demo.png is left as it is: no Chromium is installed');
  await takeScreenshot(`${FOLDER}demo.png`);
  console.log('docs/images/demo.png');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await draw();
