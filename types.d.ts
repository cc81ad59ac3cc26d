// The plain types of this package: nothing in here depends on the `openai` package, so both entries
// (index.d.ts for CommonJS, index.d.mts for ES modules) share this file. There is no types.js: import types only.

import type { made } from './client-types.js';

declare global {
  // As in the library `esnext.disposable`, which TypeScript has from 5.2.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

/**
 * The upstream of a target: OpenPipe, the client's own `baseURL`, a custom client (`fallbackClient`, `client`), or a declared
 * upstream by its name.
 */
export type UpstreamKind = 'openpipe' | 'openai' | 'client' | (string & {});

/**
 * What went wrong with a target.
 *
 * | kind | failure |
 * | --- | --- |
 * | `timeout` | the target's timeout or its first-token timeout has passed |
 * | `connection` | DNS, refused, reset, TLS, proxy, a response that ends early or breaks HTTP |
 * | `rate_limit` | 429 |
 * | `quota` | 402; 429 or 403 whose code or type means used-up money or quota; never retried |
 * | `server_error` | 5xx, 408, 409 |
 * | `auth` | 401, 403; an `apiKey` function that fails |
 * | `not_found` | 404 |
 * | `bad_request` | any other 4xx |
 * | `context_length` | 4xx for an input that is too long for the model |
 * | `content_filter` | 4xx with an error code of a content filter |
 * | `invalid_response` | 2xx that is not a valid answer, a 3xx, a broken content encoding, over `maxResponseBytes` |
 * | `stream` | a stream that breaks, stalls, or carries an error before it is committed |
 * | `rejected` | an answer that the caller's own rules (`reject`) refuse |
 */
export type FailureKind =
  | 'timeout'
  | 'connection'
  | 'rate_limit'
  | 'quota'
  | 'server_error'
  | 'auth'
  | 'not_found'
  | 'bad_request'
  | 'context_length'
  | 'content_filter'
  | 'invalid_response'
  | 'stream'
  | 'rejected';

/** How OpenPipe uses its cache for a call. */
export type CacheSetting = 'readWrite' | 'readOnly' | 'writeOnly';

/** The value of a tag. */
export type TagValue = string | number | boolean | null;

/**
 * The body that a {@link FallbackClient} is called with: the caller's, with the target's model, `params` and `omit`;
 * never `openpipe`.
 */
export interface FallbackRequest {
  /** The target's model. */
  model: string;
  /** The caller's messages, as they were. */
  messages: any[];
  /** Whether a stream is requested: then `create` must return an async iterable of chunks. */
  stream?: boolean | null | undefined;
  /** Every other member of the caller's body, as it was. */
  [member: string]: any;
}

/** The request options that a {@link FallbackClient} is called with. */
export interface FallbackRequestOptions {
  /** The target's time, in whole milliseconds, up to 2^31 - 1. It is enforced outside of the client as well. */
  timeout?: number;
  /**
   * The caller's `maxRetries`, if given; 0 if another target follows; otherwise left out, so that the client's own default
   * applies.
   */
  maxRetries?: number;
  /** Aborted when the target's time has passed and when the caller aborts. */
  signal?: AbortSignal;
  /** The caller's per-call headers, without those that could carry a key. */
  headers?: Record<string, string>;
}

/**
 * Any object with `chat.completions.create(body, options)`: a client of `openai` (5, 6 or 7), `AzureOpenAI`,
 * `groq-sdk`, `together-ai`, another client of this package, or an object of your own. It is recognised by its shape,
 * never by its class.
 *
 * `create` must return a promise of a chat completion, or, with `stream: true`, of an async iterable of chunks.
 * If it rejects and no other target answers, the caller gets the same error object.
 */
export interface FallbackClient {
  /** The object with `completions.create`. */
  chat: {
    completions: {
      // A method, not a property: its parameters compare both ways, so the narrower `create` of a real SDK fits.
      create(body: FallbackRequest, options?: FallbackRequestOptions): PromiseLike<unknown>;
    };
  };
}

/** The `create` of a custom client's `responses`, `embeddings` or `completions`. */
export interface ClientMethods {
  /** Sends one request: the body with the target's changes, and the request options. */
  create(body: any, options?: FallbackRequestOptions): PromiseLike<unknown>;
}

/**
 * Any object with at least one of the four methods: `chat.completions.create` ({@link FallbackClient}), `responses.create`,
 * `embeddings.create` or `completions.create`. If a call's endpoint is missing, the target is skipped.
 */
export type CustomClient =
  FallbackClient | { responses: ClientMethods } | { embeddings: ClientMethods } | { completions: ClientMethods };

/** A server that speaks OpenAI's API, as `openpipe.upstreams` declares it. A known name (`groq`, `mistral`, …) needs no member. */
export interface Upstream {
  /** Its base URL, without a query. `{model}` in the path is replaced by the model. Required unless the name is known. */
  baseURL?: string | undefined;
  /**
   * Its key, or a function that returns it, called for each try; `null` for none. Default: the environment variable of the known name.
   */
  apiKey?: string | (() => string | Promise<string>) | null | undefined;
  /** Headers that replace those of the SDK; `null` removes one. */
  headers?: Record<string, string | null> | undefined;
  /** Query parameters of each request. */
  query?: Record<string, string> | undefined;
  /** The timeout of its targets, in milliseconds, if neither the target nor the call has one. */
  timeout?: number | undefined;
  /** The endpoints that it serves. Default: all; for a known name those that its provider documents. */
  endpoints?: readonly ('chat' | 'responses' | 'embeddings' | 'completions')[] | undefined;
  /** The hosted tools that it has, by their types; `true` for all. Default: none. */
  takes?: readonly string[] | true | undefined;
  /** Upstreams with the same text share stored state: responses, conversations, files. Default: not shared. */
  state?: string | undefined;
}

/**
 * A rule of `reject`, by its name:
 *
 * | name | the answer |
 * | --- | --- |
 * | `empty` | has only blank text, no tool call, refusal, audio or image; reasoning alone is empty |
 * | `length` | was cut at its length limit |
 * | `content_filter` | was cut by a content filter |
 * | `refusal` | is marked as a refusal; a refusal in prose is not detected |
 * | `invalid_json` | is not JSON, although the request asks for JSON |
 * | `schema` | does not fit the request's own JSON schema |
 */
export type RejectRule = 'empty' | 'length' | 'content_filter' | 'refusal' | 'invalid_json' | 'schema';

/**
 * Judges an answer; for a stream, the merged answer. A text (the reason) or `true` refuses it; anything else accepts it.
 */
export type RejectFunction = (answer: any, from: { upstream: string; model: string }) => unknown;

/** Rules by name, and at most one function. */
export type Reject = RejectRule | RejectFunction | readonly (RejectRule | RejectFunction)[];

/**
 * A name that the tables `upstreams` and `aliases` of the constructor declare. TypeScript infers names from the tables only: this
 * type takes no part in the inference, as the built-in `NoInfer` would from TypeScript 5.4 on.
 */
export type Declared<Name extends string> = [Name][Name extends any ? 0 : never];

/** The name of an upstream: a declared one, `"openai"` (the client's own) or `"openpipe"`. Any text where no table is known. */
export type UpstreamName<Names extends string = string> = Declared<Names> | 'openai' | 'openpipe';

/** A model: any text; editors propose the declared aliases. */
export type ModelName<Aliases extends string = string> = Declared<Aliases> | (string & {});

/** A target that is tried when the one before it failed. */
export interface FallbackTarget<Names extends string = string, Aliases extends string = string> {
  /**
   * The model of the request. Without `client` and `fallbackClient` it also decides where the request goes: `openpipe:`,
   * `openai:`, `anthropic:` and `gemini:` models to OpenPipe, `NAME:model` to the declared upstream `NAME`, any other to the
   * client's own `baseURL`.
   */
  model: ModelName<Aliases>;
  /**
   * The time for this target in all (connecting, retries, headers, and the body; for a stream up to its first
   * content), in milliseconds. A positive number, or `Infinity` for none.
   *
   * @default the call's `timeout`, else the client's, else 600 000 (10 minutes)
   */
  timeout?: number | undefined;
  /**
   * How many times a failed request is repeated.
   *
   * @default the call's, else the client's; else 0 where another target follows, and the SDK's 2 for the last one
   */
  maxRetries?: number | undefined;
  /**
   * Streams: the longest wait for the first content, in milliseconds, in place of the call's.
   *
   * @default the call's `firstTokenTimeout`
   */
  firstTokenTimeout?: number | undefined;
  /**
   * Embeddings: this is the first target's model under another name, so its vectors compare with that one's.
   *
   * @default false
   */
  sameVectors?: boolean | undefined;
  /**
   * The client that serves this target.
   *
   * @default the constructor's `openpipe.fallbackClient`, else the upstream that `model` names
   */
  client?: CustomClient | undefined;
  /**
   * What this target's `client` is called in `attempts` and logs: letters, digits, `-` and `_`, and not the name of
   * an upstream.
   *
   * @default "client"
   */
  name?: string | undefined;
  /**
   * The upstream that serves this target, by its name: the model is then taken as it is. `"openai"` is the client's own,
   * `"openpipe"` OpenPipe.
   *
   * @default the one that `model` names
   */
  upstream?: UpstreamName<Names> | undefined;
  /**
   * Members that are merged over the request's body for this target, e.g. `{ temperature: 0 }`.
   *
   * @default none
   */
  params?: Record<string, any> | undefined;
  /**
   * Names of members of the request's body that this target does not take, e.g. `["reasoning_effort"]`.
   *
   * @default none
   */
  omit?: readonly string[] | undefined;
  /**
   * The failures, kinds or status codes, that move on to this target; on any other it is passed over.
   *
   * @default every failure
   */
  on?: readonly (FailureKind | number)[] | undefined;
  /**
   * The failures, kinds or status codes, that do not move on to this target.
   *
   * @default none
   */
  except?: readonly (FailureKind | number)[] | undefined;
  /**
   * What refuses this target's answers, in place of the call's and the constructor's. Not taken from a body.
   *
   * @default the call's `reject`
   */
  reject?: Reject | null | undefined;
}

/** A fallback target of a request's body, which cannot say what refuses its answers. */
export type BodyTarget<Names extends string = string, Aliases extends string = string> = Omit<
  FallbackTarget<Names, Aliases>,
  'reject'
>;

/**
 * The `openpipe` member of a request's body, which may come from a user: the members of the request options, except those that are
 * only read there and in the constructor.
 */
export interface OpenPipeBodyOptions<Names extends string = string, Aliases extends string = string> extends Omit<
  OpenPipeCallOptions<Names, Aliases>,
  'fallback' | 'upstream' | 'reject'
> {
  /**
   * The targets after the primary, for when that fails: one, or several that are tried in order. `null` or `false` switches the
   * constructor's off, which is for chat completions and Responses only.
   *
   * @default the constructor's, else none
   */
  fallback?: BodyTarget<Names, Aliases> | readonly BodyTarget<Names, Aliases>[] | null | false | undefined;
}

/**
 * The `openpipe` member of the request options, `create(body, { openpipe })`, which no user's data reaches. It never goes over
 * the wire. Each member overrides the body's and the constructor's.
 */
export interface OpenPipeCallOptions<Names extends string = string, Aliases extends string = string> {
  /**
   * The upstream of the first target, by its name: the model's name is then sent unchanged. `"openai"` is the client's own, `"openpipe"`
   * OpenPipe. Ignored in a body.
   *
   * @default the one that `model` names
   */
  upstream?: UpstreamName<Names> | undefined;
  /**
   * The targets after the primary, for when that fails: one, or several that are tried in order. `null` or `false` switches the
   * constructor's off, which is for chat completions and Responses only.
   *
   * If all targets fail, the last target's error is thrown; `error.openpipe.errors` holds every target's.
   *
   * @default the constructor's, else none
   */
  fallback?: FallbackTarget<Names, Aliases> | readonly FallbackTarget<Names, Aliases>[] | null | false | undefined;
  /**
   * Tags to find the request by in OpenPipe's logs. Merged over the constructor's.
   *
   * @default the constructor's, else none
   */
  tags?: Record<string, TagValue> | undefined;
  /**
   * Whether OpenPipe logs the request.
   *
   * @default true
   */
  logRequest?: boolean | undefined;
  /**
   * Use OpenPipe's cache. A call that sets it goes through OpenPipe, whatever its model.
   *
   * @default none
   */
  cache?: CacheSetting | undefined;
  /**
   * Criteria that OpenPipe judges the completion by; see `choices[].criteria_results`.
   *
   * @default none
   */
  criteria?: readonly string[] | undefined;
  /**
   * Streams: the longest wait for the first content, in milliseconds, when shorter than the target's `timeout`. Then
   * the next target is tried. Not applied to the last target. A positive number, or `Infinity` for none.
   *
   * @default none
   */
  firstTokenTimeout?: number | undefined;
  /**
   * Streams: the longest silence between two content events after the first, in milliseconds. Comments, keep-alives
   * and empty deltas do not count as life; a consumer that reads slowly does not count as silence. A positive number,
   * or `Infinity` for none.
   *
   * @default 60 000 (1 minute), or the target's `timeout` where that is longer
   */
  idleTimeout?: number | undefined;
  /**
   * The time for the whole call, all targets together (a stream: up to its commit), in milliseconds. A positive
   * number, or `Infinity` for none.
   *
   * @default none
   */
  deadline?: number | undefined;
  /**
   * Streams: when a stream is handed over while another target could still answer. `"content"`: with its first
   * content. `"finish"`: when it has ended well, so that a stream which dies in the middle is answered whole by the
   * next target.
   *
   * @default "content"
   */
  holdUntil?: 'content' | 'finish' | undefined;
  /**
   * The largest response that is taken, in decompressed bytes. A larger one is an `invalid_response`.
   *
   * @default 67 108 864 (64 MiB); of embeddings 268 435 456 (256 MiB)
   */
  maxResponseBytes?: number | undefined;
  /**
   * Rules that refuse answers: a refused one counts as a failure of the kind `rejected`, and the next target is tried. The latest of them
   * is returned where no other target answers. `null` and `[]` switch a default off. A rule other than `"empty"` holds a stream until
   * its finish. An option of a call, a target and the constructor; ignored in a body.
   *
   * @default none
   */
  reject?: Reject | null | undefined;
  /**
   * A circuit breaker: a target that keeps failing is skipped for a while, and calls go straight to the next one. `true`
   * for the default policy, `false` or `null` to switch a default off for a call. There is one circuit for each upstream, key,
   * model and policy, shared by all clients and worker threads of the process. The last target is always tried.
   *
   * @default false
   */
  breaker?: boolean | BreakerPolicy | null | undefined;
  /**
   * Called each time a call moves on to another target. An error in it is a warning and has no effect on the call.
   * The `diagnostics_channel` channel `openpipe:fallback` gets the same event.
   *
   * @default none
   */
  onFallback?: ((event: FallbackEvent) => void) | undefined;
}

/**
 * When a circuit opens, and for how long. Failures that say nothing about the upstream do not count: the caller's abort and
 * `deadline`, and requests that were rightly refused (`bad_request`, `context_length`, `content_filter`).
 */
export interface BreakerPolicy {
  /**
   * How many failures within `window` open the circuit, if they are also `failureRate` of all outcomes in it.
   *
   * @default 5
   */
  failures?: number | undefined;
  /**
   * The least share of failures among all outcomes within `window` that opens the circuit: above 0, up to 1.
   *
   * @default 0.5
   */
  failureRate?: number | undefined;
  /**
   * How long an outcome counts, in milliseconds, up to a day.
   *
   * @default 30 000
   */
  window?: number | undefined;
  /**
   * How long the circuit stays open at first, in milliseconds, up to a day. Then one call is let through as a probe, with one
   * try: if it succeeds the circuit is closed, if it fails it stays open for half as long again, up to 30 s or `openFor`, where
   * that is longer; each time give or take a fifth. A time that the last failure named (`Retry-After`,
   * `x-ratelimit-reset-*`) takes its place, up to 10 minutes.
   *
   * @default 10 000
   */
  openFor?: number | undefined;
  /**
   * How long a refused key (401, or a 403 that says so) or a quota that is used up keeps the circuit open, in milliseconds,
   * up to a day. It opens with the first such failure: for a key with all models, for a quota with that model.
   *
   * @default 300 000
   */
  credentialOpenFor?: number | undefined;
}

/**
 * The `openpipe` member of the constructor's options. Every per-call option may stand here too, as the default for
 * all calls.
 */
export interface OpenPipeOptions<
  Names extends string = string,
  Aliases extends string = string,
> extends OpenPipeCallOptions<Names, Aliases> {
  /**
   * Only a type: an instance of `OpenPipe` may stand in the place of these options. As a union of both, editors would list its
   * methods among the options, and the compiler would name no nearest option for a misspelt one.
   */
  readonly [made]?: true;
  /**
   * The key for OpenPipe. Without one, models that do not need OpenPipe still work, and nothing is logged.
   *
   * @default process.env["OPENPIPE_API_KEY"]
   */
  apiKey?: string | undefined;
  /**
   * Where OpenPipe's API is.
   *
   * @default process.env["OPENPIPE_BASE_URL"], else "https://api.openpipe.ai/api/v1"
   */
  baseUrl?: string | undefined;
  /**
   * Servers by name: any model of one is `NAME:model`. Read once. In an object literal its names are known to the compiler: another
   * one in `upstream` does not compile.
   *
   * @throws TypeError (the constructor) when a name, a member or a URL is malformed
   * @default none
   */
  upstreams?: Record<Names, Upstream> | undefined;
  /**
   * Names of models, and what each stands for: a model, a target, or the targets of a whole chain. Read once.
   *
   * @throws TypeError (the constructor) when one names an upstream that is not declared
   * @default none
   */
  aliases?: Record<Aliases, string | FallbackTarget<Names> | readonly FallbackTarget<Names>[]> | undefined;
  /**
   * Which options the member `openpipe` of a request's body may have: all, none, or those that are named. The request options may
   * have all.
   *
   * @default true
   */
  allowInBody?: boolean | readonly string[] | undefined;
  /**
   * The client that serves every fallback target without a `client` of its own.
   *
   * @throws TypeError (the constructor) when it has none of the four methods
   * @default none: the target's model says where it goes
   */
  fallbackClient?: CustomClient | undefined;
  /**
   * What sends the requests: `"native"` code, or the SDK with JavaScript's `fetch`, for tests that mock `fetch` (msw,
   * nock) and for monitoring agents that only see JavaScript. The fallback policy is the same.
   *
   * @default process.env["OPENPIPE_TRANSPORT"], else "native"
   */
  transport?: 'native' | 'fetch' | undefined;
  /**
   * Where reports go: a sink, several, or `false` for none. `"openpipe"` needs a key.
   *
   * @throws OpenAIError (the constructor) when OpenPipe is asked for without a key
   * @default "openpipe" with a key, else none
   */
  reports?: ReportSink | ReportSink[] | false | undefined;
}

/** A report of one attempt, as `redact` and the channel `openpipe:report` get it. */
export interface Report {
  /** When the attempt began, in Unix milliseconds. */
  requestedAt: number;
  /** When it ended, in Unix milliseconds. */
  receivedAt: number;
  /** The body; for a file, as the target got it. */
  reqPayload: any;
  /** The completion (a stream's chunks merged), or the `error` of the answer. */
  respPayload?: any;
  /** The HTTP status. */
  statusCode?: number;
  /** What went wrong. */
  errorMessage?: string;
  /** The call's tags, `$sdk` and `$sdk.version`. */
  tags: Record<string, unknown>;
  /** Files and the channel: the rule of `reject` that refused the answer, or `function`. */
  rejectedBy?: string;
  /** Files and the channel: the upstream's name. */
  upstream?: string;
  /** Files and the channel: the attempt's outcome. */
  outcome?: string;
  /** Files and the channel: an id that all attempts of a call have in common. */
  callId?: string;
  /** Files and the channel: the attempt's number, from 1. */
  attempt?: number;
  /** Files and the channel: the endpoint's name. */
  endpoint?: string;
}

/** A place that reports go to. */
export type ReportSink =
  | 'openpipe'
  | {
      /** OpenPipe. */
      openpipe: true;
      /**
       * Gets a copy of each report and returns the one to send, or `null` for none. If it throws or returns anything else,
       * nothing is sent.
       */
      redact?: ((report: Report) => Report | null) | undefined;
    }
  | {
      /** A file, one line of JSON for each attempt. Relative to the working directory; the folder must exist. */
      file: string;
      /**
       * Gets a copy of each report and returns the one to write, or `null` for none. If it throws or returns anything else,
       * nothing is written.
       */
      redact?: ((report: Report) => Report | null) | undefined;
    };

/** What happened at one target: its first try and its retries. */
export interface Attempt {
  /** Where the request went. */
  readonly upstream: UpstreamKind;
  /** The host of that upstream, with its port where that is not the scheme's own. */
  readonly host?: string;
  /** The model of the request. */
  readonly model: string;
  /**
   * `"ok"`, the kind of failure, `"circuit_open"` where the target was skipped by its circuit breaker, or `"unsupported"` where it was
   * skipped because it cannot take the request; `"aborted"` where the caller aborted the call during it.
   */
  readonly outcome: 'ok' | FailureKind | 'circuit_open' | 'unsupported' | 'aborted';
  /** What an unsupported target cannot take; or what was left out of the request, because another upstream issued it. */
  readonly because?: { member: string } | { endpoint: string } | { omitted: readonly string[] };
  /** How many requests were made: 1 and the retries; 0 with `"circuit_open"` and `"unsupported"`. */
  readonly tries: number;
  /** The HTTP status of the last response, if there was one. */
  readonly status?: number;
  /** The `x-request-id` of the last response, if it had one. */
  readonly requestId?: string;
  /** When the first try began, in Unix milliseconds. */
  readonly startedAt: number;
  /** How long the attempt took, in milliseconds. */
  readonly durationMs: number;
  /** Streams: how long the first content took, in milliseconds. */
  readonly firstTokenMs?: number;
  /** What went wrong, for people. */
  readonly message?: string;
  /** With `"rejected"`: the rule that refused the answer, or `"function"`. */
  readonly rejectedBy?: RejectRule | 'function';
  /** With `"rejected"`: the usage that the refused answer states, as its upstream names it. */
  readonly usage?: any;
}

/**
 * How a call went: `completion.openpipe`, `stream.openpipe`. Not enumerable, so that logs of a completion stay what
 * the API sent.
 */
export interface OpenPipeResult {
  /** Whether the primary answered or a fallback. */
  readonly servedBy: 'primary' | 'fallback';
  /** The upstream of that target: of a response its home, for `openpipe: { upstream }` of later calls. */
  readonly upstream: UpstreamKind;
  /** The key of `openpipe.aliases` that the call named as its model, if it did. */
  readonly alias?: string;
  /** The model of the target that answered, as it was requested. */
  readonly model: string;
  /** One attempt for each target that was tried, in order. */
  readonly attempts: readonly Attempt[];
  /**
   * Settles, and never rejects, when OpenPipe has the report of this call, when it was given up, or after 5 s while
   * delivery goes on; at once when there is nothing to report.
   */
  readonly reportingFinished: Promise<void>;
}

/**
 * How a call failed: `error.openpipe`. `servedBy` and `model` are those of the last target, whose error was thrown. Of a call
 * that the caller aborted, those of the target that was under way; `errors` are of those before it.
 */
export interface OpenPipeErrorInfo extends OpenPipeResult {
  /** The error of every target that was tried, in order, the primary's first. */
  readonly errors: readonly unknown[];
}

/**
 * An error of any class with the record of its call. The SDK's own error classes have `openpipe` as an optional
 * member; this type is for the errors of a {@link FallbackClient}, which are thrown as they are: `(error as
 * OpenPipeError).openpipe`.
 */
export interface OpenPipeError extends Error {
  /** How the call failed. Absent when the call failed before it had a target, and where the thrown object is frozen. */
  readonly openpipe?: OpenPipeErrorInfo | undefined;
}

/** A call moves on to another target: `onFallback`, and the `diagnostics_channel` channel `openpipe:fallback`. */
export interface FallbackEvent {
  /** The target that failed. */
  readonly from: Attempt;
  /** The target that is tried next. */
  readonly to: { readonly upstream: UpstreamKind; readonly model: string };
}

/** A call is finished, well or not: the `diagnostics_channel` channel `openpipe:call`. */
export interface CallEvent {
  /** The model of the target that answered, or failed last. */
  readonly model: string;
  /** Whether the primary answered or a fallback; of a failed call, which was tried last. */
  readonly servedBy: 'primary' | 'fallback';
  /** One attempt for each target that was tried, in order. */
  readonly attempts: readonly Attempt[];
  /** How long the call took, in milliseconds. */
  readonly durationMs: number;
  /** The `usage` of the completion, if it had one. */
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly total_tokens: number;
    readonly [member: string]: unknown;
  };
}

/** How a target has done lately: a row of `upstreams()`. */
export interface UpstreamState {
  /** Where the requests went. */
  readonly upstream: Attempt['upstream'];
  /** The endpoint that was called. */
  readonly endpoint: 'chat' | 'completions' | 'responses' | 'embeddings';
  /** The model of the request. */
  readonly model: string;
  /** The state of its circuit; `null` where the last call had no breaker. */
  readonly circuit: 'closed' | 'open' | 'half_open' | null;
  /** Since when the circuit is in that state, in Unix milliseconds; `null` where nothing has happened for so long. */
  readonly since: number | null;
  /** When an open circuit lets a probe through, in Unix milliseconds. */
  readonly until: number | null;
  /** What the target failed with last. */
  readonly lastFailure: { readonly kind: FailureKind; readonly status?: number; readonly at: number } | null;
  /** How many calls are under way; a stream until its end. */
  readonly inFlight: number;
  /** The median of the last 64 times to a stream's first content, or to a completion, in milliseconds. */
  readonly firstContentMs: number | null;
}

/** What became of the reports: the result of `flush()`. */
export interface FlushResult {
  /** Reports that OpenPipe has. */
  readonly delivered: number;
  /** Reports that were given up. */
  readonly dropped: number;
  /** Reports that are still on their way. */
  readonly pending: number;
}

/** OpenPipe's judgement of a choice by one criterion. */
export type CriterionResult =
  | { status: 'success'; score: number; explanation?: string; errorCode?: number; errorMessage?: string }
  | { status: 'error'; score?: number; explanation?: string; errorCode: number; errorMessage: string };
