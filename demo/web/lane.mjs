/** The process of one lane: makes calls at the rate of the sliders, and sends their outcomes. */

import { makeClient } from '../clients.mjs';
import { targets } from '../targets.mjs';

import { firstSettings, TIMEOUT_MS } from './settings.mjs';

/**
 * @import { ClientName } from "../clients.mjs"
 * @import { CallInfo } from "../call.mjs"
 * @import { Settings } from "./settings.mjs"
 */

/**
 * A call that has ended.
 *
 * @typedef {object} Ended
 * @property {number} at When the call ended, Unix ms.
 * @property {number} ms How long the caller waited.
 * @property {"primary" | "fallback" | "failed"} by Who answered.
 * @property {string} [error]
 * @property {{ model: string, outcome: string, from: number, ms: number }[]} [attempts] Of openpipe-native only.
 */

/** @typedef {{ model: string, state: string, failure?: string | undefined }} Circuit */

/** What is sent to the page's server, four times a second. @typedef {{ ended: Ended[], waiting: number, circuits: Circuit[] }} Snapshot */

const [lane = '', primary = '', fallback = ''] = process.argv.slice(2);
const name = /** @type {ClientName} */ (lane);
/** Opens and closes faster than with the default policy, so that it can be watched. */
const BREAKER = { failures: 10, openFor: 5_000 };
/** A bound on memory: more calls would show nothing new. */
const MOST_WAITING = 400;

const openai = await makeClient(name, { primary: { url: primary }, fallback: { url: fallback } });
let settings = firstSettings();
let waiting = 0;
/** @type {Ended[]} */
let ended = [];

process.on('message', (/** @type {Settings} */ sent) => (settings = sent));
process.on('disconnect', () => process.exit(0));

let due = 0;
let before = performance.now();
setInterval(() => {
  const now = performance.now();
  // After a blocked loop at most one second of missed calls is made up, so that no queue builds up.
  due = Math.min(due + ((now - before) / 1000) * settings.rate, settings.rate);
  before = now;
  for (; due >= 1; due -= 1) if (waiting < MOST_WAITING) void call();
}, 20);

setInterval(() => {
  const end = performance.now() + settings.blocked;
  while (performance.now() < end);
}, 1_000);

setInterval(() => {
  process.send?.({ ended, waiting, circuits: circuits() });
  ended = [];
}, 250);

async function call() {
  const startedAt = Date.now();
  const start = performance.now();
  waiting += 1;
  /** @type {Ended} */
  let result;
  try {
    const completion = await openai.chat.completions.create(
      { model: targets.primary.model, messages: [{ role: 'user', content: 'Hello' }], ...inBody() },
      { timeout: TIMEOUT_MS, ...inOptions() },
    );
    const by = completion.choices[0]?.message.content?.includes('the fallback') ? 'fallback' : 'primary';
    result = { at: Date.now(), ms: performance.now() - start, by, ...attemptsOf(completion, startedAt) };
  } catch (error) {
    const words = error instanceof Error ? error.constructor.name : String(error);
    result = {
      at: Date.now(),
      ms: performance.now() - start,
      by: 'failed',
      error: words,
      ...attemptsOf(error, startedAt),
    };
  }
  waiting -= 1;
  ended.push(result);
}

/** The package `openpipe` takes its options from the body. */
function inBody() {
  return name === 'openpipe' ? { openpipe: { fallback: { model: targets.fallback.model } } } : {};
}

function inOptions() {
  if (name !== 'openpipe-native') return {};
  const breaker = settings.breaker === 1 && BREAKER;
  return { openpipe: { fallback: { model: targets.fallback.model }, breaker } };
}

/** @param {any} carrier @param {number} startedAt */
function attemptsOf(carrier, startedAt) {
  const info = /** @type {CallInfo | undefined} */ (carrier?.openpipe);
  if (!info?.attempts) return {};
  const attempts = info.attempts.map((attempt) => ({
    model: attempt.model,
    outcome: attempt.outcome,
    from: Math.max(0, attempt.startedAt - startedAt),
    ms: attempt.durationMs,
  }));
  return { attempts };
}

/** @returns {Circuit[]} */
function circuits() {
  if (name !== 'openpipe-native' || settings.breaker !== 1) return [];
  /** @type {import("openpipe-native").UpstreamState[]} */
  const states = openai.upstreams();
  return states
    .filter(({ circuit }) => circuit !== null)
    .map(({ model, circuit, lastFailure }) => ({
      model,
      state: String(circuit).replace('_', '-'),
      failure: lastFailure?.kind,
    }));
}
