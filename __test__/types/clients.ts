// Whatever has `chat.completions.create` is a fallback client, of whatever package, version and module format,
// without a cast.
import Sdk, { AzureOpenAI } from 'openai';
import OpenAI, { type CustomClient, type FallbackClient } from 'openpipe-native';
import Sdk5, { AzureOpenAI as AzureOpenAI5 } from 'openai5';
import Sdk7, { AzureOpenAI as AzureOpenAI7 } from 'openai7';

import { expectExactly } from './expect.js';

export const clients: FallbackClient[] = [
  new OpenAI(),
  new Sdk(),
  new Sdk5(),
  new Sdk7(),
  new AzureOpenAI({ apiVersion: '2024-10-21' }),
  new AzureOpenAI5({ apiVersion: '2024-10-21' }),
  new AzureOpenAI7({ apiVersion: '2024-10-21' }),
  // A wrapper of one's own, typed by the SDK …
  {
    chat: {
      completions: {
        create: (body: OpenAI.Chat.ChatCompletionCreateParamsNonStreaming) => new Sdk().chat.completions.create(body),
      },
    },
  },
  // … or by this package.
  {
    chat: {
      completions: {
        async create(body, options) {
          expectExactly<string>()(body.model);
          expectExactly<AbortSignal | undefined>()(options?.signal);
          return { choices: [], usage: body['max_tokens'] };
        },
      },
    },
  },
  {
    chat: {
      completions: {
        create: async ({ model, messages }, { timeout, maxRetries } = {}) => ({
          choices: [model, messages, timeout, maxRetries],
        }),
      },
    },
  },
];

export const openai = new OpenAI({
  openpipe: {
    fallbackClient: new Sdk(),
    fallback: [
      { model: 'gpt-4o', client: new AzureOpenAI({ apiVersion: '2024-10-21' }) },
      { model: 'gpt-4o', client: new Sdk5() },
      { model: 'gpt-4o', client: new Sdk7() },
    ],
  },
});

// And ours stands wherever the SDK's is asked for.
export const sdks: Sdk = openai;
export class Mine extends OpenAI {
  protected override async prepareOptions() {}
}
export const sdksClass: typeof Sdk = OpenAI;

// One of the four methods is enough.
export const ofOneEndpoint: CustomClient[] = [
  { responses: new OpenAI().responses },
  { embeddings: { create: async () => ({ data: [] }) } },
  { completions: { create: async () => ({ choices: [] }) } },
  new OpenAI(),
];
new OpenAI({ openpipe: { fallbackClient: { embeddings: new OpenAI().embeddings } } });
// @ts-expect-error none of them is too little
new OpenAI({ openpipe: { fallbackClient: { models: {} } } });
