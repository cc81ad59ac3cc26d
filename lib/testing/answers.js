'use strict';
/** The good answers of each endpoint, by the end of the path. */

const { createHash } = require('node:crypto');

const { chunk, completion, errorBody, newId, nowInSeconds, splitContent, sseEvent, streamEvents, usageOf } = require('./payload.js'); // prettier-ignore

/**
 * @import { StreamEvent } from "./payload.js"
 */

/**
 * @typedef {object} Question
 * @property {string} model
 * @property {string} content The text of the answer.
 * @property {any} body The request's.
 * @property {number} deltas How many events the content of a stream is split into.
 */

/**
 * @typedef {object} Endpoint
 * @property {string} path How the path ends.
 * @property {(question: Question) => object} whole
 * @property {(question: Question) => StreamEvent[]} [events] Left out where the endpoint has no streams.
 * @property {(model: string) => string} emptyDelta An event without content.
 * @property {(message: string) => string} errorEvent
 */

const DIMENSIONS = 8;

/** @type {Endpoint[]} */
const ENDPOINTS = [
  {
    path: '/chat/completions',
    whole: ({ model, content }) => completion(model, content),
    events: ({ model, content, body, deltas }) =>
      streamEvents(model, content, { deltas, includeUsage: body?.stream_options?.include_usage === true }),
    emptyDelta: (model) => sseEvent(chunk(model, { content: '' })),
    errorEvent: (message) => sseEvent(errorBody(500, { message })),
  },
  {
    path: '/completions',
    whole: ({ model, content }) => ({ ...textCompletion(model, content, 'stop'), usage: usageOf(content) }),
    events: textEvents,
    emptyDelta: (model) => sseEvent(textCompletion(model, '', null)),
    errorEvent: (message) => sseEvent(errorBody(500, { message })),
  },
  {
    path: '/responses',
    whole: ({ model, content }) => response(newId('resp_'), model, message(newId('msg_'), content)),
    events: responseEvents,
    emptyDelta: () => typedEvent({ type: 'response.output_text.delta', ...FIRST_PART, delta: '', logprobs: [] }),
    errorEvent: (text) => typedEvent({ type: 'error', code: 'server_error', message: text, param: null }),
  },
  {
    path: '/embeddings',
    whole: embeddings,
    emptyDelta: () => '',
    errorEvent: (message) => sseEvent(errorBody(500, { message })),
  },
];

const [CHAT] = /** @type {[Endpoint]} */ (/** @type {unknown} */ (ENDPOINTS));

/** @param {string} path May have a query. @returns {Endpoint | undefined} */
function endpointOf(path) {
  const { pathname } = new URL(path, 'http://upstream');
  return ENDPOINTS.find((endpoint) => pathname.endsWith(endpoint.path));
}

/** @param {string} model @param {string} text @param {string | null} finishReason @param {string} [id] */
function textCompletion(model, text, finishReason, id = newId('cmpl-')) {
  const choices = [{ index: 0, text, logprobs: null, finish_reason: finishReason }];
  return { id, object: 'text_completion', created: nowInSeconds(), model, choices };
}

/** @param {Question} question @returns {StreamEvent[]} */
function textEvents({ model, content, body, deltas }) {
  const id = newId('cmpl-');
  const piece = (/** @type {string} */ text, /** @type {string | null} */ finish = null) =>
    textCompletion(model, text, finish, id);
  /** @type {StreamEvent[]} */
  const events = [{ point: 'role', text: sseEvent(piece('')) }];
  splitContent(content, deltas).forEach((text, index) => {
    events.push({ point: index + 1, text: sseEvent(piece(text)) });
  });
  events.push({ point: 'finish', text: sseEvent(piece('', 'stop')) });
  if (body?.stream_options?.include_usage === true)
    events.push({ point: 'usage', text: sseEvent({ ...piece(''), choices: [], usage: usageOf(content) }) });
  events.push({ point: 'done', text: sseEvent('[DONE]') });
  return events;
}

const FIRST_PART = { item_id: 'msg_1', output_index: 0, content_index: 0 };

/** @param {string} text */
const part = (text) => ({ type: 'output_text', text, annotations: [], logprobs: [] });

/** @param {string} id @param {string} [text] Left out while the message is being written. */
function message(id, text) {
  const [status, content] = text === undefined ? ['in_progress', []] : ['completed', [part(text)]];
  return { id, type: 'message', role: 'assistant', status, content };
}

/** @param {string} id @param {string} model @param {ReturnType<typeof message>} [written] Left out at a stream's start. */
function response(id, model, written) {
  return {
    id,
    object: 'response',
    created_at: nowInSeconds(),
    status: written ? 'completed' : 'in_progress',
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model,
    output: written ? [written] : [],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    usage: written ? responseUsage(written.content[0]?.text ?? '') : null,
  };
}

/** @param {string} content */
function responseUsage(content) {
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usageOf(content);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: total,
  };
}

/** @param {{ type: string, [member: string]: unknown }} event */
const typedEvent = (event) => `event: ${event.type}\n${sseEvent(event)}`;

/**
 * Responses end with `response.completed`, which has the usage and is followed by no `[DONE]`: it is the points `finish`, `usage`
 * and `done` at once.
 *
 * @param {Question} question @returns {StreamEvent[]}
 */
function responseEvents({ model, content, deltas }) {
  const id = newId('resp_');
  const at = { ...FIRST_PART, item_id: newId('msg_') };
  const item = { output_index: at.output_index };
  /** @type {StreamEvent[]} */
  const events = [];
  /** @param {StreamEvent["point"]} point @param {string} type @param {object} members */
  const add = (point, type, members) =>
    events.push({ point, text: typedEvent({ type, sequence_number: events.length, ...members }) });

  add(undefined, 'response.created', { response: response(id, model) });
  add(undefined, 'response.in_progress', { response: response(id, model) });
  add(undefined, 'response.output_item.added', { ...item, item: message(at.item_id) });
  add('role', 'response.content_part.added', { ...at, part: part('') });
  splitContent(content, deltas).forEach((delta, index) => {
    add(index + 1, 'response.output_text.delta', { ...at, delta, logprobs: [] });
  });
  add(undefined, 'response.output_text.done', { ...at, text: content, logprobs: [] });
  add(undefined, 'response.content_part.done', { ...at, part: part(content) });
  add(undefined, 'response.output_item.done', { ...item, item: message(at.item_id, content) });
  add(['finish', 'usage', 'done'], 'response.completed', { response: response(id, model, message(at.item_id, content)) }); // prettier-ignore
  return events;
}

/** The same input always gets the same vector. @param {Question} question */
function embeddings({ model, body }) {
  const { input, dimensions = DIMENSIONS, encoding_format: format } = body ?? {};
  // An array of numbers is one input: a text in tokens.
  const inputs = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input];
  const data = inputs.map((each, index) => {
    const vector = vectorOf(JSON.stringify(each) ?? '', dimensions);
    const embedding = format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : Array.from(vector);
    return { object: 'embedding', index, embedding };
  });
  const tokens = usageOf(inputs.join(' ')).completion_tokens;
  return { object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } };
}

/** @param {string} text @param {number} length */
function vectorOf(text, length) {
  const bytes = createHash('sha256').update(text).digest();
  return Float32Array.from({ length }, (_, index) => ((bytes[index % bytes.length] ?? 0) - 127.5) / 127.5);
}

module.exports = { CHAT, endpointOf };
