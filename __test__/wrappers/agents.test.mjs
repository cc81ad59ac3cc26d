/** `@openai/agents` with a client of ours as its default. */

import {
  Agent, OpenAIChatCompletionsModel, run, setDefaultOpenAIClient, setOpenAIAPI, setTracingDisabled, tool,
} from '@openai/agents'; // prettier-ignore
import { beforeAll, describe, expect } from 'vitest';
import { z } from 'zod';

import { PRIMARY, chats } from '../support/upstreams.mjs';
import { saying, toolCall } from '../support/sdk-api.mjs';
import { FAILING, test, TEXT } from '../support/through-fallback.mjs';

beforeAll(() => {
  // Its traces would go to OpenAI.
  setTracingDisabled(true);
  setOpenAIAPI('chat_completions');
});

const double = tool({
  name: 'double',
  description: 'Doubles a number.',
  parameters: z.object({ n: z.number() }),
  execute: async ({ n }) => String(n * 2),
});

/** @type {import('../support/upstreams.mjs').Doing} Asks for the tool, then tells its result. */
const withTool = (request) => {
  const result = request.body.messages.find((/** @type {any} */ { role }) => role === 'tool');
  const message = result
    ? { role: 'assistant', content: `It is ${result.content}.` }
    : { role: 'assistant', content: null, tool_calls: [toolCall('double', '{"n":21}')] };
  return saying(message, result ? 'stop' : 'tool_calls')(request);
};

describe('an agent', () => {
  test('of the default client is answered by the fallback', async ({ fallingBack }) => {
    const { openai, fallback } = await fallingBack();
    setDefaultOpenAIClient(/** @type {any} */ (openai));
    const agent = new Agent({ name: 'counter', instructions: 'Count.', model: PRIMARY });
    const result = await run(agent, 'Count to 10');
    expect(result.finalOutput).toBe(TEXT);
    expect(chats(fallback)).toHaveLength(1);
  });

  test('of a model of its own streams from the fallback', async ({ fallingBack }) => {
    const { openai } = await fallingBack();
    const model = new OpenAIChatCompletionsModel(/** @type {any} */ (openai), PRIMARY);
    const result = await run(new Agent({ name: 'counter', model }), 'Count to 10', { stream: true });
    let text = '';
    for await (const piece of result.toTextStream()) text += piece;
    await result.completed;
    expect(text).toBe(TEXT);
    expect(result.finalOutput).toBe(TEXT);
  });

  for (const stream of [false, true]) {
    test(`calls its tools (stream: ${stream})`, async ({ fallingBack }) => {
      const { openai, fallback } = await fallingBack({ fallback: withTool });
      const model = new OpenAIChatCompletionsModel(/** @type {any} */ (openai), PRIMARY);
      const agent = new Agent({ name: 'doubler', model, tools: [double] });
      const result = stream ? await run(agent, 'Double 21', { stream: true }) : await run(agent, 'Double 21');
      if ('completed' in result) await result.completed;
      expect(result.finalOutput).toBe('It is 42.');
      expect(chats(fallback)).toHaveLength(2);
    });
  }

  test('gets the error of the last target', async ({ fallingBack }) => {
    const { openai } = await fallingBack({ fallback: FAILING, maxRetries: 0 });
    const model = new OpenAIChatCompletionsModel(/** @type {any} */ (openai), PRIMARY);
    await expect(run(new Agent({ name: 'counter', model }), 'Count')).rejects.toMatchObject({ status: 500 });
  });
});
