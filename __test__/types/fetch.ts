// `createFetch`: its options, what it returns, and `openai`'s client above it.
import OpenAI from 'openai';
import createFetchByDefault, {
  createFetch,
  type CreateFetchOptions,
  type FetchTarget,
  type OpenPipeFetch,
  type OpenPipeResponse,
} from 'openpipe-native/fetch';
import type { Attempt, FlushResult, OpenPipeOptions } from 'openpipe-native';

import { expectExactly } from './expect.js';

export const fetch: OpenPipeFetch = createFetch();
export const same: typeof createFetch = createFetchByDefault;

const target: FetchTarget = { model: 'gpt-4o-mini', upstream: 'groq', timeout: 20_000, on: ['rate_limit', 503] };
const options: CreateFetchOptions = {
  fallback: [target, { model: 'gpt-4o', params: { temperature: 0 }, omit: ['seed'] }],
  timeout: 10_000,
  maxRetries: 1,
  firstTokenTimeout: Infinity,
  upstreams: { groq: {}, local: { baseURL: 'http://127.0.0.1:8000/v1', apiKey: null } },
  aliases: { smart: 'groq:llama-3.3-70b-versatile' },
  fetch: globalThis.fetch,
  match: (url) => url.host === 'api.openai.com' && url.startsWith('https://') && !url.includes('/beta/'),
  onFailure: 'reject',
  headers: false,
  allowInBody: ['tags', 'deadline'],
  logger: console,
  logLevel: 'warn',
  onFallback: ({ from, to }) => {
    expectExactly<Attempt>()(from);
    expectExactly<string>()(to.model);
  },
};
export const all: OpenPipeFetch[] = [
  createFetch(options),
  createFetch({ fallback: null }),
  createFetch({ fallback: false }),
  createFetch({ fallback: undefined, timeout: undefined, match: undefined }),
];

// One object serves the class and `createFetch`.
const policy = { fallback: [{ model: 'gpt-4o-mini' }], deadline: 60_000, tags: { app: 'x' } } satisfies OpenPipeOptions;
export const shared: OpenPipeFetch = createFetch({ ...policy, timeout: 10_000 });

// It stands wherever the platform's `fetch` does, and where an SDK takes one.
export const platform: typeof globalThis.fetch = fetch;
export const openai = new OpenAI({ fetch, maxRetries: 0 });

export async function called() {
  const url = 'https://api.openai.com/v1/chat/completions';
  const { signal } = new AbortController();
  const response = await fetch(url, { method: 'POST', body: '{}', headers: { 'x-openpipe': '{}' }, signal });
  expectExactly<OpenPipeResponse>()(response);
  await fetch(new URL(url));
  await fetch(new Request(url), { signal: null });
  const clone: Response = response.clone();
  const { openpipe } = response;
  if (openpipe) {
    expectExactly<'primary' | 'fallback'>()(openpipe.servedBy);
    expectExactly<readonly Attempt[]>()(openpipe.attempts);
    const failed: readonly unknown[] | undefined = openpipe.errors;
    return { clone, failed };
  }
  return { clone, text: await response.text() };
}

export async function ended() {
  expectExactly<FlushResult>()(await fetch.flush());
  await fetch.flush({ timeout: 1_000 });
  expectExactly<void>()(await fetch.close());
  expectExactly<Promise<void>>()(fetch[Symbol.asyncDispose]());
}

// @ts-expect-error a target without a model
createFetch({ fallback: { timeout: 1 } });
// @ts-expect-error a misspelt option
createFetch({ fallbak: { model: 'm' } });
// @ts-expect-error the options are flat
createFetch({ openpipe: { fallback: { model: 'm' } } });
// @ts-expect-error a custom client has no place here
createFetch({ fallback: { model: 'm', client: new OpenAI() } });
// @ts-expect-error nor as the default for all targets
createFetch({ fallbackClient: new OpenAI() });
// @ts-expect-error no such way to fail
createFetch({ onFailure: 'throw' });
// @ts-expect-error `match` is a function of the URL
createFetch({ match: /openai/ });
// @ts-expect-error a `fetch` returns a promise of a response
createFetch({ fetch: () => 'text' });
// @ts-expect-error a time is a number of milliseconds
createFetch({ timeout: '10s' });
