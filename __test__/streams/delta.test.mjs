/** Decoding of delta-encoded events for endpoints without `choices[].delta` (lib/call/delta.js). */

import { createRequire } from 'node:module';

import { expect, test } from 'vitest';

const { Chunks } = createRequire(import.meta.url)('../../lib/call/delta.js');

test('an event of Responses is decoded from its number and its texts, and shares no object', () => {
  const event = {
    type: 'response.output_text.delta',
    sequence_number: 9,
    item_id: 'm',
    delta: 'a',
    logprobs: [{ top: [] }],
    obfuscation: 'x',
  };
  const chunks = new Chunks();
  const first = chunks.chunkOf([event, [['sequence_number'], ['delta'], ['obfuscation']]]);
  expect(first).toEqual(event);
  first.logprobs[0].top.push('spoiled');
  first.delta = 'spoiled';
  expect(chunks.chunkOf([10, 'bc', ''])).toEqual({ ...event, sequence_number: 10, delta: 'bc', obfuscation: '' });
});

test('an event of completions is decoded from its text, and shares no object', () => {
  const event = { id: 'c', choices: [{ index: 0, text: 'a', finish_reason: null }] };
  const chunks = new Chunks();
  chunks.chunkOf([event, [['choices', 0, 'text']]]).choices[0].index = 7;
  expect(chunks.chunkOf('b')).toEqual({ id: 'c', choices: [{ index: 0, text: 'b', finish_reason: null }] });
  expect(chunks.chunkOf({ type: 'whole' })).toEqual({ type: 'whole' });
});
