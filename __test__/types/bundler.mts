// What a bundler sees is the ES module.
import OpenAI, { OpenAI as Named, RateLimitError, toFile } from 'openpipe-native';
import * as sdk from 'openai';

import { expectExactly } from './expect.js';

export const openai: OpenAI = new Named({ openpipe: { fallback: { model: 'gpt-4o' } } });
expectExactly<typeof sdk.RateLimitError>()(RateLimitError);
expectExactly<typeof sdk.toFile>()(toFile);
