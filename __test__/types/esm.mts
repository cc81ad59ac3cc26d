// ES modules: the default export, and everything that `openai` exports.
import * as sdk from 'openai';
import cjsSdk = require('openai');
import CjsOpenAI = require('openpipe-native');
import OpenAI, {
  APIPromise,
  AzureOpenAI,
  OpenAI as Named,
  OpenAIError,
  RateLimitError,
  toFile,
  type ClientOptions,
  type Uploadable,
} from 'openpipe-native';
import * as everything from 'openpipe-native';
import SamePath, { type OpenPipeOptions } from 'openpipe-native/openai';

import { expectExactly } from './expect.js';

const openpipe: OpenPipeOptions = { fallbackClient: new AzureOpenAI({ apiVersion: '2024-10-21' }) };
const options: ClientOptions = { openpipe };
export const openai: OpenAI = new OpenAI(options);
export const same: [typeof Named, typeof SamePath, typeof everything.default] = [OpenAI, OpenAI, OpenAI];
expectExactly<typeof sdk.RateLimitError>()(RateLimitError);
expectExactly<typeof sdk.RateLimitError>()(OpenAI.RateLimitError);
expectExactly<typeof sdk.toFile>()(toFile);

// One copy's class is not the other's, but each is a client to the other.
export const fallbacks = [new cjsSdk.OpenAI(), new CjsOpenAI(), new sdk.OpenAI()].map(
  (client) => new OpenAI({ openpipe: { fallbackClient: client } }),
);
export const other = new CjsOpenAI({ openpipe: { fallbackClient: openai } });
// @ts-expect-error the CommonJS copy's class
expectExactly<typeof sdk.RateLimitError>()(CjsOpenAI.RateLimitError);

export const promise: APIPromise<OpenAI.OpenPipeChatCompletion> = openai.chat.completions.create({
  model: 'm',
  messages: [],
});
export const uploadable: Promise<Uploadable> = toFile(Buffer.from('x'), 'x.txt');
export const isOurs = (error: unknown) => error instanceof OpenAIError && error.openpipe?.errors;
