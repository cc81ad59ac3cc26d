'use strict';
/** Chat completions, chunks, events and errors in the form of OpenAI's API. Other endpoints: answers.js. */

const { randomBytes } = require('node:crypto');

/**
 * @param {string} prefix
 * @returns {string} An id as OpenAI's look: `req_…`, `chatcmpl-…`.
 */
function newId(prefix) {
  return prefix + randomBytes(12).toString('hex');
}

/**
 * A chat completion with one choice.
 *
 * @param {string} model
 * @param {string} content
 */
function completion(model, content) {
  return {
    id: newId('chatcmpl-'),
    object: 'chat.completion',
    created: nowInSeconds(),
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: usageOf(content),
  };
}

/**
 * One chunk of a streamed completion with one choice.
 *
 * @param {string} model
 * @param {Record<string, unknown>} delta
 * @param {string | null} [finishReason]
 * @param {string} [id] The same for all chunks of a stream.
 */
function chunk(model, delta, finishReason = null, id = newId('chatcmpl-')) {
  return {
    id,
    object: 'chat.completion.chunk',
    created: nowInSeconds(),
    model,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
  };
}

/**
 * @param {unknown} data A string is taken as it is, anything else becomes JSON.
 * @returns {string} One server-sent event.
 */
function sseEvent(data) {
  return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

/**
 * An event of a stream, and the points that are reached when it has been sent.
 *
 * @typedef {import("./behaviour.js").StreamPoint} StreamPoint
 * @typedef {{ point: StreamPoint | StreamPoint[] | undefined, text: string }} StreamEvent
 */

/**
 * A whole stream: the role, the content in pieces, the finish reason, the usage if it was requested,
 * `[DONE]`.
 *
 * @param {string} model
 * @param {string} content
 * @param {{ deltas: number, includeUsage: boolean }} options
 * @returns {StreamEvent[]}
 */
function streamEvents(model, content, { deltas, includeUsage }) {
  const id = newId('chatcmpl-');
  /** @type {StreamEvent[]} */
  const events = [];
  /** @param {StreamPoint} point @param {unknown} data */
  const add = (point, data) => events.push({ point, text: sseEvent(data) });

  add('role', chunk(model, { role: 'assistant', content: '', refusal: null }, null, id));
  splitContent(content, deltas).forEach((piece, index) => add(index + 1, chunk(model, { content: piece }, null, id)));
  add('finish', chunk(model, {}, 'stop', id));
  if (includeUsage) add('usage', { ...chunk(model, {}, null, id), choices: [], usage: usageOf(content) });
  add('done', '[DONE]');
  return events;
}

/**
 * The body of an error in OpenAI's shape.
 *
 * @param {number} status
 * @param {{ message?: string, type?: string, code?: string | null, param?: string | null }} [members]
 */
function errorBody(status, members = {}) {
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  const message = `The mock upstream answers ${status}.`;
  return { error: { message, type, param: null, code: null, ...members } };
}

const htmlPage =
  '<!DOCTYPE html>\n<html><head><title>Welcome</title></head>' +
  '<body><h1>Please sign in to use this network</h1></body></html>\n';

/**
 * Splits a text at words if there are enough of them, else at code points: no piece has a lone
 * surrogate.
 *
 * @param {string} content
 * @param {number} pieces
 */
function splitContent(content, pieces) {
  const words = content.match(/\S+\s*|^\s+/g) ?? [];
  const parts = words.length >= pieces ? words : Array.from(content);
  const count = Math.min(pieces, parts.length);
  const start = (/** @type {number} */ index) => Math.floor((index * parts.length) / count);
  return Array.from({ length: count }, (_, index) => parts.slice(start(index), start(index + 1)).join(''));
}

/** A usage with words counted as tokens. @param {string} content */
function usageOf(content) {
  const completionTokens = content.split(/\s+/).filter(Boolean).length;
  return {
    prompt_tokens: 9,
    completion_tokens: completionTokens,
    total_tokens: 9 + completionTokens,
  };
}

function nowInSeconds() {
  return Math.floor(Date.now() / 1000);
}

module.exports = {
  newId, nowInSeconds, completion, chunk, sseEvent, streamEvents, splitContent, usageOf, errorBody, htmlPage,
}; // prettier-ignore
