// `createFetch` where each SDK takes a `fetch`, under that SDK's own types.
import Cerebras from '@cerebras/cerebras_cloud_sdk';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { OpenAIChatCompletionsModel, OpenAIResponsesModel, setDefaultOpenAIClient } from '@openai/agents';
import Groq from 'groq-sdk';
import OpenAI from 'openai';
import OpenAI5 from 'openai5';
import OpenAI7 from 'openai7';
import { createFetch } from 'openpipe-native/fetch';
import Together from 'together-ai';
import { fetch as undiciFetch } from 'undici';

const fetch = createFetch({ fallback: { model: 'gpt-4o-mini' } });

export const clients = [
  new OpenAI({ fetch }),
  new OpenAI5({ fetch }),
  new OpenAI7({ fetch }),
  new Groq({ fetch }),
  new Together({ fetch }),
  // Its types are those of node-fetch; what it does with a response the platform’s can as well.
  new Cerebras({ fetch: fetch as any }),
];
export const models = [
  createOpenAI({ fetch }).chat('m'),
  createOpenAI({ fetch }).responses('m'),
  createOpenAICompatible({ name: 'x', baseURL: 'https://example.com/v1', fetch })('m'),
  new ChatOpenAI({ model: 'm', maxRetries: 0, configuration: { fetch } }),
  new OpenAIEmbeddings({ model: 'm', configuration: { fetch } }),
];
// It takes the client of the `openai` that it was installed with, which is not the one here.
const agents: any = new OpenAI({ fetch, maxRetries: 0 });
setDefaultOpenAIClient(agents);
export const agentModels = [new OpenAIChatCompletionsModel(agents, 'm'), new OpenAIResponsesModel(agents, 'm')];

/** The `fetch` below may be any package's. */
export const below = createFetch({ fetch: undiciFetch as any });
