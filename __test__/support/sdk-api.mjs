/** A deterministic API: the same request always gets the same bytes. */

import { sseEvent } from '../../demo/upstream/payload.mjs';

/** @import { Behaviour, LoggedRequest } from '../../demo/upstream.mjs' */

const HEADERS = { 'content-type': 'application/json', 'x-request-id': 'req_1' };

/** @param {unknown} message @param {string} [finish] */
export const completionOf = (message, finish = 'stop') => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'gpt-4o',
  choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
});

/** @param {object} delta @param {string | null} [finish] */
export const chunkOf = (delta, finish = null) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_700_000_000,
  model: 'gpt-4o',
  choices: [{ index: 0, delta, finish_reason: finish }],
});

/** @param {unknown} json @param {number} [status] @returns {Behaviour} */
export const answering = (json, status = 200) => ({ kind: 'status', status, headers: HEADERS, body: { json } });

/** @param {unknown[]} chunks @returns {Behaviour} */
export const streaming = (chunks) => ({
  kind: 'sse',
  headers: { 'x-request-id': 'req_1' },
  sse: [...chunks.map(sseEvent), sseEvent('[DONE]')],
});

/** @param {string} name @param {string} args @param {string} [id] */
export const toolCall = (name, args, id = 'call_1') => ({ id, type: 'function', function: { name, arguments: args } });

/** A message as a completion, or in pieces, as the request wants it. @param {any} message @param {string} [finish] */
export const saying =
  (message, finish) =>
  (/** @type {LoggedRequest} */ { body }) => {
    if (!body?.stream) return answering(completionOf({ refusal: null, ...message }, finish));
    const { content, tool_calls: calls } = message;
    /** @type {object[]} */
    const deltas = [{ role: 'assistant', content: content === null ? null : '' }];
    for (const piece of content?.match(/.{1,4}/gs) ?? []) deltas.push({ content: piece });
    calls?.forEach((/** @type {any} */ call, /** @type {number} */ index) => {
      const { arguments: args, name } = call.function;
      deltas.push({ tool_calls: [{ index, id: call.id, type: 'function', function: { name, arguments: '' } }] });
      for (const piece of args.match(/.{1,3}/gs))
        deltas.push({ tool_calls: [{ index, function: { arguments: piece } }] });
    });
    return streaming([...deltas.map((delta) => chunkOf(delta)), chunkOf({}, finish ?? 'stop')]);
  };

/** Every other endpoint: says what it was asked. @param {LoggedRequest} request @returns {Behaviour} */
export function echo({ method, path, body }) {
  const { pathname, searchParams } = new URL(path, 'http://upstream');
  if (pathname.endsWith('/embeddings')) {
    const floats = Buffer.from(new Float32Array([0.5, -1]).buffer).toString('base64');
    const embedding = body.encoding_format === 'base64' ? floats : [0.5, -1];
    const data = [body.input].flat().map((_, index) => ({ object: 'embedding', index, embedding }));
    return answering({ object: 'list', data, model: body.model });
  }
  if (pathname.endsWith('/responses') && body?.stream) {
    const event = (/** @type {any} */ data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
    const sse = [
      event({ type: 'response.created', sequence_number: 0, response: { id: 'resp_1', output: [] } }),
      event({
        type: 'response.completed',
        sequence_number: 1,
        response: { id: 'resp_1', status: 'completed', output: [] },
      }),
    ];
    return { kind: 'sse', headers: { 'x-request-id': 'req_1' }, sse };
  }
  if (pathname.endsWith('/content')) {
    return {
      kind: 'status',
      status: 200,
      headers: { 'content-type': 'application/octet-stream' },
      body: { bytes: 'bytes' },
    };
  }
  if (method === 'GET' && /\/(models|files|completions|messages)$/.test(pathname)) {
    const isSecond = searchParams.get('after') === 'b';
    const data = (isSecond ? ['c'] : ['a', 'b']).map((id) => ({ id, object: 'thing' }));
    return answering({ object: 'list', data, has_more: !isSecond });
  }
  const choice = { index: 0, text: 'x', message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' };
  return answering({ id: 'thing_1', object: 'thing', status: 'completed', output: [], choices: [choice] });
}
