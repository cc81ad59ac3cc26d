// The SDK's namespace of types is there under our class's name, beside our own; ours do not hide it and it does not
// turn into `any`.
import OpenAI, { OpenAI as Named, toFile, type Uploadable } from 'openpipe-native';
import { expectExactly } from './expect.js';

export const message: OpenAI.Chat.ChatCompletionMessageParam = { role: 'user', content: 'x' };
export const short: OpenAI.ChatCompletionMessageParam = message;
export const deep: OpenAI.Chat.Completions.ChatCompletionMessageParam = message;
export const named: Named.ChatCompletionMessageParam = message;
// @ts-expect-error a number is no content, so the type is not `any`
export const wrong: OpenAI.ChatCompletionMessageParam = { role: 'user', content: 12 };
// @ts-expect-error a name that neither has
export type Missing = OpenAI.NoSuchType;

export type OfTheSdk = [
  OpenAI.ChatCompletion,
  OpenAI.Embedding,
  OpenAI.Responses.Response,
  OpenAI.RequestOptions,
  OpenAI.Page<string>,
];
export type Ours = [
  OpenAI.Attempt,
  OpenAI.BodyTarget,
  OpenAI.BreakerPolicy,
  OpenAI.CacheSetting,
  OpenAI.CallEvent,
  OpenAI.ClientOptions,
  OpenAI.CriterionResult,
  OpenAI.FailureKind,
  OpenAI.FallbackClient,
  OpenAI.FallbackEvent,
  OpenAI.FallbackRequest,
  OpenAI.FallbackRequestOptions,
  OpenAI.FallbackTarget,
  OpenAI.FlushResult,
  OpenAI.OpenPipeBody,
  OpenAI.OpenPipeBodyOptions,
  OpenAI.OpenPipeCallOptions,
  OpenAI.OpenPipeChat,
  OpenAI.OpenPipeChatCompletion,
  OpenAI.OpenPipeChoice,
  OpenAI.OpenPipeCompletions,
  OpenAI.OpenPipeCreateParamsBase,
  OpenAI.OpenPipeCreateParamsNonStreaming,
  OpenAI.OpenPipeCreateParamsStreaming,
  OpenAI.OpenPipeError,
  OpenAI.OpenPipeErrorInfo,
  OpenAI.OpenPipeOptions,
  OpenAI.OpenPipeParsedChatCompletion<unknown>,
  OpenAI.OpenPipeResponses,
  OpenAI.OpenPipeEmbeddings,
  OpenAI.OpenPipeTextCompletions,
  OpenAI.WithOpenPipe,
  OpenAI.OpenPipeResult,
  OpenAI.Reject,
  OpenAI.RejectFunction,
  OpenAI.RejectRule,
  OpenAI.OpenPipeStream,
  OpenAI.TagValue,
  OpenAI.UpstreamKind,
  OpenAI.Report,
  OpenAI.ReportSink,
  OpenAI.Upstream,
  OpenAI.UpstreamState,
];

export const sameClass: typeof OpenAI = Named;
export const chained: OpenAI = new OpenAI.OpenAI();
expectExactly<OpenAI>()(chained);
export const chat: OpenAI.Chat = chained.chat;
export const file: Promise<Uploadable> = toFile(Buffer.from('x'), 'x.txt');
export const sameFunction: typeof toFile = OpenAI.toFile;
