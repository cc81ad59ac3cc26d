/** The process of one peer: starts all its situations at short intervals, without waiting, and sends the result of each. */

import { setTimeout as sleep } from 'node:timers/promises';

import { makeCall } from './call.mjs';
import { makeClient, specFor } from './clients.mjs';
import { situations } from './situations.mjs';
import { setStage } from './stage.mjs';
import { targets, wholeAnswer } from './targets.mjs';
import { warmUp } from './warm-up.mjs';

/**
 * @import { CallResult } from "./call.mjs"
 * @import { PeerName, PeerResult } from "./peers.mjs"
 * @import { Situation } from "./situations.mjs"
 */

/** Calls that start at the same time delay each other, and would look slower than they are. */
const APART_MS = 150;

const [name = '', giveUpMs = '', ...ids] = process.argv.slice(2);
const peer = /** @type {PeerName} */ (name);

process.on('disconnect', () => process.exit(0));

await warmUp(peer);
await Promise.all(
  situations
    .filter(({ id }) => ids.includes(id))
    .map(async (situation, index) => {
      await sleep(index * APART_MS);
      await play(situation);
    }),
);
process.exit(0);

/** @param {Situation} situation */
async function play(situation) {
  const stage = await setStage(situation);
  const client = await makeClient(peer, stage);
  const limits = { blockMs: situation.blockMs, giveUpMs: Number(giveUpMs) };
  const result = await makeCall(client, specFor(peer, situation), limits);
  const [primary, fallback] = await Promise.all([stage.primary.requests(), stage.fallback.requests()]);
  const described = describe(result, primary.length, fallback.length);
  await new Promise((resolve) => process.send?.({ id: situation.id, result: described }, resolve));
  await stage.close();
}

/**
 * @param {CallResult} result
 * @param {number} primaryTries
 * @param {number} fallbackTries
 * @returns {PeerResult}
 */
function describe({ end, text, error, notACompletion, ms }, primaryTries, fallbackTries) {
  const tries = triesOf(primaryTries, fallbackTries);
  if (end === 'waiting') {
    const words = text ? `no answer after ${quote(text)}` : `no answer${tries}`;
    return { end, good: false, words, ms };
  }
  if (end === 'error') {
    const read = text ? `, after ${quote(text)} was read` : tries;
    return { end, good: false, words: `${errorName(error)}${read}`, ms };
  }
  if (notACompletion !== undefined) return { end, good: false, words: 'returns it as a completion', ms };
  const served =
    text === wholeAnswer('primary') ? 'primary' : text === wholeAnswer('fallback') ? 'fallback' : undefined;
  if (served) return { end, good: true, words: `${targets[served].model} answers${tries}`, ms };
  return { end, good: false, words: text ? `ends without an error after ${quote(text)}` : 'an empty answer', ms };
}

/** @param {number} primaryTries @param {number} fallbackTries */
function triesOf(primaryTries, fallbackTries) {
  const parts = [
    ...(primaryTries > 1 ? [`${primaryTries} tries of the primary`] : []),
    ...(fallbackTries > 1 ? [`${fallbackTries} of the fallback`] : []),
  ];
  return parts.length > 0 ? `, after ${parts.join(' and ')}` : '';
}

/** @param {unknown} error */
function errorName(error) {
  if (!(error instanceof Error)) return String(error);
  const status = /** @type {{ status?: number }} */ (error).status;
  return status === undefined ? error.constructor.name : `${error.constructor.name} (${status})`;
}

/** @param {string} text */
function quote(text) {
  return JSON.stringify(text.length > 24 ? `${text.slice(0, 23)}…` : text);
}
