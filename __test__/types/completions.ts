// The methods of `chat.completions`, as a README would use them.
import { zodResponseFormat } from 'openai/helpers/zod';
import { Stream } from 'openai/streaming';
import OpenAI, {
  type APIPromise,
  type Attempt,
  type FailureKind,
  type OpenPipeChatCompletion,
  type OpenPipeResult,
  type OpenPipeStream,
} from 'openpipe-native';
import { z } from 'zod';

import { expectExactly } from './expect.js';

declare const openai: OpenAI;
const model = 'openpipe:my-ft-model';
const messages: OpenAI.Chat.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Count to 10' }];

export async function completion() {
  const promise = openai.chat.completions.create({ model, messages, openpipe: { fallback: { model: 'gpt-4o' } } });
  expectExactly<APIPromise<OpenPipeChatCompletion>>()(promise);

  const completion = await promise;
  const sdks: OpenAI.Chat.ChatCompletion = completion;
  expectExactly<string | null>()(completion.choices[0]!.message.content);
  expectExactly<string | null | undefined>()(completion._request_id);
  for (const choice of completion.choices) {
    const judgement = choice.criteria_results?.['helpful'];
    if (judgement?.status === 'success') expectExactly<number>()(judgement.score);
  }

  expectExactly<OpenPipeResult>()(completion.openpipe);
  expectExactly<'primary' | 'fallback'>()(completion.openpipe.servedBy);
  expectExactly<readonly Attempt[]>()(completion.openpipe.attempts);
  expectExactly<'ok' | FailureKind | 'circuit_open' | 'unsupported' | 'aborted'>()(
    completion.openpipe.attempts[0]!.outcome,
  );
  await completion.openpipe.reportingFinished;
  return sdks;
}

export async function streaming(controller: AbortController) {
  const promise = openai.chat.completions.create(
    { model, messages, stream: true, openpipe: { holdUntil: 'finish' } },
    { signal: controller.signal },
  );
  expectExactly<APIPromise<OpenPipeStream>>()(promise);

  const stream = await promise;
  for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
  expectExactly<OpenPipeResult>()(stream.openpipe);
  stream.controller.abort();
  stream.toReadableStream();
  const [left]: [Stream<OpenAI.ChatCompletionChunk>, unknown] = stream.tee();
  return left;
}

export async function eitherWay(stream: boolean, body: OpenAI.ChatCompletionCreateParams) {
  const answer = await openai.chat.completions.create({ model, messages, stream, openpipe: { tags: {} } });
  expectExactly<OpenPipeResult>()(answer.openpipe);
  if (answer instanceof Stream) for await (const chunk of answer) chunk.choices;
  else answer.choices;

  const other = await openai.chat.completions.create(body);
  return 'choices' in other ? other.choices : other.controller;
}

export async function responses() {
  const { data, response, request_id } = await openai.chat.completions.create({ model, messages }).withResponse();
  expectExactly<OpenPipeChatCompletion>()(data);
  expectExactly<string | null>()(request_id);
  const raw: Response = await openai.chat.completions.create({ model, messages, stream: true }).asResponse();
  return [response.status, raw.headers];
}

export async function parse() {
  const Answer = z.object({ steps: z.array(z.string()) });
  const promise = openai.chat.completions.parse({
    model,
    messages,
    response_format: zodResponseFormat(Answer, 'answer'),
    openpipe: { fallback: [{ model: 'gpt-4o', timeout: 20_000 }] },
  });
  const completion = await promise;
  expectExactly<string[] | undefined>()(completion.choices[0]?.message.parsed?.steps);
  expectExactly<OpenPipeResult>()(completion.openpipe);
  return (await promise.withResponse()).data.openpipe;
}

export async function helpers() {
  const runner = openai.chat.completions.stream({ model, messages, openpipe: { fallback: { model: 'gpt-4o' } } });
  runner.on('content', (delta, snapshot) => expectExactly<string>()(delta + snapshot));
  const final: OpenAI.Chat.ChatCompletion = await runner.finalChatCompletion();

  const tools = openai.chat.completions.runTools({
    model,
    messages,
    tools: [{ type: 'function', function: { name: 'now', description: '', parameters: {}, function: () => '12:00' } }],
    openpipe: { fallback: { model: 'gpt-4o' } } satisfies OpenAI.OpenPipeCallOptions,
  });
  expectExactly<string | null>()(await tools.finalContent());
  return final;
}

// The types are the SDK's where the SDK has them, and usable where the SDK's are asked for.
declare function aSdkFunction(create: OpenAI.Chat.Completions['create'], chat: OpenAI.Chat): void;
aSdkFunction(openai.chat.completions.create, openai.chat);

const body: OpenAI.OpenPipeCreateParamsNonStreaming = { model, messages, openpipe: { logRequest: false } };
openai.chat.completions.create(body);
