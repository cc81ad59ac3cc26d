/** The good answers of each endpoint, by the path of a request. The same request always gets the same bytes. */

import { completionOf, chunkOf } from './sdk-api.mjs';
import { sseEvent } from '../../demo/upstream/payload.mjs';

/** @import { Behaviour, LoggedRequest } from '../../demo/upstream.mjs' */

/**
 * @typedef {object} Shape
 * @property {(model: string, text: string) => unknown} whole An answer in one piece.
 * @property {(model: string, text: string) => string} opening An event that opens a stream, and is no content.
 * @property {(model: string, delta: Record<string, any>) => string} delta An event with a piece of the text, as chat has it.
 * @property {(model: string, text: string) => string} finish The event that ends it well.
 */

/** @param {string} model @param {string} text @param {string | null} finish */
const textCompletion = (model, text, finish) => ({
  ...{ id: 'cmpl-1', object: 'text_completion', created: 1_700_000_000, model },
  choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
});

/** @param {string} model @param {string} text @param {string} status */
const response = (model, text, status) => ({
  ...{ id: 'resp_1', object: 'response', created_at: 1_700_000_000, status, error: null, model },
  output: text
    ? [{ id: 'msg_1', type: 'message', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] }]
    : [],
});

/** @param {any} event */
const named = (event) => `event: ${event.type}\n${sseEvent(event)}`;

/** @type {Record<string, Shape>} */
const SHAPES = {
  '/chat/completions': {
    whole: (model, content) => ({ ...completionOf({ role: 'assistant', content, refusal: null }), model }),
    opening: (model) => sseEvent({ ...chunkOf({ role: 'assistant', content: '' }), model }),
    delta: (model, delta) => sseEvent({ ...chunkOf(delta), model }),
    finish: (model) => sseEvent({ ...chunkOf({}, 'stop'), model }),
  },
  '/completions': {
    whole: (model, text) => textCompletion(model, text, 'stop'),
    opening: (model) => sseEvent(textCompletion(model, '', null)),
    delta: (model, { content = '' }) => sseEvent(textCompletion(model, content, null)),
    finish: (model) => sseEvent(textCompletion(model, '', 'stop')),
  },
  '/responses': {
    whole: (model, text) => response(model, text, 'completed'),
    opening: (model) => named({ type: 'response.created', response: response(model, '', 'in_progress') }),
    delta: (_, { content = '' }) =>
      named({
        type: 'response.output_text.delta',
        item_id: 'msg_1',
        output_index: 0,
        content_index: 0,
        delta: content,
      }),
    finish: (model, text) => named({ type: 'response.completed', response: response(model, text, 'completed') }),
  },
  '/embeddings': {
    // The letters of the text, so that a test can tell which input a vector belongs to.
    whole: (model, text) => ({
      ...{ object: 'list', model },
      data: [{ object: 'embedding', index: 0, embedding: Array.from(text, (letter) => letter.charCodeAt(0)) }],
    }),
    opening: () => '',
    delta: () => '',
    finish: () => '',
  },
};

/** @param {string} path The whole path of a request. @returns {Shape} */
export function shapeOf(path) {
  const name = /\/v1(\/\w[^?]*)/.exec(path)?.[1] ?? '';
  return SHAPES[name] ?? /** @type {Shape} */ (SHAPES['/chat/completions']);
}

/** All events of a good stream. @param {string} path @param {string} model @param {string} text */
export function eventsOf(path, model, text) {
  const shape = shapeOf(path);
  const words = text.match(/\S+\s*/g) ?? [];
  const deltas = words.map((content) => shape.delta(model, { content }));
  return [shape.opening(model, text), ...deltas, shape.finish(model, text), sseEvent('[DONE]')];
}

/** The text of every good answer. */
export const GOOD_TEXT = 'One, two, three, and so on.';

/** A good answer of any endpoint. @param {LoggedRequest} request @returns {Behaviour} */
export function goodAnswer({ path, body }) {
  const headers = { 'content-type': 'application/json', 'x-request-id': 'req_1' };
  if (body.stream) {
    return { kind: 'sse', headers: { 'x-request-id': 'req_1' }, sse: eventsOf(path, body.model, GOOD_TEXT) };
  }
  /** @type {any} */
  const answer = shapeOf(path).whole(body.model, GOOD_TEXT);
  if (body.encoding_format === 'base64') {
    for (const item of answer.data) {
      item.embedding = Buffer.from(new Float32Array(item.embedding).buffer).toString('base64');
    }
  }
  return { kind: 'status', status: 200, headers, body: { json: answer } };
}
