/** How often a call crosses the boundary to the addon: each crossing costs more than most chunks do (issue 16). */

import { createRequire } from 'node:module';

import OpenAI from 'openpipe-native';
import { afterEach, expect, test, vi } from 'vitest';

import { MESSAGES } from '../support/calls.mjs';
import { completion, plainClient } from '../support/custom-clients.mjs';

const require = createRequire(import.meta.url);
const native = require('../../lib/native/native.js');
const { Call } = require('../../lib/call/call.js');

afterEach(() => {
  vi.restoreAllMocks();
});

const CHUNKS = 100;

const client = plainClient(async ({ model, stream }) => {
  if (!stream) return completion(model, 'Answered.');
  return (async function* () {
    for (let index = 0; index < CHUNKS; index += 1) {
      const finish_reason = index === CHUNKS - 1 ? 'stop' : null;
      yield { id: 'c', model, choices: [{ index: 0, delta: { content: 'word ' }, finish_reason }] };
    }
  })();
});

/** Counts what crosses for one call: the messages to JavaScript by their names, and the answers and receipts to the core. */
function counted() {
  const onMessage = vi.spyOn(Call.prototype, 'onMessage');
  const answer = vi.spyOn(native, 'answer');
  const consumed = vi.spyOn(native, 'consumed');
  return {
    messages: () => onMessage.mock.calls.map(([message]) => message[1]),
    toCore: () => answer.mock.calls.length + consumed.mock.calls.length,
  };
}

function ours() {
  return new OpenAI({
    apiKey: 'sk-1',
    maxRetries: 0,
    logLevel: 'off',
    // Nobody is there: the call moves on at once.
    baseURL: 'http://127.0.0.1:9/v1',
    openpipe: { reports: [], fallbackClient: client.client, fallback: { model: 'custom' } },
  });
}

test('a completion of a custom client takes three crossings: the request, its answer and the outcome', async () => {
  const crossed = counted();
  const result = await ours().chat.completions.create({ model: 'm', messages: MESSAGES });

  expect(result.choices[0]?.message.content).toBe('Answered.');
  expect(crossed.messages()).toEqual(['fallback', 'ask', 'completion']);
  expect(crossed.toCore()).toBe(1);
});

test('chunks of a custom client that are ready together cross in one batch, and their text is not sent back', async () => {
  const crossed = counted();
  const stream = await ours().chat.completions.create({ model: 'm', messages: MESSAGES, stream: true });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';

  expect(text).toBe('word '.repeat(CHUNKS));
  const messages = crossed.messages();
  // `kept` says how many of the chunks that stayed here are the reader's; `events` would bring their text back.
  expect(messages.filter((name) => name !== 'kept')).toEqual(['fallback', 'ask', 'stream', 'end']);
  expect(messages.length + crossed.toCore()).toBeLessThan(CHUNKS / 4);
});
