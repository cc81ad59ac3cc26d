// The types of OpenPipe's own API: what its client (client.d.ts for CommonJS, client.d.mts for ES modules) takes and
// returns. There is no client-types.js: import types only.

import type { TagValue } from './types.js';

/** What an {@link OpenPipeClient} is made with. */
export interface OpenPipeConfig {
  /** @default process.env["OPENPIPE_API_KEY"] */
  apiKey?: string | undefined;
  /** @default process.env["OPENPIPE_BASE_URL"], else "https://api.openpipe.ai/api/v1" */
  baseUrl?: string | undefined;
}

/** `null`; the API takes the word for it, too. */
type Null = 'null' | null;

/** A call to report: `report`. */
export interface Report {
  /** Unix time in milliseconds. */
  requestedAt?: number;
  /** Unix time in milliseconds. */
  receivedAt?: number;
  /** The request's body. Its `metadata` is what the log is found by. */
  reqPayload?: any;
  /** The completion; of a failure the error. */
  respPayload?: any;
  /** The response's HTTP status. */
  statusCode?: number;
  /** What went wrong, for people. */
  errorMessage?: string;
  /** @deprecated use `reqPayload.metadata` */
  tags?: Record<string, TagValue | Null>;
}

/** A message of Anthropic's API, as its `messages.create` returns it. */
export interface AnthropicMessage {
  id: string;
  type: 'message';
  role: 'assistant';
  model: string;
  content: AnthropicContentBlock[];
  stop_reason: 'end_turn' | 'max_tokens' | 'stop_sequence' | 'tool_use' | Null;
  stop_sequence: string | Null;
  usage: {
    input_tokens: number;
    output_tokens: number;
    cache_creation_input_tokens: number | null;
    cache_read_input_tokens: number | null;
  };
}

/** A part of an {@link AnthropicMessage}. */
export type AnthropicContentBlock =
  | { type: 'text'; text: string; citations?: AnthropicCitation[] | null }
  | { type: 'tool_use'; id: string; name: string; input?: any }
  | { type: 'thinking'; thinking: string; signature: string }
  | { type: 'redacted_thinking'; data: string };

/** Where a text is taken from. */
export type AnthropicCitation = { cited_text: string; document_index: number; document_title: string | null } & (
  | { type: 'char_location'; start_char_index: number; end_char_index: number }
  | { type: 'page_location'; start_page_number: number; end_page_number: number }
  | { type: 'content_block_location'; start_block_index: number; end_block_index: number }
);

/** A call of Anthropic's API to report: `reportAnthropic`. */
export interface AnthropicReport extends Omit<Report, 'reqPayload' | 'respPayload'> {
  /** The body of the request to `messages.create`. */
  reqPayload?: Record<string, any>;
  /** The message that it answered. */
  respPayload?: AnthropicMessage;
  /** What the log is found by. */
  metadata?: Record<string, string>;
}

/** What became of a report. */
export interface Reported {
  status: 'ok' | 'error';
}

/**
 * Logs in which a field has a value; several filters mean those that fit them all. A field is `completionId`, `model`,
 * `metadata.NAME`, or `tags.NAME`.
 */
export interface LogFilter {
  field: string;
  equals: string | number | boolean;
}

/** New metadata for logs: `updateLogMetadata`. `null` takes a name away. */
export interface LogMetadataUpdate {
  filters: LogFilter[];
  metadata: Record<string, string | Null>;
}

/** New tags for logs: `updateLogTags`. `null` takes a tag away. */
export interface LogTagsUpdate {
  filters: LogFilter[];
  tags: Record<string, TagValue | Null>;
}

/** How many logs an update reached. */
export interface LogsMatched {
  matchedLogs: number;
}

/** A part of a message that is text. */
export interface TextPart {
  type: 'text';
  text: string;
}

/** A part of a user's message. */
export type UserPart =
  | TextPart
  | { type: 'image_url'; image_url: { url: string; detail?: 'auto' | 'low' | 'high' } }
  | { type: 'input_audio'; input_audio: { data: string; format: 'wav' | 'mp3' } };

/** A function call by the model. */
export interface ToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** A message of a model, as in a completion's choice. */
export interface ModelMessage {
  role: 'assistant';
  content?: string | null;
  reasoning_content?: string | null;
  refusal?: string | null;
  function_call?: { name?: string; arguments?: string } | null;
  tool_calls?: ToolCall[] | null;
}

/** A message of a conversation, as in a request for a chat completion. */
export type ChatMessage =
  | { role: 'system' | 'developer'; content?: string | TextPart[]; name?: string }
  | { role: 'user'; content?: string | UserPart[]; name?: string }
  | (Omit<ModelMessage, 'content' | 'reasoning_content'> & {
      content?: string | (TextPart | { type: 'refusal'; refusal: string })[] | Null;
      name?: string;
      audio?: { id: string } | null;
      annotations?: {
        type: 'url_citation';
        url_citation: { start_index: number; end_index: number; title: string; url: string };
      }[];
    })
  | { role: 'tool'; content?: string | TextPart[]; tool_call_id: string }
  | { role: 'function'; name: string; content: string | Null };

/** A function that the model may call. */
export interface ChatTool {
  type: 'function';
  function: { name: string; description?: string; parameters?: Record<string, any>; strict?: boolean | null };
}

/** Whether the model may, must, or must not call a tool, or which. */
export type ToolChoice = 'none' | 'auto' | 'required' | { type?: 'function'; function?: { name: string } };

/** How the model is to answer. */
export type ResponseFormat =
  | { type: 'text' }
  | { type: 'json_object' }
  | {
      type: 'json_schema';
      json_schema: { name: string; description?: string; schema?: Record<string, any>; strict?: boolean | null };
    };

/** The output to judge, and the criterion: `getCriterionJudgement`. */
export interface JudgementRequest {
  criterion_id: string;
  /** The model's input. */
  input?: { messages: ChatMessage[]; tool_choice?: ToolChoice; tools?: ChatTool[] };
  /** The model's output. */
  output: ModelMessage;
}

/** A judgement. */
export interface Judgement {
  score: number;
  explanation?: string;
  /** Of reward models only. */
  usage?: { total_tokens: number };
}

/** A set of examples to train on. */
export interface Dataset {
  object: 'dataset';
  id: string;
  name: string;
  /** A date, as ISO 8601 writes it. */
  created: string;
  /** A date, as ISO 8601 writes it. */
  updated: string;
  dataset_entry_count: number;
  fine_tune_count: number;
}

/** A list of things. */
export interface List<T> {
  object: 'list';
  data: T[];
}

/** What was deleted. */
export interface Deleted<Name extends string> {
  id: string;
  object: Name;
  deleted: boolean;
}

/** One example: a conversation whose last message is what the model should say. */
export interface DatasetEntry {
  messages: ChatMessage[];
  /** What it should not say, for preference tuning. */
  rejected_message?: ModelMessage;
  tool_choice?: ToolChoice;
  tools?: ChatTool[];
  response_format?: ResponseFormat;
  /** Whether it is used for training or for tests. Default: OpenPipe decides. */
  split?: 'TRAIN' | 'TEST';
  metadata?: Record<string, string>;
}

/** What became of new entries. */
export interface EntriesCreated {
  object: 'dataset.entries.creation';
  entries_created: number;
  errors: List<{ object: 'dataset.entries.creation.error'; entry_index: number; message: string }>;
}

/** How a model is trained, and by whom. */
export type TrainingConfig =
  | {
      provider: 'openpipe';
      baseModel: string;
      enable_sft?: boolean;
      enable_preference_tuning?: boolean;
      sft_hyperparameters?: SftHyperparameters;
      preference_hyperparameters?: {
        variant?: PreferenceVariant;
        learning_rate_multiplier?: number;
        num_epochs?: number;
        training_beta?: number;
        adapter_weight?: number;
      };
      /** @deprecated use the members above */
      hyperparameters?: SftHyperparameters & {
        is_sft_enabled?: boolean;
        is_preference_tuning_enabled?: boolean;
        preference_tuning_variant?: PreferenceVariant;
        preference_tuning_learning_rate_multiplier?: number;
        preference_tuning_num_epochs?: number;
        preference_tuning_training_beta?: number;
        preference_tuning_adapter_weight?: number;
      };
    }
  | { provider: 'openpipeReward'; baseModel: string; hyperparameters?: SftHyperparameters }
  | {
      provider: 'openai';
      baseModel:
        | 'gpt-4.1-2025-04-14'
        | 'gpt-4.1-mini-2025-04-14'
        | 'gpt-4o-mini-2024-07-18'
        | 'gpt-4o-2024-08-06'
        | 'gpt-3.5-turbo-0125';
      enable_sft?: boolean;
      enable_preference_tuning?: boolean;
      sft_hyperparameters?: OpenAIHyperparameters;
      preference_hyperparameters?: OpenAIHyperparameters & { beta?: number };
      /** @deprecated use the members above */
      hyperparameters?: OpenAIHyperparameters & {
        is_sft_enabled?: boolean;
        is_preference_tuning_enabled?: boolean;
        preference_tuning_beta?: number;
        preference_tuning_batch_size?: number;
        preference_tuning_learning_rate_multiplier?: number;
        preference_tuning_n_epochs?: number;
      };
    }
  | {
      provider: 'gemini';
      baseModel: 'models/gemini-1.0-pro-001' | 'models/gemini-1.5-flash-001-tuning';
      sft_hyperparameters?: GeminiHyperparameters;
      /** @deprecated use `sft_hyperparameters` */
      hyperparameters?: GeminiHyperparameters;
    };

type PreferenceVariant = 'DPO' | 'APO Zero';

interface SftHyperparameters {
  batch_size?: 'auto' | number;
  learning_rate_multiplier?: number;
  num_epochs?: number;
}

interface OpenAIHyperparameters {
  batch_size?: number;
  learning_rate_multiplier?: number;
  n_epochs?: number;
}

interface GeminiHyperparameters {
  epochs?: number;
  batch_size?: number;
  learning_rate?: number;
  learning_rate_multiplier?: number;
}

/** A model to train: `createModel`. */
export interface ModelRequest {
  datasetId: string;
  /** Its name: it is called as `openpipe:SLUG`. */
  slug: string;
  pruningRuleIds?: string[];
  trainingConfig: TrainingConfig;
  defaultTemperature?: number;
}

/** A model of one's own. */
export interface Model {
  object: 'model';
  id: string;
  name: string;
  description: string | null;
  /** A date, as ISO 8601 writes it. */
  created: string;
  /** A date, as ISO 8601 writes it. */
  updated: string;
  openpipe: {
    baseModel: string;
    hyperparameters: Record<string, any> | null;
    status:
      'PENDING' | 'QUEUED' | 'PROVISIONING' | 'TRAINING' | 'DEPLOYED' | 'ERROR' | 'DEPRECATED' | 'PENDING_DEPRECATION';
    datasetId: string;
    errorMessage: string | null;
  };
  contextWindow: number;
  maxCompletionTokens: number;
  capabilities: ('chat' | 'tools' | 'json')[];
  pricing: { chatIn: number; chatOut: number };
  owned_by: string;
}

/** Marks clients of this package's class. Clients of other packages have the same methods, but not their key. */
export declare const made: unique symbol;

/**
 * OpenPipe's own API, except chat completions. Every method rejects with the SDK's errors: `APIError` and its
 * subclasses for a status, `APIConnectionError`, `APIConnectionTimeoutError`; with `OpenAIError` for a missing key;
 * with `TypeError` for a malformed argument.
 */
export interface OpenPipeClient {
  /** Only a type. */
  readonly [made]: true;

  /** Logs a call of OpenAI's chat completions, or of any API like it. Calls of `openpipe-native` log themselves. */
  report(call: Report): Promise<Reported>;

  /** Logs a call of Anthropic's messages. */
  reportAnthropic(call: AnthropicReport): Promise<Reported>;

  /**
   * Changes the metadata of logged calls.
   *
   * @example
   * await openpipe.updateLogMetadata({
   *   filters: [{ field: "completionId", equals: completion.id }],
   *   metadata: { rating: "good" },
   * });
   */
  updateLogMetadata(update: LogMetadataUpdate): Promise<LogsMatched>;

  /** @deprecated use {@link updateLogMetadata} */
  updateLogTags(update: LogTagsUpdate): Promise<LogsMatched>;

  /** Judges a model's output by one of the project's criteria. */
  getCriterionJudgement(request: JudgementRequest): Promise<Judgement>;

  createDataset(dataset: { name: string }): Promise<Dataset>;
  listDatasets(): Promise<List<Dataset>>;
  deleteDataset(datasetId: string): Promise<Deleted<'dataset'>>;
  /** Adds examples to a dataset. The result lists invalid ones by their index in `entries`. */
  createDatasetEntries(datasetId: string, entries: { entries: DatasetEntry[] }): Promise<EntriesCreated>;

  /** Trains a model on a dataset. */
  createModel(model: ModelRequest): Promise<Model>;
  listModels(): Promise<List<Model>>;
  getModel(modelSlug: string): Promise<Model>;
  deleteModel(modelSlug: string): Promise<Deleted<'model'>>;
}

// Without this line everything above would be exported.
export {};
