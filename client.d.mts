// The types of `import OpenPipe from "openpipe-native/client"`.

import type { OpenPipeClient, OpenPipeConfig } from './client-types.js';

export type {
  AnthropicCitation,
  AnthropicContentBlock,
  AnthropicMessage,
  AnthropicReport,
  ChatMessage,
  ChatTool,
  Dataset,
  DatasetEntry,
  Deleted,
  EntriesCreated,
  Judgement,
  JudgementRequest,
  List,
  LogFilter,
  LogMetadataUpdate,
  LogsMatched,
  LogTagsUpdate,
  Model,
  ModelMessage,
  ModelRequest,
  OpenPipeClient,
  OpenPipeConfig,
  Report,
  Reported,
  ResponseFormat,
  TextPart,
  ToolCall,
  ToolChoice,
  TrainingConfig,
  UserPart,
} from './client-types.js';

/**
 * A client of OpenPipe's own API. The constructor option `openpipe` takes one in place of `{ apiKey, baseUrl }`.
 *
 * @throws TypeError when an option is no string
 * @example
 * const openpipe = new OpenPipe({ apiKey });
 * const { data } = await openpipe.listModels();
 */
declare class OpenPipe {
  constructor(config?: OpenPipeConfig);
}

interface OpenPipe extends OpenPipeClient {}

export { OpenPipe, OpenPipe as default };
