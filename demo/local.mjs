/** Plays all situations on this machine, with this package and with the other clients. */

import { codeOf } from './code.mjs';
import { peerNames, titleOf } from './clients.mjs';
import { startPeers } from './peers.mjs';
import { ownRows, peerRows, seconds } from './rows.mjs';
import { playSituation } from './situation-run.mjs';
import { situations } from './situations.mjs';
import { printBars, printHeading, printNote, printSummary, printTable, printVerdict, say } from './terminal.mjs';
import { warmUp } from './warm-up.mjs';

/**
 * @import { CallResult } from "./call.mjs"
 * @import { Peers } from "./peers.mjs"
 * @import { Situation } from "./situations.mjs"
 */

/** After this time a call of another client counts as hanging. */
const GIVE_UP_MS = { usual: 30_000, fast: 5_000 };

/** By then every call of the other clients has ended, except those that hang. */
const HEAD_START_MS = 7_500;

/**
 * @param {{ only: string[], fast: boolean }} flags
 * @returns {Promise<number>} The exit code.
 */
export async function runLocal({ only, fast }) {
  const chosen = choose(only);
  if (chosen.length === 0) {
    say(
      `No such situation: ${only.join(', ')}. There are:\n${situations.map(({ id }, index) => `  ${index + 1}  ${id}`).join('\n')}`,
    );
    return 2;
  }
  say('A primary that misbehaves and a healthy fallback, both on this machine. No key, no internet.');
  say(`The same calls are made with ${peerNames.map(titleOf).join(' and ')}, in processes of their own.`);
  const peers = startPeers(
    chosen.map(({ id }) => id),
    fast ? GIVE_UP_MS.fast : GIVE_UP_MS.usual,
  );
  try {
    await warmUp('openpipe-native');
    await peers.settled(HEAD_START_MS);
    return await runAll(chosen, peers);
  } finally {
    peers.stop();
  }
}

/** By number, by id, or by words of the title. @param {string[]} only */
function choose(only) {
  const isChosen = (/** @type {Situation} */ { id, title }, /** @type {number} */ index) =>
    only.some(
      (word) =>
        word === String(index + 1) ||
        word === id ||
        (!/^\d+$/.test(word) && title.toLowerCase().includes(word.toLowerCase())),
    );
  return only.length === 0 ? situations : situations.filter(isChosen);
}

/** @param {Situation[]} chosen @param {Peers} peers */
async function runAll(chosen, peers) {
  const start = performance.now();
  /** @type {{ situation: Situation, result: CallResult }[]} */
  const played = [];
  let kept = 0;
  for (const situation of chosen) {
    printHeading(situations.indexOf(situation) + 1, situation.title, situation.promise, codeOf(situation));
    const { result, problems } = await playSituation(situation);
    printBars([ownRows(situation, result), peerRows(situation.id, peers)]);
    printNote('result', describeResult(result));
    printVerdict(problems);
    played.push({ situation, result });
    if (problems.length === 0) kept += 1;
  }
  const ms = performance.now() - start;
  await waitForPeers(peers);
  printComparison(played, peers);
  printSummary(kept, chosen.length, ms);
  return kept === chosen.length ? 0 : 1;
}

/** @param {Peers} peers */
async function waitForPeers(peers) {
  const waiting = setTimeout(() => say('\nHanging calls of the other clients are given up after 30 s …'), 500);
  await peers.settled(GIVE_UP_MS.usual + 5_000);
  clearTimeout(waiting);
}

/** @param {{ situation: Situation, result: CallResult }[]} played @param {Peers} peers */
function printComparison(played, peers) {
  const head = ['', 'situation', 'openpipe-native', ...peerNames.map(titleOf)];
  const rows = played.map(({ situation, result }) => [
    String(situations.indexOf(situation) + 1).padStart(2),
    situation.id,
    `${seconds(result.ms)}: ${result.end === 'answer' ? (result.info?.model ?? '') : errorName(result.error)}`,
    ...peerNames.map((peer) => peerCell(situation.id, peer, peers)),
  ]);
  say('\n\nHow long the caller waited, and for what:\n');
  printTable([head, ...rows]);
}

/** @param {string} id @param {typeof peerNames[number]} peer @param {Peers} peers */
function peerCell(id, peer, peers) {
  const result = peers.resultOf(id, peer);
  if (!result) return 'did not report';
  if (result.end === 'waiting') return `${result.words} (given up after ${seconds(result.ms)})`;
  return `${seconds(result.ms)}: ${result.words}`;
}

/** @param {CallResult} result */
function describeResult({ end, text, error, info }) {
  if (end === 'error') return `${errorName(error)}${text ? `, after ${JSON.stringify(text)}` : ''}`;
  return `${JSON.stringify(text)}, served by the ${info?.servedBy}`;
}

/** @param {unknown} error */
function errorName(error) {
  if (!(error instanceof Error)) return String(error);
  const { status } = /** @type {{ status?: number }} */ (error);
  return status === undefined ? error.constructor.name : `${error.constructor.name} (${status})`;
}
