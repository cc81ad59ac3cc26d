/** The process of the two upstreams: a primary with the faults of the sliders, and a healthy fallback. */

import { startUpstream } from '../upstream.mjs';

import { firstSettings } from './settings.mjs';

/** @import { Behaviour } from "../upstream.mjs" */
/** @import { Settings } from "./settings.mjs" */

const FALLBACK_LATENCY_MS = 120;

let settings = firstSettings();
process.on('message', (/** @type {Settings} */ sent) => (settings = sent));
process.on('disconnect', () => process.exit(0));

const primary = await startUpstream({ name: 'the primary', behaviour: (request) => primaryBehaviour(request.path) });
const fallback = await startUpstream({
  name: 'the fallback',
  behaviour: () => ({ kind: 'answer', delayMs: about(FALLBACK_LATENCY_MS) }),
});
process.send?.({ primary: primary.url, fallback: fallback.url });

/** Clears the log of requests, which is for tests and would grow here. */
setInterval(() => {
  primary.requests.length = 0;
  fallback.requests.length = 0;
}, 5_000).unref();

/** @param {string} path @returns {Behaviour} */
function primaryBehaviour(path) {
  if (!path.includes('/chat/completions')) return { kind: 'status', status: 200, body: { json: {} } };
  const chance = Math.random() * 100;
  if (chance < settings.stalls) return { kind: 'silence' };
  if (chance < settings.stalls + settings.failures) return { kind: 'status', status: 500, delayMs: 20 };
  return { kind: 'answer', delayMs: about(settings.latency) };
}

/** Answers of a model do not take the same time each. @param {number} ms */
function about(ms) {
  return ms * (0.7 + 0.6 * Math.random());
}
