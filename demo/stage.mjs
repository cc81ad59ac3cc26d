/** Starts the two upstreams of a situation. */

import { targets } from './targets.mjs';
import { forkUpstream } from './upstream-process.mjs';
import { closedPort, startUpstream } from './upstream.mjs';

/**
 * @import { Situation } from "./situations.mjs"
 * @import { Role } from "./targets.mjs"
 * @import { Behaviour } from "./upstream.mjs"
 * @import { ForkedRequest } from "./upstream-process.mjs"
 */

/**
 * @typedef {object} StagedUpstream
 * @property {string} url
 * @property {() => Promise<ForkedRequest[]>} requests
 * @property {() => Promise<void>} close
 */

/** @typedef {{ primary: StagedUpstream, fallback: StagedUpstream, close(): Promise<void> }} Stage */

/** @type {Behaviour} */
const HEALTHY = { kind: 'answer', paceMs: 50 };

/** @param {Situation} situation @returns {Promise<Stage>} */
export async function setStage(situation) {
  const start = situation.blockMs ? elsewhere : here;
  const [primary, fallback] = await Promise.all([
    situation.primary === 'nobody listens' ? nobody() : start('primary', situation.primary),
    start('fallback', situation.fallback ?? HEALTHY),
  ]);
  return {
    primary,
    fallback,
    close: async () => void (await Promise.all([primary.close(), fallback.close()])),
  };
}

/** Starts it in this process. @param {Role} role @param {Behaviour} behaviour @returns {Promise<StagedUpstream>} */
async function here(role, behaviour) {
  const upstream = await startUpstream({ name: targets[role].upstreamName, behaviour: () => behaviour });
  return { url: upstream.url, requests: async () => upstream.requests, close: upstream.close };
}

/** Starts it in a separate process, which runs while this event loop is blocked. @param {Role} role @param {Behaviour} behaviour */
function elsewhere(role, behaviour) {
  const { upstreamName, model } = targets[role];
  return forkUpstream({ name: upstreamName, behaviours: { [model]: behaviour } });
}

/** @returns {Promise<StagedUpstream>} */
async function nobody() {
  const port = await closedPort();
  return { url: `http://127.0.0.1:${port}/v1`, requests: async () => [], close: async () => {} };
}
