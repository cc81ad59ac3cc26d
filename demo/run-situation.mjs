/** Plays one situation with the real client, and says whether it went as promised. */

import { setTimeout as sleep } from 'node:timers/promises';

import OpenAI from 'openpipe-native';

import { makeCall, tellFallback, tellInfo } from './call.mjs';
import { brokenPromises } from './promises.mjs';
import { setStage, whatTheyDo } from './stage.mjs';
import { roles, targets } from './targets.mjs';
import { createTimeline, printHeading, printVerdict } from './timeline.mjs';

/**
 * @import { CallResult } from "./call.mjs"
 * @import { Situation } from "./situations.mjs"
 * @import { Stage } from "./stage.mjs"
 * @import { Role } from "./targets.mjs"
 * @import { Timeline } from "./timeline.mjs"
 */

/** A call that has not ended by then never will. */
const GIVE_UP_MS = 5_000;

/** For the request to be on its way before JavaScript blocks. */
const BEFORE_BLOCKING_MS = 50;

/**
 * @param {Situation} situation
 * @param {number} number
 * @returns {Promise<boolean>} Whether it went as promised.
 */
export async function runSituation(situation, number) {
  printHeading(number, situation.title, situation.promise);
  const timeline = createTimeline();
  const stage = await setStage(situation, timeline);
  try {
    const call = makeCall(clientFor(stage, timeline), specOf(situation), timeline);
    if (situation.blockMs) await blockEventLoop(situation.blockMs, timeline);
    const result = await settled(call);
    const problems = result ? await judge(situation, stage, result, timeline) : [NEVER_ENDED];
    printVerdict(problems);
    return problems.length === 0;
  } finally {
    await stage.close();
  }
}

const NEVER_ENDED = `the call had not ended after ${GIVE_UP_MS} ms`;

/**
 * @param {Stage} stage
 * @param {Timeline} timeline
 */
function clientFor(stage, timeline) {
  return new OpenAI({
    apiKey: targets.fallback.key,
    baseURL: stage.fallback.url,
    openpipe: {
      apiKey: targets.primary.key,
      baseUrl: stage.primary.url,
      // Nobody takes reports here.
      logRequest: false,
      onFallback: tellFallback(timeline),
    },
  });
}

/** @param {Situation} situation @returns {import("./call.mjs").CallSpec} */
function specOf({ stream = false, timeout, openpipe = {} }) {
  const { primary, fallback } = targets;
  const base = { stream, model: primary.model, fallbackModel: fallback.model, openpipe };
  return timeout === undefined ? base : { ...base, timeout };
}

/**
 * @param {number} ms
 * @param {Timeline} timeline
 */
async function blockEventLoop(ms, timeline) {
  await sleep(BEFORE_BLOCKING_MS);
  timeline.line('loop', `JavaScript spins for ${ms} ms: no timer, no socket, no callback runs`);
  const end = performance.now() + ms;
  while (performance.now() < end);
  timeline.line('loop', 'JavaScript is free again');
}

/**
 * @param {Promise<CallResult>} call
 * @returns {Promise<CallResult | undefined>} undefined where it has not ended in time.
 */
async function settled(call) {
  const giveUp = new AbortController();
  try {
    return await Promise.race([call, sleep(GIVE_UP_MS, undefined, { signal: giveUp.signal })]);
  } finally {
    giveUp.abort();
  }
}

/**
 * @param {Situation} situation
 * @param {Stage} stage
 * @param {CallResult} result
 * @param {Timeline} timeline
 */
async function judge(situation, stage, result, timeline) {
  const requests = {
    primary: await stage.primary.requests(),
    fallback: await stage.fallback.requests(),
  };
  if (situation.blockMs) tellAfterwards(whatTheyDo(situation), requests, timeline);
  tellInfo(result, timeline);
  return brokenPromises(situation.expect, result, requests, timeline);
}

/**
 * What reached the upstreams of other processes while nobody here could tell.
 *
 * @param {Record<Role, string>} does
 * @param {import("./promises.mjs").Requests} requests
 * @param {Timeline} timeline
 */
function tellAfterwards(does, requests, timeline) {
  for (const role of roles)
    for (const { at } of requests[role])
      timeline.line(role, `by its own process's clock: had the request; ${does[role]}`, timeline.since(at));
}
