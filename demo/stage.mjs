/** Puts up the two upstreams of a situation, and tells on the timeline what reaches them. */

import { targets } from './targets.mjs';
import { forkUpstream } from './upstream-process.mjs';
import { closedPort, startUpstream } from './upstream.mjs';

/**
 * @import { Situation } from "./situations.mjs"
 * @import { Role } from "./targets.mjs"
 * @import { Timeline } from "./timeline.mjs"
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

/** @param {Situation} situation @returns {Record<Role, string>} */
export function whatTheyDo({ primaryDoes = '', fallbackDoes = 'answers well' }) {
  return { primary: primaryDoes, fallback: fallbackDoes };
}

/**
 * @param {Situation} situation
 * @param {Timeline} timeline
 * @returns {Promise<Stage>}
 */
export async function setStage(situation, timeline) {
  const does = whatTheyDo(situation);
  /** @type {(role: Role, behaviour: Behaviour, does: string) => Promise<StagedUpstream>} */
  const put = (role, behaviour, does) =>
    situation.blockMs ? elsewhere(role, behaviour) : here(role, behaviour, does, timeline);
  const [primary, fallback] = await Promise.all([
    situation.primary === 'nobody listens' ? nobody() : put('primary', situation.primary, does.primary),
    put('fallback', situation.fallback ?? HEALTHY, does.fallback),
  ]);
  return {
    primary,
    fallback,
    close: async () => void (await Promise.all([primary.close(), fallback.close()])),
  };
}

/**
 * In this process: its requests are told as they arrive.
 *
 * @param {Role} role
 * @param {Behaviour} behaviour
 * @param {string} does
 * @param {Timeline} timeline
 * @returns {Promise<StagedUpstream>}
 */
async function here(role, behaviour, does, timeline) {
  const upstream = await startUpstream({
    name: targets[role].upstreamName,
    behaviour() {
      timeline.line(role, `has the request; ${does}`);
      return behaviour;
    },
  });
  return { url: upstream.url, requests: async () => upstream.requests, close: upstream.close };
}

/**
 * In a process of its own, which goes on while our JavaScript does not.
 *
 * @param {Role} role
 * @param {Behaviour} behaviour
 * @returns {Promise<StagedUpstream>}
 */
function elsewhere(role, behaviour) {
  const { upstreamName, model } = targets[role];
  return forkUpstream({ name: upstreamName, behaviours: { [model]: behaviour } });
}

/** @returns {Promise<StagedUpstream>} */
async function nobody() {
  const port = await closedPort();
  return { url: `http://127.0.0.1:${port}/v1`, requests: async () => [], close: async () => {} };
}
