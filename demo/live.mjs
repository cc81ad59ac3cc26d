/** A few calls to the real endpoints, with the keys of the environment. */

import OpenAI from 'openpipe-native';

import { makeCall } from './call.mjs';
import { ownRows } from './rows.mjs';
import { printBars, printHeading, printNote, printSummary, printVerdict, say } from './terminal.mjs';

/**
 * @import { CallResult, CallSpec } from "./call.mjs"
 */

const DEFAULT_MODEL = 'gpt-5.4-mini';

/** Prefixes of models that go to OpenPipe, which needs its key. */
const VIA_OPENPIPE = /^(openpipe|openai|anthropic|gemini):/;

const TIMEOUT_MS = 30_000;

/**
 * @typedef {object} LiveFlags
 * @property {string | undefined} [model]
 * @property {string | undefined} [fallback]
 */

/** @typedef {{ primary: string, fallback: string, wrong: string }} LiveModels */

const GIVE_UP_MS = 2 * TIMEOUT_MS + 10_000;

/**
 * @param {LiveFlags} flags
 * @returns {Promise<number>} The exit code: 2 where a key is missing.
 */
export async function runLive(flags) {
  const models = chooseModels(flags);
  const missing = missingKeys([models.primary, models.fallback]);
  if (missing.length > 0) {
    for (const sentence of missing) say(sentence);
    return 2;
  }
  say(`The real endpoints: ${models.primary}, else ${models.fallback}.`);
  const start = performance.now();
  const calls = liveCalls(models);
  let kept = 0;
  for (const [index, call] of calls.entries()) if (await runCall(call, index + 1)) kept += 1;
  printSummary(kept, calls.length, performance.now() - start);
  // Reports may still be in flight: the process waits for them.
  return kept === calls.length ? 0 : 1;
}

/** @param {LiveFlags} flags @returns {LiveModels} */
function chooseModels(flags) {
  const { OPENAI_API_KEY, OPENPIPE_API_KEY, OPENPIPE_MODEL } = process.env;
  // Without an OpenAI key, OpenPipe can serve OpenAI's model.
  const plain = OPENAI_API_KEY || !OPENPIPE_API_KEY ? DEFAULT_MODEL : `openai:${DEFAULT_MODEL}`;
  const fineTuned = OPENPIPE_MODEL?.replace(/^(openpipe:)?/, 'openpipe:');
  return {
    primary: flags.model ?? (fineTuned || plain),
    fallback: flags.fallback ?? plain,
    wrong: OPENPIPE_API_KEY ? 'openpipe:no-such-model' : 'no-such-model',
  };
}

/** @param {string[]} models @returns {string[]} One sentence for each variable that is missing. */
function missingKeys(models) {
  const { OPENAI_API_KEY, OPENPIPE_API_KEY } = process.env;
  if (!OPENAI_API_KEY && !OPENPIPE_API_KEY)
    return [
      '--live needs OPENAI_API_KEY, or OPENPIPE_API_KEY, or both, in the environment.',
      'OPENPIPE_MODEL (or --model) names a fine-tuned model of yours as the primary.',
    ];
  const viaOpenPipe = models.filter((model) => VIA_OPENPIPE.test(model));
  const direct = models.filter((model) => !VIA_OPENPIPE.test(model));
  const missing = [];
  if (viaOpenPipe.length > 0 && !OPENPIPE_API_KEY)
    missing.push(`OPENPIPE_API_KEY is needed in the environment for ${viaOpenPipe.join(' and ')}.`);
  if (direct.length > 0 && !OPENAI_API_KEY)
    missing.push(`OPENAI_API_KEY is needed in the environment for ${direct.join(' and ')}.`);
  return missing;
}

/**
 * @typedef {object} LiveCall
 * @property {string} title
 * @property {string} promise
 * @property {CallSpec} spec
 * @property {"fallback"} [servedBy] Default: the primary or the fallback.
 */

/** @param {LiveModels} models @returns {LiveCall[]} */
function liveCalls({ primary, fallback, wrong }) {
  const spec = { model: primary, timeout: TIMEOUT_MS, openpipe: { fallback: { model: fallback } } };
  return [
    {
      title: 'Completion',
      promise: 'an answer, from the primary if it is healthy.',
      spec: { ...spec, stream: false },
    },
    {
      title: 'Stream',
      promise: 'an answer, from the primary if it is healthy.',
      spec: { ...spec, stream: true },
    },
    {
      title: 'Completion: a primary that does not exist',
      promise: 'the fallback answers.',
      spec: { ...spec, model: wrong, stream: false },
      servedBy: 'fallback',
    },
    {
      title: 'Stream: a primary that does not exist',
      promise: 'the fallback streams.',
      spec: { ...spec, model: wrong, stream: true },
      servedBy: 'fallback',
    },
  ];
}

/**
 * @param {LiveCall} call
 * @param {number} number
 * @returns {Promise<boolean>} Whether the call did what was promised.
 */
async function runCall({ title, promise, spec, servedBy }, number) {
  printHeading(number, title, promise, []);
  // Keys and base URLs come from the environment.
  const result = await makeCall(new OpenAI(), spec, { giveUpMs: GIVE_UP_MS });
  printBars([ownRows({}, result)]);
  printNote('result', result.error ? String(result.error) : JSON.stringify(result.text));
  const problems = [...brokenPromises(result, servedBy)];
  printVerdict(problems);
  return problems.length === 0;
}

/**
 * @param {CallResult} result
 * @param {string} [servedBy]
 * @returns {Generator<string, void>}
 */
function* brokenPromises({ error, text, info }, servedBy) {
  if (error) yield 'the call ended with an error';
  else if (!text) yield 'the answer has no text';
  if (servedBy && info?.servedBy !== servedBy) yield `served by ${info?.servedBy}, not by the ${servedBy}`;
}
