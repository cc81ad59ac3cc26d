// Every snippet of the contract's section 1, and every option by name.
import OpenAI, { type ClientOptions, type OpenPipeCallOptions } from 'openpipe-native';
import SamePath from 'openpipe-native/openai';

declare const signal: AbortSignal;
declare const headers: Headers;

export const openai = new OpenAI({
  apiKey: 'sk',
  baseURL: 'https://api.openai.com/v1',
  timeout: 10 * 1000,
  maxRetries: 1,
  defaultHeaders: { 'x-team': 'a' },
  organization: null,
  openpipe: {
    apiKey: 'opk',
    baseUrl: 'https://api.openpipe.ai/api/v1',
    fallbackClient: new OpenAI({ apiKey: 'sk', baseURL: 'https://example.com/v1' }),
  },
});

export const completion = await_(
  openai.chat.completions.create(
    {
      model: 'openpipe:my-ft-model',
      messages: [{ role: 'user', content: 'Count to 10' }],
      openpipe: {
        fallback: { model: 'gpt-4-turbo', timeout: 20 * 1000 },
        tags: { prompt_id: 'counting' },
        logRequest: true,
        cache: 'readWrite',
        criteria: ['helpful'],
      },
    },
    { timeout: 10 * 1000, signal, headers, maxRetries: 0 },
  ),
);

export const sameClass: typeof OpenAI = SamePath;
export const noOptions: OpenAI = new OpenAI();
export const noKeys = new OpenAI({ apiKey: null, openpipe: {} });
export const lateKey = new OpenAI({ apiKey: async () => 'sk' });

const callOptions: OpenPipeCallOptions = {
  fallback: [
    { model: 'openai:gpt-4o', timeout: Infinity, params: { temperature: 0 }, omit: ['reasoning_effort'] },
    { model: 'gpt-4o-mini', on: ['timeout', 'connection', 'stream', 503], except: ['content_filter', 'auth', 400] },
    { model: 'llama', client: openai },
  ],
  tags: { text: 'a', number: 1, flag: true, none: null },
  logRequest: false,
  cache: 'readOnly',
  criteria: ['helpful'] as const,
  firstTokenTimeout: 500,
  idleTimeout: 5_000,
  deadline: 30_000,
  holdUntil: 'finish',
  maxResponseBytes: 1024 * 1024,
  onFallback: ({ from, to }) =>
    console.log(from.upstream, from.outcome, from.durationMs, from.status?.toFixed(), to.upstream, to.model),
};

const options: ClientOptions = { openpipe: { transport: 'fetch', ...callOptions } };
export const copied = new OpenAI(options).withOptions({ timeout: 1_000, openpipe: { tags: { a: 'b' } } });
expectOpenAI(copied);

for (const fallback of [
  null,
  false,
  undefined,
  { model: 'gpt-4o' },
  [] as const,
  [{ model: 'gpt-4o' }] as const,
] as const) {
  openai.chat.completions.create({ model: 'm', messages: [], openpipe: { fallback } });
}

export async function lifecycle(client: OpenAI) {
  const { delivered, dropped, pending } = await client.flush();
  const sum: number = delivered + dropped + pending;
  await client.close();
  await client[Symbol.asyncDispose]();
  await using scoped = new OpenAI();
  return [sum, scoped];
}

// What is not ours is the SDK's.
export const embeddings: Promise<OpenAI.CreateEmbeddingResponse> = openai.embeddings.create({
  model: 'm',
  input: 'text',
});
export const response: Promise<OpenAI.Responses.Response> = openai.responses.create({ model: 'm', input: 'text' });

function expectOpenAI(client: OpenAI) {
  client.apiKey = 'sk-2';
  client.baseURL = 'https://example.com/v1';
  client.timeout = 1_000;
}

declare function await_<T>(promise: Promise<T>): T;
