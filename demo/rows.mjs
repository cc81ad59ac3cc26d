/** The rows of a situation's timeline: a bar for each target of our call, and one for each of the other clients. */

import { peerNames } from './clients.mjs';

/**
 * @import { CallResult } from "./call.mjs"
 * @import { Peers, PeerName } from "./peers.mjs"
 * @import { Situation } from "./situations.mjs"
 */

/**
 * @typedef {object} Row
 * @property {string} label
 * @property {"good" | "bad" | "loop" | "peer good" | "peer bad"} look
 * @property {number} from In ms since the call.
 * @property {number} to Infinity where the call has not ended.
 * @property {number} [firstToken] When the first content arrived, in ms since the call.
 * @property {string} words
 */

/** A longer bar is cut off, and ends in an arrow. */
const LONGEST_MS = 4_500;

/** Shortly after the call, so that its request has been sent. */
const BLOCKED_AFTER_MS = 50;

/** @param {Pick<Situation, "blockMs">} situation @param {CallResult} result @returns {Row[]} */
export function ownRows(situation, result) {
  const rows = (result.info?.attempts ?? []).map((attempt) => {
    const from = Math.max(0, attempt.startedAt - result.startedAt);
    const { firstTokenMs } = attempt;
    return /** @type {Row} */ ({
      label: attempt.model,
      look: attempt.outcome === 'ok' ? 'good' : 'bad',
      from,
      to: from + attempt.durationMs,
      ...(firstTokenMs !== undefined && { firstToken: from + firstTokenMs }),
      words: describeAttempt(attempt),
    });
  });
  if (!situation.blockMs) return rows;
  const to = BLOCKED_AFTER_MS + situation.blockMs;
  return [...rows, { label: 'event loop', look: 'loop', from: BLOCKED_AFTER_MS, to, words: 'blocked' }];
}

/** @param {string} id @param {Peers} peers @returns {Row[]} */
export function peerRows(id, peers) {
  return peerNames.map((peer) => peerRow(id, peer, peers));
}

/** @param {string} id @param {PeerName} peer @param {Peers} peers @returns {Row} */
function peerRow(id, peer, peers) {
  const result = peers.resultOf(id, peer);
  if (!result) {
    return {
      label: peer,
      look: 'peer bad',
      from: 0,
      to: Infinity,
      words: 'still waiting (see the table)',
    };
  }
  const { end, good, ms, words } = result;
  const to = end === 'waiting' ? Infinity : ms;
  return { label: peer, look: good ? 'peer good' : 'peer bad', from: 0, to, words: `${seconds(ms)}: ${words}` };
}

/** The time that a timeline shows. @param {Row[]} rows */
export function spanOf(rows) {
  const ends = rows.map(({ to }) => to).filter((to) => to <= LONGEST_MS);
  const longest = Math.max(100, ...ends);
  return rows.some(({ to }) => to > LONGEST_MS) ? Math.max(longest * 1.15, 1_000) : longest;
}

/** @param {number} ms */
export function seconds(ms) {
  return ms < 1_000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** @param {import("./call.mjs").Attempt} attempt */
export function describeAttempt({ outcome, status, durationMs, tries, firstTokenMs }) {
  const parts = [
    `${seconds(durationMs)}: ${outcome === 'ok' || status === undefined ? outcome : `${outcome} (${status})`}`,
    ...(tries > 1 ? [`${tries} tries`] : []),
    ...(firstTokenMs === undefined ? [] : [`first token after ${seconds(firstTokenMs)}`]),
  ];
  return parts.join(', ');
}
