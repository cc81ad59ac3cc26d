// OpenPipe's own API.
import OpenAI from 'openpipe-native';
import OpenPipe, {
  OpenPipe as Named,
  type Dataset,
  type List,
  type Model,
  type OpenPipeConfig,
} from 'openpipe-native/client';

import { expectExactly } from './expect.js';

const config: OpenPipeConfig = { apiKey: 'opk', baseUrl: 'https://example.com/api/v1' };
export const openpipe: OpenPipe = new OpenPipe(config);
export const noOptions: OpenPipe[] = [new OpenPipe(), new OpenPipe({}), new Named({ apiKey: undefined })];
export const sameClass: typeof OpenPipe = Named;

// It stands for the key and the URL that it was made with.
export const openai = new OpenAI({ apiKey: 'sk', openpipe });
openai.withOptions({ openpipe: new OpenPipe() });

export async function logs() {
  const reported = await openpipe.report({
    requestedAt: Date.now(),
    receivedAt: Date.now(),
    reqPayload: { model: 'gpt-4o', messages: [], metadata: { prompt_id: 'counting' } },
    respPayload: { choices: [] },
    statusCode: 200,
    errorMessage: 'none',
    tags: { a: 1, b: true, c: null },
  });
  expectExactly<'ok' | 'error'>()(reported.status);
  await openpipe.report({});
  await openpipe.reportAnthropic({
    reqPayload: { model: 'claude', messages: [] },
    respPayload: {
      id: 'msg',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      content: [
        { type: 'text', text: 'Hi' },
        { type: 'tool_use', id: 't', name: 'now', input: {} },
        { type: 'thinking', thinking: 'hm', signature: 's' },
      ],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: null, cache_read_input_tokens: 0 },
    },
    metadata: { prompt_id: 'counting' },
  });

  const filters = [{ field: 'completionId', equals: 'chatcmpl-1' }];
  const { matchedLogs } = await openpipe.updateLogMetadata({ filters, metadata: { rating: 'good', old: null } });
  expectExactly<number>()(matchedLogs);
  await openpipe.updateLogTags({ filters, tags: { rating: 5, old: null } });
}

export async function judgement(message: OpenAI.ChatCompletionMessage) {
  const judged = await openpipe.getCriterionJudgement({
    criterion_id: 'helpful@v1',
    input: { messages: [{ role: 'user', content: 'Count to 10' }] },
    output: { role: 'assistant', content: message.content },
  });
  expectExactly<number>()(judged.score);
  expectExactly<string | undefined>()(judged.explanation);
}

export async function datasets() {
  const dataset = await openpipe.createDataset({ name: 'counting' });
  expectExactly<Dataset>()(dataset);
  expectExactly<List<Dataset>>()(await openpipe.listDatasets());
  const { entries_created, errors } = await openpipe.createDatasetEntries(dataset.id, {
    entries: [
      {
        messages: [
          { role: 'system', content: 'You count.' },
          { role: 'user', content: [{ type: 'text', text: 'Count to 3' }] },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 'a', content: '3' },
        ],
        rejected_message: { role: 'assistant', content: 'No.' },
        tools: [{ type: 'function', function: { name: 'f', parameters: {} } }],
        tool_choice: 'auto',
        response_format: { type: 'json_schema', json_schema: { name: 's', schema: {} } },
        split: 'TRAIN',
        metadata: { from: 'logs' },
      },
    ],
  });
  expectExactly<number>()(entries_created + (errors.data[0]?.entry_index ?? 0));
  expectExactly<boolean>()((await openpipe.deleteDataset(dataset.id)).deleted);
}

export async function models(datasetId: string) {
  const model = await openpipe.createModel({
    datasetId,
    slug: 'counter',
    trainingConfig: {
      provider: 'openpipe',
      baseModel: 'llama',
      enable_sft: true,
      sft_hyperparameters: { num_epochs: 3 },
    },
  });
  expectExactly<Model>()(model);
  if (model.openpipe.status === 'DEPLOYED')
    await openai.chat.completions.create({ model: `openpipe:${model.name}`, messages: [] });
  expectExactly<List<Model>>()(await openpipe.listModels());
  expectExactly<Model>()(await openpipe.getModel('counter'));
  expectExactly<'model'>()((await openpipe.deleteModel('counter')).object);
}

// What must not compile.

// @ts-expect-error the key is a string
new OpenPipe({ apiKey: 5 });
// @ts-expect-error an option that it does not have
new OpenPipe({ fallbackClient: openai });
// @ts-expect-error the class is no instance
new OpenAI({ openpipe: OpenPipe });
// @ts-expect-error an id is needed
openpipe.deleteDataset();
// @ts-expect-error a body is needed
openpipe.report();
// @ts-expect-error a dataset has a name
openpipe.createDataset({});
// @ts-expect-error no such role
openpipe.createDatasetEntries('d', { entries: [{ messages: [{ role: 'robot', content: '' }] }] });
// @ts-expect-error no such provider
openpipe.createModel({ datasetId: 'd', slug: 's', trainingConfig: { provider: 'nobody', baseModel: 'm' } });
// @ts-expect-error no such member of a report
openpipe.report({ requestPayload: {} });
// @ts-expect-error no such method
openpipe.listLogs();
