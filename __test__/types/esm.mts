// ES modules: the default export, and everything that `openai` exports.
import * as sdk from 'openai';
import cjsSdk = require('openai');
import CjsOpenAI = require('openpipe-native');
import CjsOpenPipe = require('openpipe-native/client');
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
import OpenPipe, { OpenPipe as NamedOpenPipe, type Dataset } from 'openpipe-native/client';
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

// OpenPipe's own API: an instance of either copy stands for its key.
export const openpipes: (typeof OpenPipe)[] = [NamedOpenPipe, CjsOpenPipe, CjsOpenPipe.default];
export const withInstances = [new OpenPipe(), new CjsOpenPipe()].flatMap((instance) => [
  new OpenAI({ openpipe: instance }),
  new CjsOpenAI({ openpipe: instance }),
]);
expectExactly<Promise<Dataset>>()(new OpenPipe().createDataset({ name: 'd' }));
