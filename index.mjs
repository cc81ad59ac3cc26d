// The ESM entry: the class on top of the ESM copy of `openai`, with everything else that `openai` exports.

import * as sdk from 'openai';
import { Stream } from 'openai/streaming';

import library from './lib/sdk/for-esm.js';

export const OpenAI = library.defineClient({ ...sdk, OpenAI: sdk.OpenAI, Stream });
export default OpenAI;
export * from 'openai';
