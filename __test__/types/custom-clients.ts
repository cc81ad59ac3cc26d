// The clients of other vendors as fallback clients. Compiled only where all of them are installed.
import Cerebras from '@cerebras/cerebras_cloud_sdk';
import Groq from 'groq-sdk';
import OpenAI, { type FallbackClient } from 'openpipe-native';
import Together from 'together-ai';

export const clients: FallbackClient[] = [new Groq(), new Together(), new Cerebras()];
export const openai = new OpenAI({
  openpipe: { fallbackClient: new Groq(), fallback: { model: 'llama-3.3-70b', client: new Together() } },
});
