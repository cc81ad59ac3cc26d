/** Compares the result of a situation with its promise. */

import OpenAI from 'openpipe-native';

import { roles, targets, wholeAnswer } from './targets.mjs';

/**
 * @import { CallResult } from "./call.mjs"
 * @import { Expectation } from "./situations.mjs"
 * @import { Role } from "./targets.mjs"
 * @import { ForkedRequest } from "./upstream-process.mjs"
 */

/** @typedef {Record<Role, ForkedRequest[]>} Requests The requests that each upstream received. */

/**
 * @param {Expectation} expect
 * @param {CallResult} result
 * @param {Requests} requests
 * @returns {string[]} One sentence for each promise that was not kept.
 */
export function brokenPromises(expect, result, requests) {
  return [
    ...aboutServing(expect, result),
    ...aboutText(expect, result),
    ...aboutError(expect, result),
    ...aboutRequests(expect, requests),
    ...aboutTime(expect, result, requests),
  ];
}

/**
 * @param {Expectation} expect
 * @param {CallResult} result
 * @returns {Generator<string, void>}
 */
function* aboutServing({ servedBy, primaryOutcome }, { info, error }) {
  if (!info) {
    yield 'nothing in .openpipe says what happened';
    return;
  }
  if (servedBy === 'nobody') {
    if (!error) yield 'the call should have ended with an error';
  } else {
    if (error) yield 'the call ended with an error';
    if (info.servedBy !== servedBy) yield `served by ${info.servedBy}, not by the ${servedBy}`;
    if (info.model !== targets[servedBy].model) yield `served by the model ${info.model}`;
  }
  const outcome = info.attempts[0]?.outcome;
  if (primaryOutcome && outcome !== primaryOutcome) yield `the primary's outcome is ${outcome}, not ${primaryOutcome}`;
}

/**
 * @param {Expectation} expect
 * @param {CallResult} result
 * @returns {Generator<string, void>}
 */
function* aboutText({ servedBy, text = 'whole' }, { text: read }) {
  const whole = wholeAnswer(servedBy === 'fallback' ? 'fallback' : 'primary');
  const kept =
    text === 'whole'
      ? read === whole
      : text === 'none'
        ? read === ''
        : read !== '' && read !== whole && whole.startsWith(read);
  if (!kept) yield `the text the caller read is ${JSON.stringify(read)}`;
}

/**
 * @param {Expectation} expect
 * @param {CallResult} result
 * @returns {Generator<string, void>}
 */
function* aboutError({ error: expected }, { error, info }) {
  if (expected === 'connection' && !(error instanceof OpenAI.APIConnectionError))
    yield 'the error is not an APIConnectionError';
  if (expected === 'both') {
    if (!(error instanceof OpenAI.APIError) || error.status !== 503) yield "the error is not the fallback's 503";
    const statuses = info?.errors?.map(statusOf);
    if (statuses?.join() !== '500,503') yield `error.openpipe.errors has the statuses ${statuses}`;
  }
}

/**
 * @param {Expectation} expect
 * @param {Requests} requests
 * @returns {Generator<string, void>}
 */
function* aboutRequests({ servedBy, fallbackRequests }, requests) {
  const expected = fallbackRequests ?? (servedBy === 'fallback' ? 1 : 0);
  if (requests.primary.length > 1) yield `the primary got ${requests.primary.length} requests`;
  if (requests.fallback.length !== expected)
    yield `the fallback got ${requests.fallback.length} requests, not ${expected}`;
  for (const role of roles)
    for (const { headers, body } of requests[role]) {
      if (headers.authorization !== `Bearer ${targets[role].key}`) yield `the ${role} got a key that is not its own`;
      if (body?.model !== targets[role].model) yield `the ${role} was asked for ${body?.model}`;
      if (body && 'openpipe' in body) yield `the ${role} was sent the openpipe member`;
    }
}

/**
 * @param {Expectation} expect
 * @param {CallResult} result
 * @param {Requests} requests
 * @returns {Generator<string, void>}
 */
function* aboutTime({ fallbackArrives, withinMs }, { ms, startedAt }, requests) {
  if (ms > withinMs) yield `it took ${Math.round(ms)} ms, more than ${withinMs}`;
  const first = requests.fallback[0];
  if (!fallbackArrives || !first) return;
  const [from, to] = fallbackArrives;
  const at = first.at - startedAt;
  if (at < from || at > to) yield `the fallback's request arrived after ${at} ms, not between ${from} and ${to}`;
}

/** @param {unknown} error */
function statusOf(error) {
  return /** @type {{ status?: number } | undefined} */ (error)?.status;
}
