/** The SDKs that are used as fallback clients, each with its own copy of its dependencies. */

import Cerebras from '@cerebras/cerebras_cloud_sdk';
import { Stream as CerebrasStream } from '@cerebras/cerebras_cloud_sdk/streaming';
import Groq from 'groq-sdk';
import { Stream as GroqStream } from 'groq-sdk/core/streaming';
import OpenAI6, { AzureOpenAI } from 'openai';
import { Stream as OpenAI6Stream } from 'openai/core/streaming';
import OpenAI5 from 'openai5';
import { Stream as OpenAI5Stream } from 'openai5/core/streaming';
import OpenAI7 from 'openai7';
import { Stream as OpenAI7Stream } from 'openai7/core/streaming';
import OpenPipe from 'openpipe-native';
import Together from 'together-ai';
import { Stream as TogetherStream } from 'together-ai/core/streaming';

/** The key of the custom client. It must reach no other upstream, and the client's upstream must get no other key. */
export const CLIENT_KEY = 'fk-known-to-the-custom-client-only-71ab';

/**
 * @typedef {object} CustomSdk
 * @property {string} name
 * @property {any} classes Where its error classes are: they are static members of the client's class.
 * @property {any} Stream
 * @property {(url: string, more?: Record<string, unknown>) => any} connect Makes a client; `url` ends in `/v1`.
 */

/** @type {CustomSdk[]} */
export const sdks = [
  openai('openai 6', OpenAI6, OpenAI6Stream),
  openai('openai 5', OpenAI5, OpenAI5Stream),
  openai('openai 7', OpenAI7, OpenAI7Stream),
  {
    name: 'AzureOpenAI',
    classes: OpenAI6,
    Stream: OpenAI6Stream,
    connect: (url, more) =>
      new AzureOpenAI({ apiKey: CLIENT_KEY, endpoint: new URL(url).origin, apiVersion: '2024-10-21', ...more }),
  },
  {
    name: 'groq-sdk',
    classes: Groq,
    Stream: GroqStream,
    connect: (url, more) => new Groq({ apiKey: CLIENT_KEY, baseURL: new URL(url).origin, ...more }),
  },
  openai('together-ai', Together, TogetherStream),
  {
    name: '@cerebras/cerebras_cloud_sdk',
    classes: Cerebras,
    Stream: CerebrasStream,
    connect: (url, more) =>
      new Cerebras({ apiKey: CLIENT_KEY, baseURL: new URL(url).origin, warmTCPConnection: false, ...more }),
  },
  {
    name: 'this package',
    classes: OpenPipe,
    Stream: OpenAI6Stream,
    connect: (url, more) =>
      new OpenPipe({ apiKey: CLIENT_KEY, baseURL: url, openpipe: { apiKey: CLIENT_KEY, baseUrl: url }, ...more }),
  },
];

/** A package whose client is made as that of `openai`. @param {string} name @param {any} classes @param {any} Stream @returns {CustomSdk} */
function openai(name, classes, Stream) {
  return {
    name,
    classes,
    Stream,
    connect: (url, more) => new classes({ apiKey: CLIENT_KEY, baseURL: url, ...more }),
  };
}
