/** Plays one situation with this package's client. */

import { makeCall } from './call.mjs';
import { makeClient, specFor } from './clients.mjs';
import { brokenPromises } from './promises.mjs';
import { setStage } from './stage.mjs';

/**
 * @import { CallResult } from "./call.mjs"
 * @import { Situation } from "./situations.mjs"
 */

/** Longer than any call of the demo takes. */
const GIVE_UP_MS = 5_000;

/**
 * @typedef {object} Played
 * @property {CallResult} result
 * @property {string[]} problems One sentence for each promise that was not kept.
 */

/** @param {Situation} situation @returns {Promise<Played>} */
export async function playSituation(situation) {
  const stage = await setStage(situation);
  try {
    const client = await makeClient('openpipe-native', stage);
    const limits = { blockMs: situation.blockMs, giveUpMs: GIVE_UP_MS };
    const result = await makeCall(client, specFor('openpipe-native', situation), limits);
    if (result.end === 'waiting') return { result, problems: [`the call had not ended after ${GIVE_UP_MS} ms`] };
    const requests = { primary: await stage.primary.requests(), fallback: await stage.fallback.requests() };
    return { result, problems: brokenPromises(situation.expect, result, requests) };
  } finally {
    await stage.close();
  }
}
