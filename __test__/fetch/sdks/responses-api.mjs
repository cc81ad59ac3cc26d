/** The answers of an API that speaks Responses, as a whole or as events, as the request wants them. */

import { answering } from '../../support/sdk-api.mjs';
import { SAID } from './abilities.mjs';

/** @import { Behaviour, LoggedRequest } from '../../../demo/upstream.mjs' */

const USAGE = {
  input_tokens: 1,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 2,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 3,
};

/** @param {string} model @param {any[]} output @param {string} [status] */
const responseOf = (model, output, status = 'completed') => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  status,
  model,
  output,
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
  usage: status === 'completed' ? USAGE : null,
});

/** @param {string} text */
const part = (text) => ({ type: 'output_text', text, annotations: [] });
/** @param {string} text @param {string} [status] */
const message = (text, status = 'completed') => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  status,
  content: status === 'completed' ? [part(text)] : [],
});
/** @param {string} args @param {string} [status] */
const toolCall = (args, status = 'completed') => ({
  id: 'fc_1',
  type: 'function_call',
  call_id: 'call_1',
  name: 'double',
  arguments: args,
  status,
});

/** @param {any[]} events @param {number} [first] The number of the first. */
export const written = (events, first = 0) =>
  events.map((event, index) => {
    const numbered = { type: event.type, sequence_number: first + index, ...event };
    return `event: ${event.type}\ndata: ${JSON.stringify(numbered)}\n\n`;
  });

/** What a stream begins with, before any content. @param {string} model */
export const opening = (model) => [
  { type: 'response.created', response: responseOf(model, [], 'in_progress') },
  { type: 'response.in_progress', response: responseOf(model, [], 'in_progress') },
];

/** @param {string} text */
export function textEvents(text) {
  const at = { item_id: 'msg_1', output_index: 0 };
  return [
    { type: 'response.output_item.added', output_index: 0, item: message('', 'in_progress') },
    { type: 'response.content_part.added', ...at, content_index: 0, part: part('') },
    ...(text.match(/.{1,4}/gs) ?? []).map((delta) => ({
      type: 'response.output_text.delta',
      ...at,
      content_index: 0,
      delta,
      logprobs: [],
    })),
    { type: 'response.output_text.done', ...at, content_index: 0, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, content_index: 0, part: part(text) },
    { type: 'response.output_item.done', output_index: 0, item: message(text) },
  ];
}

/** @param {LoggedRequest} request @param {any} item @param {any[]} events @returns {Behaviour} */
function answer({ body }, item, events) {
  if (!body.stream) return answering(responseOf(body.model, [item]));
  const completed = { type: 'response.completed', response: responseOf(body.model, [item]) };
  return { kind: 'sse', sse: written([...opening(body.model), ...events, completed]) };
}

/** @param {LoggedRequest} request @param {string} [text] */
const saying = (request, text = SAID) => answer(request, message(text), textEvents(text));

/** What a good target answers, by what was asked. */
export const ANSWERS = {
  generate: (/** @type {LoggedRequest} */ request) => saying(request),
  stream: (/** @type {LoggedRequest} */ request) => saying(request),
  structured: (/** @type {LoggedRequest} */ request) => saying(request, '{"n":42}'),
  /** Calls the tool, then answers with its result. @param {LoggedRequest} request */
  tools(request) {
    const result = request.body.input.find((/** @type {any} */ { type }) => type === 'function_call_output');
    return result
      ? saying(request, SAID.replace('42', String(result.output)))
      : answer(request, toolCall('{"n":21}'), []);
  },
};

/** What goes wrong with the first target. @type {{ name: string, behaviour: Behaviour, outcome: string, onlyStreams?: boolean }[]} */
export const FAULTS = [
  { name: '429', behaviour: { kind: 'status', status: 429 }, outcome: 'rate_limit' },
  { name: '500', behaviour: { kind: 'status', status: 500 }, outcome: 'server_error' },
  { name: 'silence', behaviour: { kind: 'silence' }, outcome: 'timeout' },
  {
    name: 'a stream that is cut before its content',
    behaviour: { kind: 'sse', sse: written(opening('m')) },
    outcome: 'stream',
    onlyStreams: true,
  },
  {
    name: 'an error in the stream before its content',
    behaviour: {
      kind: 'sse',
      sse: written([...opening('m'), { type: 'error', code: 'server_error', message: 'overloaded', param: null }]),
    },
    outcome: 'server_error',
    onlyStreams: true,
  },
];

const begun = [...opening('m'), ...textEvents(SAID).slice(0, 4)];
const failed = { ...responseOf('m', [], 'failed'), error: { code: 'server_error', message: 'overloaded' } };

/** What goes wrong with a stream after its content has begun. @type {{ name: string, behaviour: Behaviour }[]} */
export const LATE_FAULTS = [
  { name: 'is cut', behaviour: { kind: 'sse', sse: written(begun), then: 'reset' } },
  { name: 'falls silent', behaviour: { kind: 'sse', sse: written(begun), then: 'hang' } },
  {
    name: 'carries an error',
    behaviour: {
      kind: 'sse',
      sse: written([...begun, { type: 'error', code: 'server_error', message: 'overloaded', param: null }]),
    },
  },
  {
    name: 'says that it has failed',
    behaviour: { kind: 'sse', sse: written([...begun, { type: 'response.failed', response: failed }]) },
  },
];
