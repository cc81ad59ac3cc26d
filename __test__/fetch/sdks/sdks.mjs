/** The SDKs that take a `fetch`, each with the functions that the tests call. */

import {
  Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, run, setTracingDisabled, tool as agentTool,
} from '@openai/agents'; // prettier-ignore
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { tool as chainTool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import Groq from 'groq-sdk';
import OpenAI from 'openai';
import OpenAI5 from 'openai5';
import OpenAI7 from 'openai7';

import { double, NUMBER, PROMPT } from './abilities.mjs';

// Traces would go to OpenAI.
setTracingDisabled(true);

/**
 * How one call of an SDK is made.
 * @typedef {object} Call
 * @property {any} fetch
 * @property {string} url The base URL.
 * @property {string} model
 * @property {AbortSignal} [signal]
 */

/**
 * @typedef {object} Sdk
 * @property {string} name
 * @property {(call: Call) => Promise<unknown>} generate
 * @property {(call: Call) => Promise<unknown>} stream
 * @property {(call: Call) => Promise<unknown>} tools
 * @property {(call: Call) => Promise<unknown>} structured
 */

export const KEY = 'sk-of-an-sdk-0123456789';
export const MESSAGES = /** @type {any} */ ([{ role: 'user', content: PROMPT }]);
const PARAMETERS = {
  type: 'object',
  properties: { n: { type: 'number' } },
  required: ['n'],
  additionalProperties: false,
};
const DOUBLE = /** @type {any} */ ({ type: 'function', function: { name: 'double', parameters: PARAMETERS } });
const SCHEMA = /** @type {any} */ ({
  type: 'json_schema',
  json_schema: { name: 'number', strict: true, schema: PARAMETERS },
});

/** A client in the shape of `openai`. @param {string} name @param {(call: Call) => any} clientOf @returns {Sdk} */
export function client(name, clientOf) {
  /** @param {Call} call @param {object} more */
  const create = (call, more) =>
    clientOf(call).chat.completions.create({ model: call.model, messages: MESSAGES, ...more }, { signal: call.signal });
  return {
    name,
    generate: async (call) => (await create(call, {})).choices[0].message.content,
    async stream(call) {
      let text = '';
      for await (const chunk of await create(call, { stream: true })) text += chunk.choices[0]?.delta.content ?? '';
      return text;
    },
    async tools(call) {
      const { message } = (await create(call, { tools: [DOUBLE] })).choices[0];
      const [asked] = message.tool_calls;
      const result = { role: 'tool', tool_call_id: asked.id, content: double(JSON.parse(asked.function.arguments).n) };
      const messages = [...MESSAGES, message, result];
      return (await create(call, { messages, tools: [DOUBLE] })).choices[0].message.content;
    },
    structured: async (call) =>
      JSON.parse((await create(call, { response_format: SCHEMA })).choices[0].message.content),
  };
}

/** @param {any} OpenAI @returns {(call: Call) => any} */
const openai = (OpenAI) => ({ fetch, url }) => new OpenAI({ apiKey: KEY, baseURL: url, fetch }); // prettier-ignore

/** A model of the AI SDK. @param {string} name @param {(call: Call) => any} modelOf @returns {Sdk} */
export function ai(name, modelOf) {
  const of = (/** @type {Call} */ call) => ({ model: modelOf(call), prompt: PROMPT, abortSignal: call.signal });
  return {
    name,
    generate: async (call) => (await generateText(of(call))).text,
    async stream(call) {
      /** @type {unknown} */
      let failed;
      const { textStream } = streamText({ ...of(call), onError: ({ error }) => void (failed = error) });
      let text = '';
      for await (const piece of textStream) text += piece;
      if (failed) throw failed;
      return text;
    },
    async tools(call) {
      const doubling = tool({ inputSchema: NUMBER, execute: async ({ n }) => double(n) });
      return (await generateText({ ...of(call), tools: { double: doubling }, stopWhen: stepCountIs(3) })).text;
    },
    structured: async (call) => (await generateText({ ...of(call), output: Output.object({ schema: NUMBER }) })).output,
  };
}

/** A chat model of LangChain. @param {string} name @param {any} Chat @returns {Sdk} */
export function langchain(name, Chat) {
  /** @param {Call} call @returns {ChatOpenAI} */
  const chat = ({ fetch, url, model }) => new Chat({ model, apiKey: KEY, configuration: { baseURL: url, fetch } });
  return {
    name,
    generate: async (call) => (await chat(call).invoke(PROMPT, { signal: call.signal })).content,
    async stream(call) {
      let text = '';
      for await (const chunk of await chat(call).stream(PROMPT, { signal: call.signal })) text += chunk.content;
      return text;
    },
    async tools(call) {
      const schema = /** @type {any} */ (NUMBER);
      const doubling = chainTool(async ({ n }) => double(n), { name: 'double', description: 'Doubles.', schema });
      const model = chat(call).bindTools([doubling]);
      const asked = await model.invoke(PROMPT);
      const result = await doubling.invoke(/** @type {any} */ (asked.tool_calls?.[0]));
      return (await model.invoke(/** @type {any} */ ([...MESSAGES, asked, result]))).content;
    },
    structured: (call) =>
      chat(call)
        .withStructuredOutput(/** @type {any} */ (NUMBER), { name: 'number', method: 'jsonSchema' })
        .invoke(PROMPT),
  };
}

/** @param {string} name @param {typeof OpenAIChatCompletionsModel | typeof OpenAIResponsesModel} Model @returns {Sdk} */
function agents(name, Model) {
  /** @param {Call} call @param {object} [more] */
  const agent = (call, more) => {
    const model = new Model(/** @type {any} */ (openai(OpenAI)(call)), call.model);
    return new Agent({ name: 'doubler', model, ...more });
  };
  const doubling = agentTool({
    name: 'double',
    description: 'Doubles.',
    parameters: NUMBER,
    execute: async ({ n }) => double(n),
  });
  return {
    name,
    generate: async (call) => (await run(agent(call), PROMPT, { signal: call.signal })).finalOutput,
    async stream(call) {
      const result = await run(agent(call), PROMPT, { stream: true, signal: call.signal });
      let text = '';
      for await (const piece of result.toTextStream()) text += piece;
      await result.completed;
      return text;
    },
    tools: async (call) => (await run(agent(call, { tools: [doubling] }), PROMPT)).finalOutput,
    structured: async (call) => (await run(agent(call, { outputType: NUMBER }), PROMPT)).finalOutput,
  };
}

/** @type {Sdk[]} */
export const SDKS = [
  client('openai 6', openai(OpenAI)),
  client('openai 5', openai(OpenAI5)),
  client('openai 7', openai(OpenAI7)),
  client('groq-sdk', ({ fetch, url }) => new Groq({ apiKey: KEY, baseURL: url.replace(/\/v1$/, ''), fetch })),
  ai('ai + @ai-sdk/openai, chat', ({ fetch, url, model }) =>
    createOpenAI({ apiKey: KEY, baseURL: url, fetch }).chat(model),
  ),
  ai('ai + @ai-sdk/openai-compatible', ({ fetch, url, model }) =>
    createOpenAICompatible({ name: 'x', apiKey: KEY, baseURL: url, fetch, supportsStructuredOutputs: true })(model),
  ),
  langchain('@langchain/openai', ChatOpenAI),
  agents('@openai/agents', OpenAIChatCompletionsModel),
];

/** Those that speak Responses. @type {Sdk[]} */
export const RESPONSES_SDKS = [
  ai('ai + @ai-sdk/openai, responses', ({ fetch, url, model }) =>
    createOpenAI({ apiKey: KEY, baseURL: url, fetch }).responses(model),
  ),
  agents('@openai/agents, responses', OpenAIResponsesModel),
];
