// The types of `openpipe-native/testing`, shared by both entries.

import type { IncomingHttpHeaders } from 'node:http';

/** A string is sent as UTF-8. */
export type Bytes = string | Uint8Array;

/** What every behaviour may have. */
export interface Common {
  /** Pause before anything is sent, in ms. @default 0 */
  delayMs?: number;
  /** So many requests for the same model, counted from the start or the last `reset()`, get `failWith` instead. @default 0 */
  failFirst?: number;
  /** @default a 500 */
  failWith?: Behaviour;
}

/** A good answer of the request's endpoint: chat completions, completions, Responses, embeddings; a stream where the request's body asks for one. */
export interface Answer extends Common {
  kind: 'answer';
  /** Embeddings have none. @default a sentence that names the upstream and the model */
  content?: string;
  /** @default 200 */
  status?: number;
  /** Added to, or in place of, the usual ones. */
  headers?: Record<string, string>;
  /** Content encoding. @default none */
  encoding?: 'gzip' | 'br' | 'deflate';
  /** Streams: how many events the content is split into. @default 4 */
  deltas?: number;
  /** Streams: pause between two events, in ms. @default 0 */
  paceMs?: number;
  /** Streams: where and how it goes wrong. Completions ignore it. */
  fault?: StreamFault;
}

/** Where and how a stream goes wrong. */
export interface StreamFault {
  /** The last thing that arrives well. */
  after: StreamPoint;
  how: StreamFailure;
  /** `keep-alive`, `empty-deltas`: time between two of them, in ms. @default 50 */
  everyMs?: number;
}

/**
 * A point in a stream: a number is that many content events (1 is the first one). `usage` exists only where the request asks for it.
 * In Responses `response.completed` is `finish`, `usage` and `done` at once.
 */
export type StreamPoint = 'headers' | 'role' | number | 'finish' | 'usage' | 'done';

/**
 * - `reset`: the connection is reset.
 * - `cut`: the connection is closed without the end of the body (no last chunk).
 * - `end`: the body ends cleanly, without what should still have come.
 * - `stall`: nothing more comes, the connection stays open. After `done`: an end that never closes.
 * - `error-event`: an error as the endpoint writes it (`data: {"error": …}`, or in Responses `event: error`), then a clean end.
 * - `malformed-event`: an event that is not JSON, then the rest of the stream as if nothing were.
 * - `keep-alive`: comments, forever.
 * - `empty-deltas`: events without content, forever.
 */
export type StreamFailure =
  'reset' | 'cut' | 'end' | 'stall' | 'error-event' | 'malformed-event' | 'keep-alive' | 'empty-deltas';

/** Any status with any body: errors, and 2xx that are no completion. */
export interface Status extends Common {
  kind: 'status';
  status: number;
  /** E.g. `retry-after`, `x-should-retry`, `location`. */
  headers?: Record<string, string>;
  /** `bytes` come without a content type. @default JSON in the shape of OpenAI's errors */
  body?: 'error' | 'html' | 'empty' | { json: unknown } | { bytes: Bytes };
  /** Members of that error body. */
  error?: { message?: string; type?: string; code?: string | null; param?: string | null };
}

/**
 * - `silence`: reads the request and never answers.
 * - `reset`: resets the connection in place of a response.
 * - `close`: closes the connection in place of a response.
 * - `half-body`: announces the whole body, sends half of it, destroys the connection.
 * - `stall-body`: announces the whole body, sends half of it, and then nothing.
 * - `garbage`: sends bytes that are not HTTP, then closes.
 */
export interface Mishap extends Common {
  kind: 'silence' | 'reset' | 'close' | 'half-body' | 'stall-body' | 'garbage';
}

/** These chunks, exactly, on the socket itself: the response's head is among them. */
export interface Raw extends Common {
  kind: 'raw';
  bytes: Bytes | Bytes[];
  /** Pause between two chunks, in ms. @default 0 */
  paceMs?: number;
  /** @default "end" */
  then?: 'end' | 'reset' | 'hang';
}

/** These chunks, exactly, as the body of an event stream. */
export interface Sse extends Common {
  kind: 'sse';
  sse: Bytes[];
  /** Pause between two chunks, in ms. @default 0 */
  paceMs?: number;
  headers?: Record<string, string>;
  /** @default "end" */
  then?: 'end' | 'reset' | 'hang';
}

/** What an upstream does with a request. Plain data. */
export type Behaviour = Answer | Status | Mishap | Raw | Sse;

/** `broken off`: the connection closed, by either side, before the response was complete. */
export type Outcome = 'answered' | 'broken off';

/** A request as it arrived. It is logged when its body is complete. */
export interface LoggedRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
  /** Names and values in turn, as they were sent. */
  rawHeaders: string[];
  /** The parsed JSON; `undefined` if it is malformed. */
  body: any;
  rawBody: string;
  /** When its head arrived, in ms since the epoch. */
  at: number;
  /** The number of its connection, from 1: equal where one was reused. */
  connection: number;
  /** How many events of a stream have been written to the socket. */
  eventsSent: number;
  outcome: Outcome | 'open';
  /** Settles when the response or its connection has closed. */
  closed: Promise<Outcome>;
}

/** What {@link startUpstream} takes. */
export interface UpstreamOptions {
  /** @default one that is free */
  port?: number;
  /** @default "127.0.0.1" */
  host?: string;
  /** Who the answers say they are from. @default "upstream" */
  name?: string;
  /** How long an idle connection is kept, in ms. @default 5000 */
  keepAliveMs?: number;
  /** What to do by the model that a request names; comes before {@link namedBehaviours}. */
  behaviours?: Readonly<Record<string, Behaviour>>;
  /** Asked first, once for every request on any path; also the place to watch requests arrive. */
  behaviour?: (request: LoggedRequest) => Behaviour | undefined;
}

/** A running upstream. */
export interface Upstream {
  /** The base URL for a client: `http://HOST:PORT/v1`. */
  url: string;
  port: number;
  /** What was received. Always the same array. */
  requests: LoggedRequest[];
  /** How many connections are open now. */
  readonly connections: number;
  /** How many there have been since the start. */
  readonly totalConnections: number;
  /** Resolves with the request of that number in the log (1 is the first) as soon as it is there. */
  arrival(count: number): Promise<LoggedRequest>;
  /** Empties the log, and `failFirst` counts anew. Connections stay. */
  reset(): void;
  /** Destroys all connections and stops listening. */
  close(): Promise<void>;
}

/**
 * Starts a small OpenAI-compatible server that answers, streams and fails as configured, at the paths of chat completions, completions,
 * Responses and embeddings.
 *
 * @example
 * const upstream = await startUpstream({ behaviour: () => ({ kind: 'status', status: 503 }) });
 * const openai = new OpenAI({ apiKey: 'test', baseURL: upstream.url });
 */
export function startUpstream(options?: UpstreamOptions): Promise<Upstream>;

/** A port of this machine on which nothing listens: connections to it are refused. */
export function closedPort(host?: string): Promise<number>;

/** The built-in behaviours, selected by a request's model; `status-503` and the like exist as well. */
export const namedBehaviours: Readonly<Record<string, Behaviour>>;
