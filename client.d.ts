// The types of `require("openpipe-native/client")`: the class itself, which has the types beside it.

import type {
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

declare namespace OpenPipe {
  export { OpenPipe, OpenPipe as default };
  export {
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
  };
}

export = OpenPipe;
