/**
 * The sixteen situations of the public Failover Bench (`failoverbench/failoverbench`), by the model's name. Its times are
 * scaled down from what they are there, where a client is free to wait as long as it likes.
 */

import { errorBody } from '../../../demo/upstream/payload.mjs';
import { DONE, JSON_TYPE } from '../server/exchange.mjs';

/** @import { Exchange } from '../server/exchange.mjs' */

/** As in the public catalogue, a client has to wait that long, so it is not scaled down. */
export const RETRY_AFTER_S = 2;
/** Instead of 20 s. */
export const SLOW_FIRST_TOKEN_MS = 4_000;
/** Instead of 30 s. */
export const STALL_MS = 3_000;
/** Instead of 120 s. */
export const SILENCE_MS = 20_000;
/** Instead of a minute. */
export const OUTAGE_MS = 3_000;
/** Sixty words, as there; each is a token. */
export const ANSWER = Array.from({ length: 60 }, (_, index) => `word${index + 1}`).join(' ');
const TOKENS = ANSWER.match(/\S+\s*/g) ?? [];
const TOKEN_INTERVAL_MS = 2;
const CUT_AFTER = 40;
const STALL_AFTER = 20;
const MALFORMED_AT = 10;

/** When the first request of an outage arrived, by its key. @type {Map<string, number>} */
const outages = new Map();

/** @type {Record<string, (x: Exchange) => unknown>} */
const situations = {
  'healthy-model': (x) => answer(x),
  'without-prefill': (x) => (lastRole(x) === 'assistant' ? fail(x, 400, 'invalid_prefill') : answer(x)),
  S01: (x) =>
    x.entry.nth > 1
      ? answer(x)
      : x.respond(429, { ...JSON_TYPE, 'retry-after': String(RETRY_AFTER_S) }, JSON.stringify(errorBody(429))),
  S02: (x) => fail(x, 429),
  S03: (x) => (x.entry.nth > 1 ? answer(x) : fail(x, 500)),
  S04: (x) => fail(x, 503),
  S05: (x) => (x.entry.nth > 1 ? answer(x) : x.reset()),
  S06: (x) => x.pause(SILENCE_MS).then(() => x.close()),
  S07: (x) => answer(x, { firstTokenAfter: SLOW_FIRST_TOKEN_MS }),
  S08: (x) => answer(x, { after: CUT_AFTER, then: 'cut' }),
  S09: (x) => answer(x, { after: STALL_AFTER, then: 'stall' }),
  S10: (x) => answer(x, { after: MALFORMED_AT, then: 'malformed' }),
  S11: (x) => answer(x, { last: '' }),
  S12: (x) => fail(x, 400, 'context_length_exceeded'),
  S13: (x) => fail(x, 400, 'content_policy_violation'),
  S14: (x) => answer(x, { after: CUT_AFTER, then: 'cut' }),
  S15(x) {
    const { key, at } = x.entry;
    const since = outages.get(key) ?? at;
    outages.set(key, since);
    return at - since < OUTAGE_MS ? fail(x, 503) : answer(x);
  },
  S16: (x) => fail(x, 503),
};

/** @type {import('./fault.mjs').Fault} */
export const failover = {
  name: 'fails as in Failover Bench',
  serve: (x) => (situations[x.entry.model] ?? ((x) => fail(x, 404, 'model_not_found')))(x),
};

/** @param {Exchange} x @param {number} status @param {string} [code] */
function fail(x, status, code) {
  return x.json(errorBody(status, { code }), status);
}

/** @param {Exchange} x */
function lastRole(x) {
  return x.entry.body?.messages?.at(-1)?.role;
}

/**
 * The sixty words, as far as they come.
 * @param {Exchange} x
 * @param {{ firstTokenAfter?: number, after?: number, then?: 'cut' | 'stall' | 'malformed', last?: string }} [how]
 */
async function answer(x, { firstTokenAfter = 0, after, then, last = DONE } = {}) {
  await x.openStream();
  await x.pause(firstTokenAfter);
  await x.piece(x.role);
  for (const [index, content] of TOKENS.entries()) {
    if (index === after && then === 'cut') return x.close();
    if (index === after && then === 'stall') return x.pause(STALL_MS).then(() => x.close());
    if (index === after && then === 'malformed') await x.piece('data: {"choices":[{"delta":{"content": \n\n');
    if (!(await x.piece(x.event({ content })))) return undefined;
    await x.pause(TOKEN_INTERVAL_MS);
  }
  await x.piece(x.finish);
  if (x.entry.body?.stream_options?.include_usage) {
    const usage = { prompt_tokens: 9, completion_tokens: TOKENS.length, total_tokens: 9 + TOKENS.length };
    await x.piece(
      `data: ${JSON.stringify({ id: 'u', object: 'chat.completion.chunk', created: 1, model: x.entry.model, choices: [], usage })}\n\n`,
    );
  }
  if (last) await x.piece(last);
  return x.lastPiece();
}
