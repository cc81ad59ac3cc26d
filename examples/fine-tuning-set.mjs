// Makes a fine-tuning set, in OpenAI's format, from a file of reports (`openpipe: { reports: { file } }`): the attempt of each call
// that answered. Usage: node fine-tuning-set.mjs reports.jsonl > training.jsonl

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

const [file = 'reports.jsonl'] = process.argv.slice(2);

for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
  const { endpoint, outcome, reqPayload, respPayload, errorMessage } = JSON.parse(line);
  const choice = respPayload?.choices?.[0];
  // A truncated answer would teach the model to stop in the middle.
  const isWhole = outcome === 'ok' && errorMessage === undefined && choice?.finish_reason !== 'length';
  if (endpoint !== 'chat' || !isWhole || !choice?.message) continue;
  const { role, content, tool_calls, refusal } = choice.message;
  if (refusal) continue;
  const message = { role, content, ...(tool_calls ? { tool_calls } : {}) };
  const { messages, tools } = reqPayload;
  console.log(JSON.stringify({ messages: [...messages, message], ...(tools ? { tools } : {}) }));
}
