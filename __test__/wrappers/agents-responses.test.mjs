/** `@openai/agents` with its default API, Responses: a tool loop whose second step the fallback takes. */

import { Agent, OpenAIResponsesModel, run, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openpipe-native';
import { beforeAll, expect } from 'vitest';
import { z } from 'zod';

import { OPENAI_KEY } from '../support/keys.mjs';
import { answering } from '../support/sdk-api.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

beforeAll(() => {
  // Its traces would go to OpenAI.
  setTracingDisabled(true);
});

const double = tool({
  name: 'double',
  description: 'Doubles a number.',
  parameters: z.object({ n: z.number() }),
  execute: async ({ n }) => String(n * 2),
});

/** A step of the loop, by how many results of tools there are: a call, another one, the answer. @param {any} request @returns {Behaviour} */
const step = ({ body }) => {
  const results = body.input.filter((/** @type {any} */ { type }) => type === 'function_call_output');
  const { length } = results;
  const call = {
    type: 'function_call',
    id: `fc_${length}`,
    call_id: `call_${length}`,
    name: 'double',
    arguments: JSON.stringify({ n: 10 + length }),
    status: 'completed',
  };
  const content = [{ type: 'output_text', text: `It is ${results.at(-1)?.output}.`, annotations: [] }];
  const answer = { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content };
  const reasoning = { type: 'reasoning', id: `rs_${length}`, summary: [], encrypted_content: 'sealed' };
  const response = {
    id: `resp_agent_${length}`,
    object: 'response',
    created_at: 1,
    status: 'completed',
    error: null,
    model: body.model,
    output: [reasoning, length < 2 ? call : answer],
    usage: {
      input_tokens: 1,
      output_tokens: 1,
      total_tokens: 2,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens_details: { reasoning_tokens: 0 },
    },
  };
  if (!body.stream) return answering(response);
  const item = response.output[1];
  const events = [
    { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
    { type: 'response.output_item.added', output_index: 1, item },
    { type: 'response.output_item.done', output_index: 1, item },
    { type: 'response.completed', response },
  ];
  const sse = events.map((event, index) => {
    const data = JSON.stringify({ sequence_number: index, ...event });
    return `event: ${event.type}\ndata: ${data}\n\n`;
  });
  return { kind: 'sse', sse };
};

for (const stream of [false, true]) {
  test(`an agent's second step is answered by the fallback, without the items that the primary issued (stream: ${stream})`, async ({
    serve,
  }) => {
    let calls = 0;
    const second = (/** @type {any} */ request) =>
      (calls += 1) === 2 ? answering({ error: { message: 'Down.' } }, 500) : step(request);
    const [primary, other] = await Promise.all([serve(second), serve(step)]);
    const openai = new OpenAI({
      apiKey: OPENAI_KEY,
      baseURL: primary.url,
      openpipe: { upstreams: { other: { baseURL: other.url, apiKey: 'k2' } }, fallback: { model: 'other:m2' } },
    });
    const model = new OpenAIResponsesModel(/** @type {any} */ (openai), 'm');
    const agent = new Agent({ name: 'doubler', model, tools: [double] });
    const result = stream ? await run(agent, 'Double.', { stream: true }) : await run(agent, 'Double.');
    if ('completed' in result) await result.completed;

    expect(result.finalOutput).toBe('It is 22.');
    expect(primary.requests).toHaveLength(3);
    expect(other.requests).toHaveLength(1);
    const types = (/** @type {any} */ { body }) => body.input.map((/** @type {any} */ item) => item.type ?? 'message');
    expect(types(primary.requests[1])).toContain('reasoning');
    const sent = other.requests[0];
    expect(types(sent)).not.toContain('reasoning');
    expect(sent?.body.input.filter((/** @type {any} */ item) => 'id' in item || 'encrypted_content' in item)).toEqual(
      [],
    );
    expect(sent?.body.input.at(-1)).toMatchObject({ type: 'function_call_output', call_id: 'call_0' });
  });
}
