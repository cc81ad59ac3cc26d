// Errors are the SDK's own classes, and tell how the call went.
import OpenAI, {
  APIConnectionTimeoutError,
  APIError,
  RateLimitError,
  type OpenPipeError,
  type OpenPipeErrorInfo,
} from 'openpipe-native';

import { expectExactly } from './expect.js';

export async function handling(openai: OpenAI) {
  try {
    return await openai.chat.completions.create({ model: 'm', messages: [] });
  } catch (error) {
    if (error instanceof OpenAI.RateLimitError) {
      expectExactly<429>()(error.status);
      expectExactly<OpenPipeErrorInfo | undefined>()(error.openpipe);
      return error.headers.get('retry-after');
    }
    if (error instanceof APIConnectionTimeoutError)
      return error.openpipe?.attempts.map((attempt) => attempt.durationMs);
    if (error instanceof OpenAI.APIUserAbortError) return error.message;
    if (error instanceof OpenAI.APIError) {
      for (const each of error.openpipe?.errors ?? []) {
        expectExactly<unknown>()(each);
        if (each instanceof RateLimitError) return each.requestID;
      }
      return error.openpipe?.servedBy;
    }
    // A custom client's own error, as it was thrown.
    return (error as OpenPipeError).openpipe?.errors;
  }
}

// The named classes are types as well, and the same as the statics.
export const rateLimit: typeof RateLimitError = OpenAI.RateLimitError;
export function describe(error: RateLimitError | APIError): string {
  return `${error.status} ${error.code} ${error.openpipe?.model}`;
}
