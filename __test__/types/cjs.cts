// CommonJS: `require` gives the class itself, which has the rest as members.
import OpenAI = require('openpipe-native');
import SamePath = require('openpipe-native/openai');
import sdk = require('openai');
import OpenPipe = require('openpipe-native/client');
import Default, {
  APIPromise,
  AzureOpenAI,
  OpenAI as Named,
  OpenAIError,
  RateLimitError,
  toFile,
} from 'openpipe-native';
import type { ClientOptions, OpenPipeOptions, Uploadable } from 'openpipe-native';
import DefaultOpenPipe, { OpenPipe as NamedOpenPipe, type Dataset } from 'openpipe-native/client';

import { expectExactly } from './expect.js';

const openpipe: OpenPipeOptions = { fallbackClient: new AzureOpenAI({ apiVersion: '2024-10-21' }) };
const options: ClientOptions = { openpipe };
export const openai: OpenAI = new OpenAI(options);
export const same: [typeof SamePath, typeof Default, typeof Named, typeof OpenAI.default, typeof OpenAI.OpenAI] = [
  OpenAI,
  OpenAI,
  OpenAI,
  OpenAI,
  OpenAI,
];
expectExactly<OpenAI>()(new OpenAI.default());
expectExactly<typeof sdk.RateLimitError>()(RateLimitError);
expectExactly<typeof sdk.RateLimitError>()(OpenAI.RateLimitError);
expectExactly<typeof sdk.toFile>()(toFile);
expectExactly<typeof sdk.toFile>()(OpenAI.toFile);

export const promise: APIPromise<OpenAI.OpenPipeChatCompletion> = openai.chat.completions.create({
  model: 'm',
  messages: [],
});
export const uploadable: Promise<Uploadable> = toFile(Buffer.from('x'), 'x.txt');
export const isOurs = (error: unknown) => error instanceof OpenAIError && error.openpipe?.errors;
export const asTypes: [RateLimitError?, Default?, Named?, Default.ChatCompletion?, Default.OpenPipeResult?] = [];

// ES modules are loaded with `import()`, and give the other copy.
export async function dynamic() {
  const { default: EsmOpenAI } = await import('openpipe-native');
  return new OpenAI({ openpipe: { fallbackClient: new EsmOpenAI() } });
}

// OpenPipe's own API.
export const openpipes: [
  typeof DefaultOpenPipe,
  typeof NamedOpenPipe,
  typeof OpenPipe.default,
  typeof OpenPipe.OpenPipe,
] = [OpenPipe, OpenPipe, OpenPipe, OpenPipe];
export const instance: OpenPipe = new DefaultOpenPipe({ apiKey: 'opk' });
export const withInstance = new OpenAI({ openpipe: instance });
expectExactly<Promise<OpenPipe.Dataset>>()(instance.createDataset({ name: 'd' }));
export const named = (dataset: OpenPipe.Dataset): Dataset => dataset;
