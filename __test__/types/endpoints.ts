// The methods of `responses`, `embeddings` and `completions`, as a README would use them.
import { zodTextFormat } from 'openai/helpers/zod';
import { Stream } from 'openai/streaming';
import OpenAI, { type OpenPipeResult } from 'openpipe-native';
import { z } from 'zod';

import { expectExactly } from './expect.js';

declare const openai: OpenAI;
const model = 'gpt-5';
const input = 'Count to 10';
const fallback: OpenAI.FallbackTarget = { model: 'azure:gpt-5', timeout: 20_000 };
const options: OpenAI.OpenPipeRequestOptions = { timeout: 10_000, openpipe: { fallback, reject: ['empty', 'length'] } };

export async function response() {
  const promise = openai.responses.create({ model, input, openpipe: { tags: { a: 'b' } } }, options);
  const response = await promise;
  expectExactly<string>()(response.output_text);
  expectExactly<OpenPipeResult>()(response.openpipe);
  const home = response.openpipe.upstream;
  const next = await openai.responses.create(
    { model, input, previous_response_id: response.id },
    { openpipe: { upstream: home } },
  );
  const { data, request_id } = await promise.withResponse();
  expectExactly<OpenPipeResult>()(data.openpipe);
  expectExactly<string | null>()(request_id);
  const sdks: OpenAI.Responses.Response = next;
  return sdks;
}

export async function streamedResponse(stream: boolean) {
  const events = await openai.responses.create({ model, input, stream: true }, options);
  expectExactly<OpenPipeResult>()(events.openpipe);
  for await (const event of events)
    if (event.type === 'response.output_text.delta') expectExactly<string>()(event.delta);
  events.controller.abort();
  const sdks: Stream<OpenAI.Responses.ResponseStreamEvent> = events;

  const either = await openai.responses.create({ model, input, stream }, options);
  expectExactly<OpenPipeResult>()(either.openpipe);
  if (either instanceof Stream) either.controller;
  else either.output_text;
  return sdks;
}

export async function parsedResponse() {
  const text = { format: zodTextFormat(z.object({ steps: z.array(z.string()) }), 'answer') };
  const response = await openai.responses.parse({ model, input, text }, options);
  expectExactly<string[] | undefined>()(response.output_parsed?.steps);
  expectExactly<OpenPipeResult>()(response.openpipe);

  const runner = openai.responses.stream({ model, input, text, openpipe: { fallback: { model } } }, options);
  runner.on('response.output_text.delta', ({ delta }) => expectExactly<string>()(delta));
  for await (const event of runner) event.type;
  expectExactly<string[] | undefined>()((await runner.finalResponse()).output_parsed?.steps);
  return openai.responses.stream({ response_id: response.id });
}

export async function embeddings() {
  const promise = openai.embeddings.create({ model, input, openpipe: { logRequest: false } }, options);
  const embeddings = await promise;
  expectExactly<number[]>()(embeddings.data[0]!.embedding);
  expectExactly<OpenPipeResult>()(embeddings.openpipe);
  const base64 = await openai.embeddings.create({ model, input, encoding_format: 'base64' }, options);
  expectExactly<OpenPipeResult>()(base64.openpipe);
  const sdks: OpenAI.CreateEmbeddingResponse = embeddings;
  return sdks;
}

export async function textCompletions(stream: boolean) {
  const completion = await openai.completions.create({ model, prompt: input, openpipe: { deadline: 1_000 } }, options);
  expectExactly<string>()(completion.choices[0]!.text);
  expectExactly<OpenPipeResult>()(completion.openpipe);
  const chunks = await openai.completions.create({ model, prompt: input, stream: true }, options);
  for await (const chunk of chunks) expectExactly<string>()(chunk.choices[0]!.text);
  expectExactly<OpenPipeResult>()(chunks.openpipe);
  const either = await openai.completions.create({ model, prompt: input, stream }, options);
  expectExactly<OpenPipeResult>()(either.openpipe);
  const sdks: OpenAI.Completion = completion;
  return sdks;
}

// Usable where the SDK's are asked for.
declare function aSdkFunction(
  responses: OpenAI.Responses,
  create: OpenAI.Responses['create'],
  parse: OpenAI.Responses['parse'],
  stream: OpenAI.Responses['stream'],
  embeddings: OpenAI.Embeddings,
  completions: OpenAI.Completions,
): void;
const { responses } = openai;
aSdkFunction(responses, responses.create, responses.parse, responses.stream, openai.embeddings, openai.completions);

export async function mistakes() {
  // @ts-expect-error `reject` is not taken from a body
  openai.responses.create({ model, input, openpipe: { reject: 'empty' } });
  // @ts-expect-error nor is `upstream`
  openai.embeddings.create({ model, input, openpipe: { upstream: 'azure' } });
  // @ts-expect-error nor the `reject` of a target
  openai.completions.create({ model, prompt: input, openpipe: { fallback: { model, reject: 'empty' } } });
  // @ts-expect-error a misspelt member
  openai.responses.create({ model, input }, { openpipe: { fallbak: { model } } });
  // @ts-expect-error a misspelt member
  openai.responses.parse({ model, input }, { openpipe: { fallbak: { model } } });
  // @ts-expect-error a misspelt member
  openai.responses.stream({ model, input }, { openpipe: { fallbak: { model } } });
  // @ts-expect-error no such rule
  openai.embeddings.create({ model, input }, { openpipe: { reject: 'bad' } });
  // @ts-expect-error a key belongs to the constructor
  openai.completions.create({ model, prompt: input, stream: true }, { openpipe: { apiKey: 'opk' } });
  // @ts-expect-error read only
  (await openai.responses.create({ model, input })).openpipe = undefined;
  // @ts-expect-error what is only read does not go through the engine
  (await openai.responses.retrieve('resp_1')).openpipe;
}
