/** The chunks of a stream: each is what its event says, though most cross to JavaScript as the little that is new in them. */

import { deepStrictEqual } from 'node:assert';

import { describe, expect } from 'vitest';

import { MESSAGES, readAll } from '../support/calls.mjs';
import { PRIMARY, test } from '../support/upstreams.mjs';

/** Events as servers send them, and as none does; those of a line have the same shape. */
const LINES = {
  'a role, words, and the finish': [
    '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}',
    '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}',
    '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" wörld 😀"},"finish_reason":null}]}',
    '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"total_tokens":3}}',
  ],
  'escapes, and halves of a surrogate pair': [
    '{"choices":[{"index":0,"delta":{"content":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"}}]}',
    '{"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}',
    '{"choices":[{"index":0,"delta":{"content":"\\ude00"}}]}',
    '{"choices":[{"index":0,"delta":{"content":"[\\"x\\",0]"}}]}',
  ],
  'words and padding': [
    '{"choices":[{"index":0,"delta":{"content":"a"}}],"obfuscation":"xyz"}',
    '{"choices":[{"index":0,"delta":{"content":"b"}}],"obfuscation":""}',
    '{"choices":[{"index":0,"delta":{"content":""}}],"obfuscation":"\\u0000"}',
  ],
  'padding before the words': [
    '{"obfuscation":"x","choices":[{"index":0,"delta":{"content":"a"}}]}',
    '{"obfuscation":"y","choices":[{"index":0,"delta":{"content":"b"}}]}',
  ],
  reasoning: [
    '{"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"hm"}}]}',
    '{"choices":[{"index":0,"delta":{"content":null,"reasoning_content":" hm"}}]}',
    '{"choices":[{"index":0,"delta":{"content":"a","reasoning_content":null}}]}',
    '{"choices":[{"index":0,"delta":{"content":"b","reasoning_content":null}}]}',
  ],
  'a tool call': [
    '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}]}}]}',
    '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\""}}]}}]}',
    '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}',
    '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":":1}"}}]}}]}',
  ],
  'more in it than words': [
    '{"choices":[{"index":0,"delta":{"content":"a","tool_calls":[]},"logprobs":{"content":[{"token":"a","bytes":[97]}]},"content_filter_results":{}}],"x":{"y":[{}]}}',
    '{"choices":[{"index":0,"delta":{"content":"b","tool_calls":[]},"logprobs":{"content":[{"token":"a","bytes":[97]}]},"content_filter_results":{}}],"x":{"y":[{}]}}',
    '{"choices":[{"index":0,"delta":{"content":"c","tool_calls":[]},"logprobs":{"content":[{"token":"a","bytes":[97]}]},"content_filter_results":{}}],"x":{"y":[{}]}}',
  ],
  'names that mean something to JavaScript': [
    '{"__proto__":{"a":1},"choices":[{"1":2,"constructor":{"b":1},"delta":{"__proto__":{"content":"x"},"content":"a","length":3}}],"0":-0}',
    '{"__proto__":{"a":1},"choices":[{"1":2,"constructor":{"b":1},"delta":{"__proto__":{"content":"x"},"content":"b","length":3}}],"0":-0}',
  ],
  'names twice': [
    '{"choices":[{"delta":{"content":"a","content":"b"}}]}',
    '{"choices":[{"delta":{"content":"a","content":"c"}}]}',
    '{"choices":[{"delta":{"content":"a","cont\\u0065nt":"d"}}]}',
    '{"choices":[{"delta":{"content":"a","cont\\u0065nt":"e"}}]}',
    '{"choices":[{"delta":{"content":"no"}}],"choices":[{"delta":{"content":"f"}}]}',
    '{"choices":[{"delta":{"content":"no"}}],"choices":[{"delta":{"content":"g"}}]}',
  ],
  'blanks and numbers': [
    '{ "choices" : [ { "delta" : { "content" : "a" } , "n" : 1e400 } ] }',
    '{ "choices" : [ { "delta" : { "content" : "b" } , "n" : 1e400 } ] }',
    '{ "choices" : [ { "delta" : { "content" : "b" } , "n" : 12345678901234567890 } ] }',
  ],
  'several choices, or none': [
    '{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}',
    '{"choices":[{"index":0,"delta":{"content":"c"}},{"index":1,"delta":{"content":"d"}}]}',
    '{"choices":[]}',
    '{"choices":[{"index":1,"delta":{"content":"c"}}]}',
    '{"choices":[{"index":1,"delta":{"content":"d"}}]}',
    '{}',
    '{"choices":[{"index":1,"delta":{"content":"e"}}]}',
  ],
  'nothing that two have in common': Array.from(
    { length: 9 },
    (_, index) => `{"id":"${index}","choices":[{"delta":{"content":"${index}"}}]}`,
  ),
};
const FINISH = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}';

/** @param {string[]} events */
const sent = (events) => [...events, FINISH, '[DONE]'].map((event) => `data: ${event}\n\n`);

/** @param {any} stage @param {string[]} events */
async function streamOf(stage, events) {
  const { openai } = await stage({ primary: { kind: 'sse', sse: sent(events) } });
  return openai.chat.completions.create({ model: PRIMARY, messages: MESSAGES, stream: true });
}

/** Changes every writable member. @param {any} value */
function spoil(value) {
  for (const name of Object.keys(value)) {
    if (typeof value[name] === 'object' && value[name] !== null) spoil(value[name]);
    value[name] = 'spoilt';
  }
  if (Array.isArray(value)) value.push('spoilt');
  else value.spoilt = true;
}

describe('each chunk equals its event as `JSON.parse` reads it', () => {
  for (const [what, events] of Object.entries(LINES)) {
    test(what, async ({ stage }) => {
      const { chunks, error } = await readAll(await streamOf(stage, events));
      const expected = [...events, FINISH].map((event) => JSON.parse(event));

      expect(error).toBeUndefined();
      deepStrictEqual(chunks, expected);
      // Also the order of the names.
      expect(chunks.map((chunk) => JSON.stringify(chunk))).toEqual(expected.map((chunk) => JSON.stringify(chunk)));
    });
  }

  test('all of them, in a row and again', async ({ stage }) => {
    const events = Object.values(LINES).flat();
    const { chunks } = await readAll(await streamOf(stage, [...events, ...events]));
    deepStrictEqual(
      chunks,
      [...events, ...events, FINISH].map((event) => JSON.parse(event)),
    );
  });

  test('through `asResponse()` as well', async ({ stage }) => {
    const events = Object.values(LINES).flat();
    const { openai } = await stage({ primary: { kind: 'sse', sse: sent(events) } });
    const response = await openai.chat.completions
      .create({ model: PRIMARY, messages: MESSAGES, stream: true })
      .asResponse();
    const lines = (await response.text()).split('\n\n').slice(0, -2);
    expect(lines).toEqual([...events, FINISH].map((event) => `data: ${JSON.stringify(JSON.parse(event))}`));
  });
});

describe('a chunk belongs to its reader', () => {
  for (const [what, events] of Object.entries(LINES)) {
    test(`changes of it do not affect later chunks (${what})`, async ({ stage }) => {
      const seen = [];
      for await (const chunk of await streamOf(stage, events)) {
        seen.push(structuredClone(chunk));
        spoil(chunk);
      }
      expect(seen).toEqual([...events, FINISH].map((event) => structuredClone(JSON.parse(event))));
    });
  }
});
