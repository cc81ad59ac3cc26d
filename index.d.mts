// The types of `import OpenAI from "openpipe-native"`: the default export, everything that `openai` exports, and our
// own types.

import * as sdk from 'openai';

// #region shared: the same text in both entries, where it means the other copy of `openai` (check.mjs compares)

import type {
  ChatCompletionCreateParamsBase,
  ChatCompletionStream,
  ChatCompletionStreamParams,
  Completions as ChatCompletions,
  ParsedChatCompletion as SdkParsedChatCompletion,
} from 'openai/resources/chat/completions';
import type {
  ParsedResponse,
  Response as SdkResponse,
  ResponseCreateParamsBase,
  ResponseCreateParamsNonStreaming,
  ResponseCreateParamsStreaming,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
import type { CompletionCreateParamsBase } from 'openai/resources/completions';
import type { ResponseStream, ResponseStreamParams } from 'openai/lib/responses/ResponseStream';
import type {
  ExtractParsedContentFromParams as ExtractParsedResponseFromParams,
  ResponseCreateParamsWithTools,
} from 'openai/lib/ResponsesParser';
import type { ExtractParsedContentFromParams } from 'openai/lib/parser';
import type { Stream } from 'openai/core/streaming';
import type {
  Attempt,
  BodyTarget,
  BreakerPolicy,
  CacheSetting,
  CallEvent,
  ClientMethods,
  CriterionResult,
  CustomClient,
  FailureKind,
  FallbackClient,
  FallbackEvent,
  FallbackRequest,
  FallbackRequestOptions,
  FallbackTarget,
  FlushResult,
  ModelName,
  OpenPipeBodyOptions,
  OpenPipeCallOptions,
  OpenPipeError,
  OpenPipeErrorInfo,
  OpenPipeOptions,
  OpenPipeResult,
  Reject,
  RejectFunction,
  RejectRule,
  Report,
  ReportSink,
  TagValue,
  UpstreamKind,
  Upstream,
  UpstreamState,
} from './types.js';

declare module 'openai/core/error' {
  // Errors are the SDK's own classes, never subclasses of ours, so `openpipe` is declared where `instanceof` leads to.
  interface OpenAIError {
    /** How the call failed, on errors that `openpipe-native` threw. Not enumerable. */
    readonly openpipe?: OpenPipeErrorInfo | undefined;
  }
}

/** Every option of the SDK's client, and `openpipe`. */
interface ClientOptions<Names extends string = string, Aliases extends string = string> extends Omit<
  sdk.ClientOptions,
  'apiKey'
> {
  /**
   * The key for OpenAI (or for the server at `baseURL`), or an async function that returns it for each try. A client
   * without one still serves calls to OpenPipe, to declared upstreams and to a `fallbackClient`.
   *
   * @default process.env["OPENAI_API_KEY"]
   */
  apiKey?: sdk.ClientOptions['apiKey'] | null;
  /**
   * Fallbacks, logging, cache, tags: the defaults for all calls of this client, and how OpenPipe is reached. Or an
   * instance of `OpenPipe` (`openpipe-native/client`), which stands for the key and the URL that it was made with.
   */
  openpipe?: OpenPipeOptions<Names, Aliases> | undefined;
}

/** Options that have a table of names. */
type DeclaresNames = { upstreams: object } | { aliases: object };

/** The member of a request's body that this package adds. */
interface OpenPipeBody<Names extends string = string, Aliases extends string = string> {
  /** Fallbacks, logging, cache, tags for this call. It is never sent. A body that comes from a user may have it: see `allowInBody`. */
  openpipe?: OpenPipeBodyOptions<Names, Aliases> | undefined;
}

/** The options of a request, `openpipe` among them: the place for a call's own options that no user's data reaches. */
type OpenPipeRequestOptions<
  Names extends string = string,
  Aliases extends string = string,
> = sdk.OpenAI.RequestOptions & {
  /** Fallbacks, logging, cache, tags for this call; its members win over the body's. */
  openpipe?: OpenPipeCallOptions<Names, Aliases> | undefined;
};

/** What a result has beside the members of the API. */
interface WithOpenPipe {
  /** How the call went. Not enumerable; left out where a custom client's object is frozen. */
  readonly openpipe: OpenPipeResult;
}

/** The body of a chat completion that is not streamed. */
interface OpenPipeCreateParamsNonStreaming<Names extends string = string, Aliases extends string = string>
  extends ChatCompletionCreateParamsNonStreaming, OpenPipeBody<Names, Aliases> {
  model: ModelName<Aliases> | ChatModel;
}

/** The body of a chat completion that is streamed. */
interface OpenPipeCreateParamsStreaming<Names extends string = string, Aliases extends string = string>
  extends ChatCompletionCreateParamsStreaming, OpenPipeBody<Names, Aliases> {
  model: ModelName<Aliases> | ChatModel;
}

/** The body of a chat completion of which it is not known whether it is streamed. */
interface OpenPipeCreateParamsBase<Names extends string = string, Aliases extends string = string>
  extends ChatCompletionCreateParamsBase, OpenPipeBody<Names, Aliases> {
  model: ModelName<Aliases> | ChatModel;
}

/** The body of a response that is not streamed. */
interface OpenPipeResponseCreateParamsNonStreaming<Names extends string = string, Aliases extends string = string>
  extends ResponseCreateParamsNonStreaming, OpenPipeBody<Names, Aliases> {
  model?: ModelName<Aliases> | ResponsesModel;
}

/** The body of a response that is streamed. */
interface OpenPipeResponseCreateParamsStreaming<Names extends string = string, Aliases extends string = string>
  extends ResponseCreateParamsStreaming, OpenPipeBody<Names, Aliases> {
  model?: ModelName<Aliases> | ResponsesModel;
}

/** The body of a response of which it is not known whether it is streamed. */
interface OpenPipeResponseCreateParamsBase<Names extends string = string, Aliases extends string = string>
  extends ResponseCreateParamsBase, OpenPipeBody<Names, Aliases> {
  model?: ModelName<Aliases> | ResponsesModel;
}

/** The body of a request for embeddings. */
interface OpenPipeEmbeddingCreateParams<Names extends string = string, Aliases extends string = string>
  extends EmbeddingCreateParams, OpenPipeBody<Names, Aliases> {
  model: ModelName<Aliases> | EmbeddingModel;
}

/** One of a completion's choices. */
interface OpenPipeChoice extends ChatCompletion.Choice {
  /** OpenPipe's judgements by the name of the criterion, when the call set `openpipe.criteria`. */
  criteria_results?: { [criterion: string]: CriterionResult };
}

/** A completion with the record of its call. */
interface OpenPipeChatCompletion extends ChatCompletion {
  choices: OpenPipeChoice[];
  /** How the call went. Not enumerable; left out where a custom client's object is frozen. */
  readonly openpipe: OpenPipeResult;
}

/** A parsed completion with the record of its call. */
interface OpenPipeParsedChatCompletion<ParsedT> extends SdkParsedChatCompletion<ParsedT> {
  /** How the call went. Not enumerable; left out where a custom client's object is frozen. */
  readonly openpipe: OpenPipeResult;
}

/** The SDK's stream of chunks, with the record of its call. */
interface OpenPipeStream extends Stream<ChatCompletionChunk> {
  /** How the call went. Not enumerable. */
  readonly openpipe: OpenPipeResult;
}

/** `client.chat.completions`: the SDK's, with `create` by OpenPipe's policy. */
interface OpenPipeCompletions<Names extends string = string, Aliases extends string = string> extends ChatCompletions {
  /**
   * Creates a chat completion. When the target that `body.model` names fails, the targets of `openpipe.fallback` are
   * tried in order.
   *
   * `options.timeout` (milliseconds; default: the client's, else 600 000) is the time for the primary in all, retries
   * included, where a fallback follows. Without one it is the time per attempt, as in the SDK.
   *
   * Rejects with the SDK's errors: `APIError` and its subclasses for a status, `APIConnectionTimeoutError`,
   * `APIConnectionError`, `APIUserAbortError`; with a custom client's own error; with `OpenAIError` for a missing
   * key; with `TypeError` for a malformed argument. `error.openpipe` has the record of the call.
   *
   * @example
   * const completion = await openai.chat.completions.create(
   *   {
   *     model: "openpipe:my-ft-model",
   *     messages: [{ role: "user", content: "Count to 10" }],
   *     openpipe: { fallback: { model: "gpt-4-turbo", timeout: 20 * 1000 } },
   *   },
   *   { timeout: 10 * 1000 },
   * );
   */
  create(
    body: OpenPipeCreateParamsNonStreaming<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<OpenPipeChatCompletion>;
  /**
   * Creates a chat completion and streams it. While another target could still answer, the stream is held back until
   * its first content (or, with `openpipe.holdUntil: "finish"`, until its end), so the caller never sees two
   * openings. After that a failure is thrown from the iterator. Leaving the loop, `stream.controller.abort()` and
   * `options.signal` close the connection.
   *
   * `options.timeout` (milliseconds) runs up to the first content; then `openpipe.idleTimeout` watches.
   *
   * @example
   * const stream = await openai.chat.completions.create({ model, messages, stream: true });
   * for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
   */
  create(
    body: OpenPipeCreateParamsStreaming<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<OpenPipeStream>;
  /** Creates a chat completion, streamed if `body.stream` is true. */
  create(
    body: OpenPipeCreateParamsBase<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<OpenPipeStream | OpenPipeChatCompletion>;

  /**
   * Creates a chat completion and parses its content by `response_format` and its tool calls, as the SDK does, with
   * fallbacks as in `create`.
   */
  parse<
    Params extends OpenPipeCreateParamsNonStreaming<Names, Aliases>,
    ParsedT = ExtractParsedContentFromParams<Params>,
  >(
    body: Params,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<OpenPipeParsedChatCompletion<ParsedT>>;

  /** Streams a chat completion with the SDK's event helpers, with fallbacks as `create`. */
  stream<
    Params extends ChatCompletionStreamParams & OpenPipeBody<Names, Aliases>,
    ParsedT = ExtractParsedContentFromParams<Params>,
  >(
    body: Params,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): ChatCompletionStream<ParsedT>;

  // `runTools` is the SDK's as it is: its overloads differ between the versions, and all of them let `openpipe` pass
  // in the body. To have it checked: `openpipe: { … } satisfies OpenAI.OpenPipeCallOptions`.
}

/** The request options of `responses.parse` and `.stream` that name a format to parse by: of openai 7, else none. */
type OpenPipeParseAsOptions<
  Names extends string = string,
  Aliases extends string = string,
> = 'parseAs' extends keyof SdkParseOptions
  ? OpenPipeRequestOptions<Names, Aliases> & {
      [Name in Extract<keyof SdkParseOptions, 'parseAs'>]-?: SdkParseOptions[Name];
    }
  : never;
type SdkParseOptions = NonNullable<Parameters<Responses['parse']>[1]>;
/** What `parseAs` parses to, where the options name a format. */
type ParsedAs<Options, ParsedT> = Options extends { parseAs: infer Format }
  ? undefined extends Format
    ? ParsedT | ParsedAsFormat<Exclude<Format, undefined>>
    : ParsedAsFormat<Format>
  : ParsedT;
type ParsedAsFormat<Format> = Format extends null
  ? null
  : ExtractParsedResponseFromParams<{ text: { format: Extract<Format, ResponseFormat> } }>;
type ResponseFormat = NonNullable<NonNullable<ResponseCreateParamsBase['text']>['format']>;

/** `client.responses`: the SDK's, with `create`, `parse` and `stream` by OpenPipe's policy. */
interface OpenPipeResponses<Names extends string = string, Aliases extends string = string> extends Responses {
  /**
   * Creates a response. When the target that `body.model` names fails, the targets of `openpipe.fallback` are tried in order,
   * but for those that cannot take the request: their attempts say `unsupported`. Errors are those of
   * `chat.completions.create`.
   *
   * @example
   * const response = await openai.responses.create(
   *   { model: "gpt-5", input: "Count to 10" },
   *   { timeout: 10 * 1000, openpipe: { fallback: { model: "azure:gpt-5" } } },
   * );
   */
  create(
    body: OpenPipeResponseCreateParamsNonStreaming<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<SdkResponse & WithOpenPipe>;
  /** Creates a response and streams it. While another target could still answer, the stream is held back until its content. */
  create(
    body: OpenPipeResponseCreateParamsStreaming<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<Stream<ResponseStreamEvent> & WithOpenPipe>;
  /** Creates a response, streamed if `body.stream` is true. */
  create(
    body: OpenPipeResponseCreateParamsBase<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<(Stream<ResponseStreamEvent> | SdkResponse) & WithOpenPipe>;

  /** Creates a response and parses its content by `text.format` and its tool calls, as the SDK does, with fallbacks as in `create`. */
  parse<
    Params extends ResponseCreateParamsWithTools & OpenPipeBody<Names, Aliases>,
    ParsedT = ExtractParsedResponseFromParams<Params>,
  >(
    body: Params,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<ParsedResponse<ParsedT> & WithOpenPipe>;
  /** As above, parsed by the format `options.parseAs` (openai 7). */
  parse<
    Params extends ResponseCreateParamsWithTools & OpenPipeBody<Names, Aliases>,
    ParsedT = ExtractParsedResponseFromParams<Params>,
    Options extends OpenPipeParseAsOptions<Names, Aliases> = OpenPipeParseAsOptions<Names, Aliases>,
  >(
    body: Params,
    options: Options,
  ): sdk.APIPromise<ParsedResponse<ParsedAs<Options, ParsedT>> & WithOpenPipe>;

  /** Streams a response with the SDK's event helpers, with fallbacks as `create`. */
  stream<
    Params extends ResponseStreamParams & OpenPipeBody<Names, Aliases>,
    ParsedT = ExtractParsedResponseFromParams<Params>,
  >(
    body: Params,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): ResponseStream<ParsedT>;
  /** As above, parsed by the format `options.parseAs` (openai 7). */
  stream<
    Params extends ResponseStreamParams & OpenPipeBody<Names, Aliases>,
    ParsedT = ExtractParsedResponseFromParams<Params>,
    Options extends OpenPipeParseAsOptions<Names, Aliases> = OpenPipeParseAsOptions<Names, Aliases>,
  >(
    body: Params,
    options: Options,
  ): ResponseStream<ParsedAs<Options, ParsedT>>;
}

/** The SDK's result for `encoding_format: "base64"`; in openai 7 a separate type, which it does not export. */
type Base64EmbeddingResponse = Embeddings['create'] extends {
  (body: any, options?: any): sdk.APIPromise<infer Base64>;
  (body: any, options?: any): sdk.APIPromise<any>;
}
  ? unknown extends Base64
    ? CreateEmbeddingResponse
    : Base64
  : CreateEmbeddingResponse;

/** `client.embeddings`: the SDK's, with `create` by OpenPipe's policy. */
interface OpenPipeEmbeddings<Names extends string = string, Aliases extends string = string> extends Embeddings {
  /** Creates embeddings, as texts in base64. */
  create(
    body: OpenPipeEmbeddingCreateParams<Names, Aliases> & { encoding_format: 'base64' },
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<Base64EmbeddingResponse & WithOpenPipe>;
  /**
   * Creates embeddings. Only the call's own `fallback` counts, or an alias; a target of another model needs `sameVectors: true`,
   * because vectors of two models do not compare.
   */
  create(
    body: OpenPipeEmbeddingCreateParams<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<CreateEmbeddingResponse & WithOpenPipe>;
}

/** `client.completions`: the SDK's, with `create` by OpenPipe's policy. */
interface OpenPipeTextCompletions<Names extends string = string, Aliases extends string = string> extends Completions {
  /** Creates a completion of a prompt. Only the call's own `fallback` counts, or an alias. */
  create(
    body: CompletionCreateParamsNonStreaming & OpenPipeBody<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<Completion & WithOpenPipe>;
  /** Creates a completion of a prompt and streams it. */
  create(
    body: CompletionCreateParamsStreaming & OpenPipeBody<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<Stream<Completion> & WithOpenPipe>;
  /** Creates a completion of a prompt, streamed if `body.stream` is true. */
  create(
    body: CompletionCreateParamsBase & OpenPipeBody<Names, Aliases>,
    options?: OpenPipeRequestOptions<Names, Aliases>,
  ): sdk.APIPromise<(Stream<Completion> | Completion) & WithOpenPipe>;
}

/** `client.chat`: the SDK's, with our `completions`. */
interface OpenPipeChat<Names extends string = string, Aliases extends string = string> extends Chat {
  completions: OpenPipeCompletions<Names, Aliases>;
}

// Only the constructor, without the SDK's statics: a static `OpenAI` that is inherited and one that is declared here
// are mixed up by TypeScript 7.
declare const SdkOpenAI: new (options?: sdk.ClientOptions) => sdk.OpenAI;

/**
 * The SDK's client, whose chat completions do not fail: fallback models with timeouts, streams that are answered
 * whole, and OpenPipe's logging. Everything else is the `openai` package's that is installed.
 *
 * @example
 * const openai = new OpenAI({ apiKey, openpipe: { apiKey: openpipeKey, fallback: { model: "gpt-4-turbo" } } });
 */
declare class OpenAI<Names extends string = string, Aliases extends string = string> extends SdkOpenAI {
  /** The `timeout` of a client that has none, in milliseconds: 600 000 (10 minutes). */
  static DEFAULT_TIMEOUT: number;

  /**
   * @throws TypeError when `openpipe.fallbackClient`, or a target's `client`, has no `chat.completions.create`
   * @param options every option of the SDK's client, and `openpipe`
   */
  constructor(options?: ClientOptions<Names, Aliases>);

  chat: OpenPipeChat<Names, Aliases>;
  responses: OpenPipeResponses<Names, Aliases>;
  embeddings: OpenPipeEmbeddings<Names, Aliases>;
  completions: OpenPipeTextCompletions<Names, Aliases>;

  /** A new client with the same options, but for those given here, which declare upstreams or aliases anew. */
  withOptions<NewNames extends string = Names, NewAliases extends string = Aliases>(
    options: Partial<ClientOptions<NewNames, NewAliases>> & { openpipe: DeclaresNames },
  ): OpenAI<NewNames, NewAliases>;
  /** A new client with the same options, `openpipe` included, but for those given here. */
  withOptions(options: Partial<ClientOptions<Names, Aliases>>): this;

  /**
   * How the targets of this client, and of those made from it by `withOptions()`, have done lately: circuits, last failures,
   * calls under way. For health checks such as `/healthz`. Only targets that were called have a row.
   */
  upstreams(): UpstreamState[];

  /**
   * Delivers the reports that this client, and those made from it by `withOptions()`, have queued: for serverless functions and
   * before a shutdown. Another client's dead endpoint does not hold it.
   *
   * @param options `timeout`: how long it waits at most, in milliseconds; 10 000 where it is not given. What is pending then is
   * still delivered if it can be.
   * @returns what became of all its reports since its last `flush()`
   */
  flush(options?: { timeout?: number | undefined }): Promise<FlushResult>;

  /** Flushes, refuses new calls with an `OpenAIError`, and lets go of everything native. */
  close(): Promise<void>;

  /** {@link close}, for `await using openai = new OpenAI()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

declare namespace OpenAI {
  export {
    OpenAI,
    Attempt,
    BodyTarget,
    BreakerPolicy,
    CacheSetting,
    CallEvent,
    ClientMethods,
    ClientOptions,
    CriterionResult,
    CustomClient,
    FailureKind,
    FallbackClient,
    FallbackEvent,
    FallbackRequest,
    FallbackRequestOptions,
    FallbackTarget,
    FlushResult,
    OpenPipeBody,
    OpenPipeBodyOptions,
    OpenPipeCallOptions,
    OpenPipeChat,
    OpenPipeChatCompletion,
    OpenPipeChoice,
    OpenPipeCompletions,
    OpenPipeCreateParamsBase,
    OpenPipeCreateParamsNonStreaming,
    OpenPipeCreateParamsStreaming,
    OpenPipeEmbeddings,
    OpenPipeError,
    OpenPipeErrorInfo,
    OpenPipeOptions,
    OpenPipeParsedChatCompletion,
    OpenPipeRequestOptions,
    OpenPipeResponses,
    OpenPipeResult,
    Reject,
    RejectFunction,
    RejectRule,
    Report,
    ReportSink,
    OpenPipeStream,
    OpenPipeTextCompletions,
    TagValue,
    UpstreamKind,
    Upstream,
    UpstreamState,
    WithOpenPipe,
  };
}

// The SDK's `OpenAI` is also the namespace of its types (`OpenAI.Chat.ChatCompletionMessageParam`, …). A subclass
// does not inherit a namespace, and the language cannot extend one, so here is every name of the SDK's, of all
// versions. __test__/types/check.mjs lists missing ones.

// prettier-ignore
import {
  APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError, AuthenticationError, BadRequestError,
  ConflictError, InternalServerError, NotFoundError, OpenAIError, PermissionDeniedError, RateLimitError,
  UnprocessableEntityError, toFile,
} from 'openai';
import { CursorPage, CursorPageParams, CursorPageResponse, Page, PageResponse } from 'openai/core/pagination';
// prettier-ignore
import {
  AllModels, Audio, AudioModel, AudioResponseFormat, AutoFileChunkingStrategyParam, Batch, BatchCreateParams,
  BatchError, BatchListParams, BatchRequestCounts, Batches, BatchesPage, Beta, Chat, ChatCompletion,
  ChatCompletionAssistantMessageParam, ChatCompletionAudio, ChatCompletionAudioParam, ChatCompletionChunk,
  ChatCompletionContentPart, ChatCompletionContentPartImage, ChatCompletionContentPartInputAudio,
  ChatCompletionContentPartRefusal, ChatCompletionContentPartText, ChatCompletionCreateParams,
  ChatCompletionCreateParamsNonStreaming, ChatCompletionCreateParamsStreaming, ChatCompletionDeleted,
  ChatCompletionDeveloperMessageParam, ChatCompletionFunctionCallOption, ChatCompletionFunctionMessageParam,
  ChatCompletionListParams, ChatCompletionMessage, ChatCompletionMessageParam, ChatCompletionMessageToolCall,
  ChatCompletionModality, ChatCompletionNamedToolChoice, ChatCompletionPredictionContent, ChatCompletionRole,
  ChatCompletionStoreMessage, ChatCompletionStreamOptions, ChatCompletionSystemMessageParam,
  ChatCompletionTokenLogprob, ChatCompletionTool, ChatCompletionToolChoiceOption, ChatCompletionToolMessageParam,
  ChatCompletionUpdateParams, ChatCompletionUserMessageParam, ChatCompletionsPage, ChatModel, ComparisonFilter,
  Completion, CompletionChoice, CompletionCreateParams, CompletionCreateParamsNonStreaming,
  CompletionCreateParamsStreaming, CompletionUsage, Completions, CompoundFilter, ContainerCreateParams,
  ContainerCreateResponse, ContainerListParams, ContainerListResponse, ContainerListResponsesPage,
  ContainerRetrieveResponse, Containers, CreateEmbeddingResponse, Embedding, EmbeddingCreateParams, EmbeddingModel,
  Embeddings, ErrorObject, EvalCreateParams, EvalCreateResponse, EvalCustomDataSourceConfig, EvalDeleteResponse,
  EvalListParams, EvalListResponse, EvalListResponsesPage, EvalRetrieveResponse,
  EvalStoredCompletionsDataSourceConfig, EvalUpdateParams, EvalUpdateResponse, Evals, FileChunkingStrategy,
  FileChunkingStrategyParam, FileContent, FileCreateParams, FileDeleted, FileListParams, FileObject, FileObjectsPage,
  FilePurpose, Files, FineTuning, FunctionDefinition, FunctionParameters, Graders, Image, ImageCreateVariationParams,
  ImageEditParams, ImageGenerateParams, ImageModel, Images, ImagesResponse, Metadata, Model, ModelDeleted, Models,
  ModelsPage, Moderation, ModerationCreateParams, ModerationCreateResponse, ModerationImageURLInput, ModerationModel,
  ModerationMultiModalInput, ModerationTextInput, Moderations, OtherFileChunkingStrategyObject, Reasoning,
  ReasoningEffort, ResponseFormatJSONObject, ResponseFormatJSONSchema, ResponseFormatText, Responses, ResponsesModel,
  StaticFileChunkingStrategy, StaticFileChunkingStrategyObject, StaticFileChunkingStrategyObjectParam, Upload,
  UploadCompleteParams, UploadCreateParams, Uploads, VectorStore, VectorStoreCreateParams, VectorStoreDeleted,
  VectorStoreListParams, VectorStoreSearchParams, VectorStoreSearchResponse, VectorStoreSearchResponsesPage,
  VectorStoreUpdateParams, VectorStores, VectorStoresPage,
} from 'openai/resources/index';
import { ChatCompletionReasoningEffort } from 'openai/resources/chat/completions';

// Names that were added after 5.0. A name that the installed version lacks is `any`.

// @ts-ignore
import { DataResidency, InvalidWebhookSignatureError, toStreamingFile } from 'openai';
// prettier-ignore
import {
  // @ts-ignore
  ConversationCursorPage, ConversationCursorPageParams, ConversationCursorPageResponse, NextCursorPage,
  // @ts-ignore
  NextCursorPageParams, NextCursorPageResponse, TokenPage, TokenPageParams, TokenPageResponse,
} from 'openai/core/pagination';
// prettier-ignore
import {
  // @ts-ignore
  Admin, BatchUsage, ChatCompletionAllowedToolChoice, ChatCompletionAllowedTools, ChatCompletionCustomTool,
  // @ts-ignore
  ChatCompletionFunctionTool, ChatCompletionMessageCustomToolCall, ChatCompletionMessageFunctionToolCall,
  // @ts-ignore
  ChatCompletionNamedToolChoiceCustom, ChatCompletionParseParams, ContentProvenanceCheck,
  // @ts-ignore
  ContentProvenanceCheckCreateParams, ContentProvenanceChecks, Conversations, CustomToolInputFormat, Decision,
  // @ts-ignore
  DecisionCreateParams, DecisionInputImage, DecisionInputJSON, DecisionInputJson, DecisionInputMessage,
  // @ts-ignore
  DecisionInputPart, DecisionInputText, DecisionPromptCacheBreakpoint, DecisionQuestionInputImage,
  // @ts-ignore
  DecisionQuestionInputPart, DecisionQuestionInputText, Decisions, DeletedSkill, ImageEditCompletedEvent,
  // @ts-ignore
  ImageEditParamsNonStreaming, ImageEditParamsStreaming, ImageEditPartialImageEvent, ImageEditStreamEvent,
  // @ts-ignore
  ImageGenCompletedEvent, ImageGenPartialImageEvent, ImageGenStreamEvent, ImageGenerateParamsNonStreaming,
  // @ts-ignore
  ImageGenerateParamsStreaming, ImageInputReferenceParam, Live, OAuthErrorCode, ParsedChatCompletion,
  // @ts-ignore
  ParsedChatCompletionMessage, ParsedChatCompletionMessageToolCall, ParsedChoice, ParsedFunction,
  // @ts-ignore
  ParsedFunctionToolCall, Realtime, ResponseFormatTextGrammar, ResponseFormatTextPython, Safety, Skill,
  // @ts-ignore
  SkillCreateParams, SkillList, SkillListParams, SkillUpdateParams, Skills, SkillsPage, Video,
  // @ts-ignore
  VideoCreateCharacterParams, VideoCreateCharacterResponse, VideoCreateError, VideoCreateParams, VideoDeleteResponse,
  // @ts-ignore
  VideoDownloadContentParams, VideoEditParams, VideoExtendParams, VideoGetCharacterResponse, VideoListParams,
  // @ts-ignore
  VideoModel, VideoRemixParams, VideoSeconds, VideoSize, Videos, VideosPage, Webhooks,
} from 'openai/resources/index';

declare namespace OpenAI {
  export type RequestOptions = sdk.OpenAI.RequestOptions;
  // prettier-ignore
  export {
    APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError, Admin, AllModels, Audio, AudioModel,
    AudioResponseFormat, AuthenticationError, AutoFileChunkingStrategyParam, BadRequestError, Batch,
    BatchCreateParams, BatchError, BatchListParams, BatchRequestCounts, BatchUsage, Batches, BatchesPage, Beta, Chat,
    ChatCompletion, ChatCompletionAllowedToolChoice, ChatCompletionAllowedTools, ChatCompletionAssistantMessageParam,
    ChatCompletionAudio, ChatCompletionAudioParam, ChatCompletionChunk, ChatCompletionContentPart,
    ChatCompletionContentPartImage, ChatCompletionContentPartInputAudio, ChatCompletionContentPartRefusal,
    ChatCompletionContentPartText, ChatCompletionCreateParams, ChatCompletionCreateParamsNonStreaming,
    ChatCompletionCreateParamsStreaming, ChatCompletionCustomTool, ChatCompletionDeleted,
    ChatCompletionDeveloperMessageParam, ChatCompletionFunctionCallOption, ChatCompletionFunctionMessageParam,
    ChatCompletionFunctionTool, ChatCompletionListParams, ChatCompletionMessage, ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall, ChatCompletionMessageParam, ChatCompletionMessageToolCall,
    ChatCompletionModality, ChatCompletionNamedToolChoice, ChatCompletionNamedToolChoiceCustom,
    ChatCompletionParseParams, ChatCompletionPredictionContent, ChatCompletionReasoningEffort, ChatCompletionRole,
    ChatCompletionStoreMessage, ChatCompletionStreamOptions, ChatCompletionSystemMessageParam,
    ChatCompletionTokenLogprob, ChatCompletionTool, ChatCompletionToolChoiceOption, ChatCompletionToolMessageParam,
    ChatCompletionUpdateParams, ChatCompletionUserMessageParam, ChatCompletionsPage, ChatModel, ComparisonFilter,
    Completion, CompletionChoice, CompletionCreateParams, CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming, CompletionUsage, Completions, CompoundFilter, ConflictError,
    ContainerCreateParams, ContainerCreateResponse, ContainerListParams, ContainerListResponse,
    ContainerListResponsesPage, ContainerRetrieveResponse, Containers, ContentProvenanceCheck,
    ContentProvenanceCheckCreateParams, ContentProvenanceChecks, ConversationCursorPage, ConversationCursorPageParams,
    ConversationCursorPageResponse, Conversations, CreateEmbeddingResponse, CursorPage, CursorPageParams,
    CursorPageResponse, CustomToolInputFormat, DataResidency, Decision, DecisionCreateParams, DecisionInputImage,
    DecisionInputJSON, DecisionInputJson, DecisionInputMessage, DecisionInputPart, DecisionInputText,
    DecisionPromptCacheBreakpoint, DecisionQuestionInputImage, DecisionQuestionInputPart, DecisionQuestionInputText,
    Decisions, DeletedSkill, Embedding, EmbeddingCreateParams, EmbeddingModel, Embeddings, ErrorObject,
    EvalCreateParams, EvalCreateResponse, EvalCustomDataSourceConfig, EvalDeleteResponse, EvalListParams,
    EvalListResponse, EvalListResponsesPage, EvalRetrieveResponse, EvalStoredCompletionsDataSourceConfig,
    EvalUpdateParams, EvalUpdateResponse, Evals, FileChunkingStrategy, FileChunkingStrategyParam, FileContent,
    FileCreateParams, FileDeleted, FileListParams, FileObject, FileObjectsPage, FilePurpose, Files, FineTuning,
    FunctionDefinition, FunctionParameters, Graders, Image, ImageCreateVariationParams, ImageEditCompletedEvent,
    ImageEditParams, ImageEditParamsNonStreaming, ImageEditParamsStreaming, ImageEditPartialImageEvent,
    ImageEditStreamEvent, ImageGenCompletedEvent, ImageGenPartialImageEvent, ImageGenStreamEvent, ImageGenerateParams,
    ImageGenerateParamsNonStreaming, ImageGenerateParamsStreaming, ImageInputReferenceParam, ImageModel, Images,
    ImagesResponse, InternalServerError, InvalidWebhookSignatureError, Live, Metadata, Model, ModelDeleted, Models,
    ModelsPage, Moderation, ModerationCreateParams, ModerationCreateResponse, ModerationImageURLInput,
    ModerationModel, ModerationMultiModalInput, ModerationTextInput, Moderations, NextCursorPage,
    NextCursorPageParams, NextCursorPageResponse, NotFoundError, OAuthErrorCode, OpenAIError,
    OtherFileChunkingStrategyObject, Page, PageResponse, ParsedChatCompletion, ParsedChatCompletionMessage,
    ParsedChatCompletionMessageToolCall, ParsedChoice, ParsedFunction, ParsedFunctionToolCall, PermissionDeniedError,
    RateLimitError, Realtime, Reasoning, ReasoningEffort, ResponseFormatJSONObject, ResponseFormatJSONSchema,
    ResponseFormatText, ResponseFormatTextGrammar, ResponseFormatTextPython, Responses, ResponsesModel, Safety, Skill,
    SkillCreateParams, SkillList, SkillListParams, SkillUpdateParams, Skills, SkillsPage, StaticFileChunkingStrategy,
    StaticFileChunkingStrategyObject, StaticFileChunkingStrategyObjectParam, TokenPage, TokenPageParams,
    TokenPageResponse, UnprocessableEntityError, Upload, UploadCompleteParams, UploadCreateParams, Uploads,
    VectorStore, VectorStoreCreateParams, VectorStoreDeleted, VectorStoreListParams, VectorStoreSearchParams,
    VectorStoreSearchResponse, VectorStoreSearchResponsesPage, VectorStoreUpdateParams, VectorStores,
    VectorStoresPage, Video, VideoCreateCharacterParams, VideoCreateCharacterResponse, VideoCreateError,
    VideoCreateParams, VideoDeleteResponse, VideoDownloadContentParams, VideoEditParams, VideoExtendParams,
    VideoGetCharacterResponse, VideoListParams, VideoModel, VideoRemixParams, VideoSeconds, VideoSize, Videos,
    VideosPage, Webhooks, toFile, toStreamingFile,
  };
}

// #endregion

// What is named here wins over what `openai` exports by the same name.
export * from 'openai';
export { OpenAI, OpenAI as default };
export type {
  Attempt,
  BodyTarget,
  BreakerPolicy,
  CacheSetting,
  CallEvent,
  ClientMethods,
  ClientOptions,
  CriterionResult,
  CustomClient,
  FailureKind,
  FallbackClient,
  FallbackEvent,
  FallbackRequest,
  FallbackRequestOptions,
  FallbackTarget,
  FlushResult,
  OpenPipeBody,
  OpenPipeBodyOptions,
  OpenPipeCallOptions,
  OpenPipeChat,
  OpenPipeChatCompletion,
  OpenPipeChoice,
  OpenPipeCompletions,
  OpenPipeCreateParamsBase,
  OpenPipeCreateParamsNonStreaming,
  OpenPipeCreateParamsStreaming,
  OpenPipeEmbeddings,
  OpenPipeError,
  OpenPipeErrorInfo,
  OpenPipeOptions,
  OpenPipeParsedChatCompletion,
  OpenPipeRequestOptions,
  OpenPipeResponses,
  OpenPipeResult,
  Reject,
  RejectFunction,
  RejectRule,
  Report,
  ReportSink,
  OpenPipeStream,
  OpenPipeTextCompletions,
  TagValue,
  UpstreamKind,
  Upstream,
  UpstreamState,
  WithOpenPipe,
};
