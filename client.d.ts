// The types of `require("openpipe-native/client")`: the class itself, which is also its own `.OpenPipe` and `.default`.

import type * as types from './client-types.js';

/**
 * A client of OpenPipe's own API. Also what the constructor option `openpipe` takes, in place of `{ apiKey, baseUrl }`.
 *
 * @throws TypeError when an option is no string
 */
declare class OpenPipe {
  constructor(config?: types.OpenPipeConfig);
}

interface OpenPipe extends types.OpenPipeClient {}

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
  } from './client-types.js';
}

export = OpenPipe;
