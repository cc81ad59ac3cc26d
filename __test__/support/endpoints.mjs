/** A description of every endpoint, for tests that run for each of them, and for their programs. */

/** @import OpenAI from 'openpipe-native' */

/** @type {[{ role: 'user', content: string }]} */
export const MESSAGES = [{ role: 'user', content: 'Count to 10' }];

/**
 * How a test calls an endpoint and reads its answers.
 * @typedef {object} EndpointCall
 * @property {(openai: OpenAI) => (body: any, options: any) => PromiseLike<any>} create
 * @property {Record<string, unknown>} body
 * @property {(answer: any) => string} textOf
 * @property {(chunk: any) => string} piece The text of a chunk.
 * @property {(chunk: any) => boolean} opens A chunk that there is once in a stream.
 * @property {(chunk: any) => boolean} ends
 */

/** Every endpoint of the engine. @type {Record<'chat' | 'completions' | 'responses' | 'embeddings', EndpointCall>} */
export const ENDPOINTS = {
  chat: {
    create: (openai) => (body, options) => openai.chat.completions.create(body, options),
    body: { messages: MESSAGES },
    textOf: (answer) => answer.choices[0]?.message.content ?? '',
    piece: (chunk) => chunk.choices[0]?.delta.content ?? '',
    opens: ({ choices }) => Boolean(choices[0]?.delta.role),
    ends: ({ choices }) => Boolean(choices[0]?.finish_reason),
  },
  completions: {
    create: (openai) => (body, options) => openai.completions.create(body, options),
    body: { prompt: 'Count to 10' },
    textOf: (answer) => answer.choices[0]?.text,
    piece: (chunk) => chunk.choices[0]?.text,
    opens: ({ choices }) => choices[0]?.text === '' && !choices[0].finish_reason,
    ends: ({ choices }) => Boolean(choices[0]?.finish_reason),
  },
  responses: {
    create: (openai) => (body, options) => openai.responses.create(body, options),
    body: { input: 'Count to 10' },
    textOf: (answer) => answer.output_text,
    piece: ({ type, delta }) => (type === 'response.output_text.delta' ? delta : ''),
    opens: ({ type }) => type === 'response.created',
    ends: ({ type }) => type === 'response.completed',
  },
  embeddings: {
    create: (openai) => (body, options) => openai.embeddings.create(body, options),
    body: { input: 'Count to 10' },
    textOf: (answer) => String.fromCharCode(...answer.data[0].embedding),
    piece: () => '',
    opens: () => false,
    ends: () => false,
  },
};
