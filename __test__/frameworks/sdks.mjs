/** The frameworks that are installed into this folder, each with the functions that the tests call. */

import { createAzure } from '@ai-sdk/azure';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { createGroq } from '@ai-sdk/groq';
import { createMistral } from '@ai-sdk/mistral';
import { createOpenAI } from '@ai-sdk/openai';
import { ChatDeepSeek } from '@langchain/deepseek';
import { OpenAI as LlamaOpenAI, OpenAIResponses as LlamaResponses } from '@llamaindex/openai';
import { Agent } from '@mastra/core/agent';
import { createTool } from '@mastra/core/tools';
import { tool as llamaTool } from 'llamaindex';

import { double, NUMBER, PROMPT } from '../fetch/sdks/abilities.mjs';
import { ai, KEY, langchain, MESSAGES } from '../fetch/sdks/sdks.mjs';

/** @import { Call, Sdk } from '../fetch/sdks/sdks.mjs' */

/** An agent of Mastra, with a model of the AI SDK. @param {string} name @param {'chat' | 'responses'} api @returns {Sdk} */
function mastra(name, api) {
  const doubling = createTool({
    id: 'double',
    description: 'Doubles.',
    inputSchema: NUMBER,
    execute: async ({ n }) => double(n),
  });
  /** @param {Call} call @param {object} [more] */
  const agent = ({ fetch, url, model }, more) =>
    new Agent({
      id: 'doubler',
      name: 'doubler',
      instructions: 'Double.',
      model: createOpenAI({ apiKey: KEY, baseURL: url, fetch })[api](model),
      ...more,
    });
  return {
    name,
    generate: async (call) => (await agent(call).generate(PROMPT, { abortSignal: call.signal })).text,
    async stream(call) {
      const result = await agent(call).stream(PROMPT, { abortSignal: call.signal });
      let text = '';
      for await (const piece of result.textStream) text += piece;
      if (result.error) throw result.error;
      return text;
    },
    tools: async (call) => (await agent(call, { tools: { double: doubling } }).generate(PROMPT)).text,
    structured: async (call) => (await agent(call).generate(PROMPT, { structuredOutput: { schema: NUMBER } })).object,
  };
}

/** @param {string} name @param {any} Llm @returns {Sdk} */
function llamaindex(name, Llm) {
  /** @param {Call} call */
  const llm = ({ fetch, url, model, signal }) =>
    new Llm({
      model,
      apiKey: KEY,
      maxRetries: 0,
      // It has no place for a signal of one call.
      additionalSessionOptions: { baseURL: url, fetch: signal ? withSignal(fetch, signal) : fetch },
    });
  const doubling = llamaTool({
    name: 'double',
    description: 'Doubles.',
    parameters: NUMBER,
    execute: ({ n }) => double(n),
  });
  const textOf = (/** @type {any} */ content) =>
    typeof content === 'string' ? content : content.map((/** @type {any} */ part) => part.text ?? '').join('');
  return {
    name,
    generate: async (call) => textOf((await llm(call).chat({ messages: MESSAGES })).message.content),
    async stream(call) {
      let text = '';
      for await (const { delta, raw } of await llm(call).chat({ messages: MESSAGES, stream: true })) {
        // Over Responses it repeats the last piece for each event without text.
        if (raw?.choices || raw?.type === 'response.output_text.delta') text += delta;
      }
      return text;
    },
    tools: async (call) =>
      textOf(
        (
          await llm(call)
            .exec({ messages: MESSAGES, tools: [doubling] })
            .then((first) => again(llm(call), first, doubling))
        ).message.content,
      ),
    structured: async (call) =>
      JSON.parse(textOf((await llm(call).chat({ messages: MESSAGES, responseFormat: NUMBER })).message.content)),
  };
}

/** The second step of a tool's loop. @param {any} llm @param {{ newMessages: any[] }} first @param {any} doubling */
const again = (llm, { newMessages }, doubling) =>
  llm.chat({ messages: [...MESSAGES, ...newMessages], tools: [doubling] });

/** @param {any} fetch @param {AbortSignal} signal */
const withSignal = (fetch, signal) => (/** @type {any} */ input, /** @type {any} */ init) => {
  const signals = [signal, init?.signal].filter(Boolean);
  return fetch(input, { ...init, signal: AbortSignal.any(signals) });
};

/** @type {Sdk[]} */
export const SDKS = [
  mastra('@mastra/core', 'chat'),
  llamaindex('@llamaindex/openai', LlamaOpenAI),
  langchain('@langchain/deepseek', ChatDeepSeek),
  ai('@ai-sdk/azure, chat', ({ fetch, url, model }) =>
    createAzure({ apiKey: KEY, baseURL: url.replace(/\/v1$/, ''), fetch }).chat(model),
  ),
  ai('@ai-sdk/groq', ({ fetch, url, model }) => createGroq({ apiKey: KEY, baseURL: url, fetch })(model)),
  ai('@ai-sdk/mistral', ({ fetch, url, model }) => createMistral({ apiKey: KEY, baseURL: url, fetch })(model)),
  ai('@ai-sdk/deepseek', ({ fetch, url, model }) => createDeepSeek({ apiKey: KEY, baseURL: url, fetch })(model)),
];

/** Those that speak Responses. @type {Sdk[]} */
export const RESPONSES_SDKS = [
  mastra('@mastra/core, responses', 'responses'),
  llamaindex('@llamaindex/openai, responses', LlamaResponses),
];
