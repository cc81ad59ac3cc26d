/** What good answers of each endpoint are made of, by the path of a request. */

import { chunk, completion, sseEvent } from '../../../demo/upstream/payload.mjs';

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
    whole: completion,
    opening: (model) => sseEvent(chunk(model, { role: 'assistant', content: '' })),
    delta: (model, delta) => sseEvent(chunk(model, delta)),
    finish: (model) => sseEvent(chunk(model, {}, 'stop')),
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
    // The letters of the text, so that a test knows whose vector it is.
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
  const name = /\/v1(\/\w.*)$/.exec(path)?.[1] ?? '';
  return SHAPES[name] ?? /** @type {Shape} */ (SHAPES['/chat/completions']);
}
