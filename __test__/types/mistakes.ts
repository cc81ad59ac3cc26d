// What must not compile.
import OpenAI, { type FallbackTarget, type OpenPipeCallOptions } from 'openpipe-native';

declare const openai: OpenAI;
const model = 'm';
const messages: OpenAI.ChatCompletionMessageParam[] = [];

// @ts-expect-error an unknown option of the client
new OpenAI({ openPipe: {} });
// @ts-expect-error an unknown member of the constructor's `openpipe`
new OpenAI({ openpipe: { baseURL: 'https://example.com' } });
// @ts-expect-error no such transport
new OpenAI({ openpipe: { transport: 'http' } });
// @ts-expect-error a fallback client without `chat.completions.create`
new OpenAI({ openpipe: { fallbackClient: { completions: {} } } });
// @ts-expect-error a `create` that returns no promise
new OpenAI({ openpipe: { fallbackClient: { chat: { completions: { create: () => ({ choices: [] }) } } } } });
// @ts-expect-error the class is no client
new OpenAI({ openpipe: { fallbackClient: OpenAI } });

// @ts-expect-error a body without `messages`
openai.chat.completions.create({ model, openpipe: {} });
// @ts-expect-error a misspelt member of `openpipe`
openai.chat.completions.create({ model, messages, openpipe: { fallbak: { model } } });
// @ts-expect-error a target without a model
openai.chat.completions.create({ model, messages, openpipe: { fallback: { timeout: 1 } } });
// @ts-expect-error a target is not just a name
openai.chat.completions.create({ model, messages, openpipe: { fallback: 'gpt-4o' } });
// @ts-expect-error `true` is no fallback
openai.chat.completions.create({ model, messages, openpipe: { fallback: true } });
// @ts-expect-error a key belongs to the constructor
openai.chat.completions.create({ model, messages, openpipe: { apiKey: 'opk' } });
// @ts-expect-error so does the fallback client
openai.chat.completions.create({ model, messages, stream: true, openpipe: { fallbackClient: openai } });
// @ts-expect-error `reject` is taken from the request options, not from a body
openai.chat.completions.create({ model, messages, openpipe: { reject: 'empty' } });
// @ts-expect-error neither is the upstream
openai.chat.completions.create({ model, messages, stream: true, openpipe: { upstream: 'azure' } });
// @ts-expect-error nor what refuses the answers of a target
openai.chat.completions.create({ model, messages, openpipe: { fallback: [{ model, reject: 'empty' }] } });
openai.chat.completions.create(
  { model, messages },
  { openpipe: { reject: ['empty', () => true], upstream: 'azure', fallback: { model, reject: null } } },
);
// @ts-expect-error a key belongs to the constructor, here too
openai.chat.completions.create({ model, messages }, { openpipe: { apiKey: 'opk' } });
// @ts-expect-error wrong types in `parse`
openai.chat.completions.parse({ model, messages, openpipe: { logRequest: 'yes' } });
// @ts-expect-error wrong types in `stream`
openai.chat.completions.stream({ model, messages, openpipe: { cache: 'always' } });

// @ts-expect-error milliseconds are a number
export const timeout: FallbackTarget = { model, timeout: '20s' };
// @ts-expect-error no such kind of failure
export const kind: FallbackTarget = { model, on: ['timeouts'] };
// @ts-expect-error one kind is a list of one
export const list: FallbackTarget = { model, on: 'timeout' };
// @ts-expect-error a misspelt member of a target
export const misspelt: FallbackTarget = { model, params_: {} };
// @ts-expect-error no such moment
export const hold: OpenPipeCallOptions = { holdUntil: 'end' };
// @ts-expect-error a tag is no object
export const tags: OpenPipeCallOptions = { tags: { a: {} } };
// @ts-expect-error not a member of an event
export const event: OpenPipeCallOptions = { onFallback: ({ reason }) => reason };

export async function results() {
  const completion = await openai.chat.completions.create({ model, messages });
  // @ts-expect-error read only
  completion.openpipe = undefined;
  // @ts-expect-error read only
  completion.openpipe.attempts.push();
  // @ts-expect-error a completion is not iterated
  for await (const chunk of completion) chunk;
  const stream = await openai.chat.completions.create({ model, messages, stream: true });
  // @ts-expect-error a stream has no choices
  stream.choices;
  // @ts-expect-error the SDK's other answers know nothing of OpenPipe
  (await openai.models.retrieve(model)).openpipe;
}
