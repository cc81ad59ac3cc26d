// The types of `openpipe-native/fetch`, which needs no `openai` package. There is no fetch-types.js: import types only.

declare global {
  // As in the library `esnext.disposable`, which TypeScript has from 5.2.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

import type { FallbackTarget, FlushResult, OpenPipeErrorInfo, OpenPipeOptions, OpenPipeResult } from './types.js';

/** A fallback target of `createFetch`: a custom `client` has no place there. */
export type FetchTarget = Omit<FallbackTarget, 'client'>;

/** The options of `createFetch`: those of `openpipe`, and those below. */
export interface CreateFetchOptions extends Omit<OpenPipeOptions, 'fallback' | 'fallbackClient'> {
  /**
   * What to ask when the request's own target fails: one target, or several that are tried in order. One without an
   * `upstream` has the request's URL and headers. It is for chat completions and Responses: embeddings and completions take
   * one from the header `x-openpipe`, or an alias.
   *
   * @default none
   */
  fallback?: FetchTarget | readonly FetchTarget[] | null | false | undefined;
  /**
   * The time of each target, in milliseconds: a positive number, or `Infinity` for none.
   *
   * @default 600 000; if the SDK sends its timeout in `x-stainless-timeout`, that is the call's deadline, of which the first
   * target gets half
   */
  timeout?: number | undefined;
  /**
   * Retries of each target.
   *
   * @default 0 where another target follows, 2 for the last one
   */
  maxRetries?: number | undefined;
  /**
   * The `fetch` for everything that is not a call of a model.
   *
   * @default the global one, as it was when `createFetch` was called
   */
  fetch?: ((input: any, init?: any) => Promise<Response>) | undefined;
  /**
   * Which URLs are ours, of those whose path ends as an endpoint's. The URL has `startsWith`, `endsWith` and `includes` of its text
   * as well.
   *
   * @default all of them
   */
  match?: ((url: URL & Pick<string, 'startsWith' | 'endsWith' | 'includes'>) => boolean) | undefined;
  /**
   * What becomes of a call whose every target failed. `"resolve"`: a response with an error status. `"reject"`: where there was no
   * such response, what `fetch` would reject with.
   *
   * @default "resolve"
   */
  onFailure?: 'resolve' | 'reject' | undefined;
  /**
   * Whether responses say what became of the call: `x-openpipe-served-by`, `x-openpipe-model` (percent-encoded),
   * `x-openpipe-attempts` (JSON).
   *
   * @default true
   */
  headers?: boolean | undefined;
  /**
   * Which options the member `openpipe` of a body may have: all, none, or those named here. A body often comes from a user.
   *
   * @default false
   */
  allowInBody?: boolean | readonly string[] | undefined;
  /** The logger for warnings. @default console */
  logger?: { warn(message: string, ...rest: unknown[]): void } | undefined;
  /** @default "warn" */
  logLevel?: 'off' | 'error' | 'warn' | 'info' | 'debug' | undefined;
}

/** The response of such a call. Its `url` holds no credentials. */
export interface OpenPipeResponse extends Response {
  /** The record of the call, with `errors` if every target failed. Absent on requests that were passed on. */
  readonly openpipe?: OpenPipeResult & Partial<Pick<OpenPipeErrorInfo, 'errors'>>;
}

/** A `fetch` whose calls of a model's API have fallbacks. */
export interface OpenPipeFetch {
  // `any`: every SDK has its own types for the parameters of a `fetch`, and this one fits them all.
  (input: any, init?: any): Promise<OpenPipeResponse>;
  /** Delivers the reports that are queued, for at most `timeout` milliseconds (10 000). Rejects only a malformed `timeout`. */
  flush(options?: { timeout?: number | undefined }): Promise<FlushResult>;
  /** Takes no more calls, delivers the queued reports, and releases native resources. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes a `fetch` for an SDK: POSTs to `…/chat/completions`, `…/responses`, `…/embeddings` and `…/completions` run through the
 * engine, with fallbacks, deadlines and streams that are held until their content; everything else goes to `fetch` as it was given.
 * Options of one call go into its header `x-openpipe`, as JSON.
 *
 * @throws TypeError when an option is malformed
 * @example
 * const fetch = createFetch({ fallback: { model: 'gpt-4o-mini' }, timeout: 10_000 });
 * const openai = createOpenAI({ fetch });
 */
export declare function createFetch(options?: CreateFetchOptions): OpenPipeFetch;
