'use strict';
/** Calls the caller's functions in `reject` with an answer, and passes their verdict to the core (contract.md, section 10). */

const { wellFormed } = require('../host-client/untrusted.js');
const native = require('../native/native.js');
const { copyOf } = require('./answer.js');
const { messageOf } = require('./observers.js');

/** @typedef {(answer: any, from: { upstream: string, model: string }) => unknown} Judge */
/** @typedef {Pick<import('../sdk/take-over.js').CallSetup, 'endpoint' | 'packsVectors' | 'unpacksVectors'>} CallSetup */

/**
 * The core's message that has a function of `reject` called, without the answer (src/protocol.rs, `Judging`).
 * @typedef {object} Judging
 * @property {number} function
 * @property {number | null} ticket
 * @property {string | null} requestId
 * @property {string} upstream
 * @property {string} model
 */

/** How many characters of a reason are kept. */
const MAX_REASON = 1000;

/**
 * Calls a function of `reject` and passes its verdict to the core. Never throws.
 * @param {number} call @param {number} ask
 * @param {Judging} judging
 * @param {Judge | undefined} judge @param {() => any} answerOf Makes the answer that the caller would get.
 */
function askJudge(call, ask, { upstream, model }, judge, answerOf) {
  const answer = (/** @type {unknown} */ judged) => native.answer(call, ask, { judged });
  const failed = (/** @type {unknown} */ error) => answer({ failed: wellFormed(messageOf(error)) });
  try {
    Promise.resolve(judge?.(answerOf(), { upstream, model })).then((returned) => answer(verdictOf(returned)), failed);
  } catch (error) {
    failed(error);
  }
}

/** The verdict: `true` or a text, which is the reason, refuses the answer; anything else accepts it. @param {unknown} returned */
function verdictOf(returned) {
  if (returned === true) return { refused: '' };
  if (typeof returned === 'string' && returned !== '') return { refused: wellFormed(returned.slice(0, MAX_REASON)) };
  return 'accepted';
}

/**
 * The answer of an upstream over HTTP, as the caller would get it.
 * @param {string} text @param {string | null} requestId @param {CallSetup} setup
 */
function answerFrom(text, requestId, setup) {
  const answer = JSON.parse(text);
  Object.defineProperty(answer, '_request_id', { value: requestId, enumerable: false });
  return dressed(answer, setup);
}

/**
 * The answer of a custom client, as the caller would get it: for chat the same object, for other endpoints a copy, which is changed.
 * @param {any} value @param {CallSetup} setup
 */
function answerOfClient(value, setup) {
  return setup.endpoint.name === 'chat' ? value : dressed(copyOf(value, setup.packsVectors), setup);
}

/** Adds to an answer what the SDK adds: `output_text` of Responses, vectors decoded from base64. @param {any} answer @param {CallSetup} setup */
function dressed(answer, setup) {
  if (setup.endpoint.name === 'responses') answer.output_text = outputText(answer.output);
  if (setup.unpacksVectors) answer.data.forEach(unpack);
  return answer;
}

/** Decodes a vector, as the SDK does. @param {any} item */
function unpack(item) {
  if (typeof item.embedding !== 'string') return;
  const bytes = Uint8Array.from(Buffer.from(item.embedding, 'base64'));
  item.embedding = Array.from(new Float32Array(bytes.buffer));
}

/** The joined texts of a response, as the SDK makes `output_text`. @param {unknown} output */
function outputText(output) {
  if (!Array.isArray(output)) return '';
  const parts = output.flatMap((item) => (item?.type === 'message' && Array.isArray(item.content) ? item.content : []));
  return parts.flatMap((part) => (part?.type === 'output_text' ? [part.text] : [])).join('');
}

module.exports = { answerFrom, answerOfClient, askJudge };
