/** What is reported of a stream: its chunks, merged into the completion that they would have been (contract.md, section 7). */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { chunk, sseEvent } from '../../demo/upstream/payload.mjs';
import { eventually, MESSAGES, readAll, textOf } from '../support/calls.mjs';
import { PRIMARY } from '../support/upstreams.mjs';
import { allReported, callToItsEnd, MODEL, test } from '../support/reporting.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */
/** @import { Stage } from '../support/reporting.mjs' */

const LEFT = 'the caller left before the end';
/** So slow that no test waits for its end. @type {Behaviour} */
const ENDLESS = { kind: 'answer', content: 'word '.repeat(500), deltas: 500, paceMs: 20 };

const WORDS = ['The ', 'quick ', '"brown" ', '', 'fox\n', '🦊', '\\ jumps'];

/** @param {any} delta @param {any} [more] @param {number} [index] */
const piece = (delta, more, index = 0) => ({
  ...chunk(MODEL, {}, null, 'chatcmpl-1'),
  created: 1,
  choices: [{ index, delta, finish_reason: null, ...more }],
});

/**
 * The two ways in which a stream comes: over HTTP, or from a JavaScript client.
 * @type {{ name: string, body: (chunks: any[]) => any, calls: (chunks: any[]) => Behaviour | undefined, openpipeCalls?: Behaviour }[]}
 */
const ways = [
  {
    name: 'over HTTP',
    body: () => ({}),
    calls: (chunks) => ({ kind: 'sse', sse: [...chunks.map(sseEvent), sseEvent('[DONE]')] }),
  },
  {
    name: 'from a JavaScript client',
    body: (chunks) => ({ model: PRIMARY, openpipe: { fallback: { model: MODEL, client: clientOf(chunks) } } }),
    calls: () => undefined,
    openpipeCalls: { kind: 'status', status: 500 },
  },
];

for (const way of ways) {
  describe(`the chunks of a stream ${way.name} are merged:`, () => {
    /** @type {[string, any[], any][]} */
    const streams = [
      [
        'content, refusal and reasoning',
        [
          piece({ role: 'assistant', content: '', refusal: null }),
          piece({ reasoning_content: 'Let me ' }),
          piece({ reasoning_content: 'think.' }),
          piece({ content: 'Hel' }),
          piece({ content: 'lo 😀' }),
          piece({ refusal: 'I ' }),
          piece({ refusal: "can't" }),
          piece({}, { finish_reason: 'stop' }),
        ],
        [
          {
            index: 0,
            message: {
              role: 'assistant',
              content: 'Hello 😀',
              refusal: "I can't",
              reasoning_content: 'Let me think.',
            },
            finish_reason: 'stop',
          },
        ],
      ],
      [
        'words and arguments, by which alone most chunks differ',
        [
          piece({ role: 'assistant', content: '' }),
          ...WORDS.map((content) => piece({ content })),
          piece({ tool_calls: [toolCall(0, 'a', 'f', '')] }),
          ...WORDS.map((word) => piece({ tool_calls: [args(0, word)] })),
          piece({}, { finish_reason: 'tool_calls' }),
        ],
        [
          {
            index: 0,
            message: {
              role: 'assistant',
              content: WORDS.join(''),
              tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: WORDS.join('') } }],
            },
            finish_reason: 'tool_calls',
          },
        ],
      ],
      [
        'parallel tool calls, by their index',
        [
          piece({
            role: 'assistant',
            content: null,
            tool_calls: [toolCall(0, 'a', 'f', ''), toolCall(1, 'b', 'g', '')],
          }),
          piece({ tool_calls: [args(1, '{"y"'), args(0, '{"x":')] }),
          piece({ tool_calls: [args(0, '1}')] }),
          piece({ tool_calls: [toolCall(2, 'c', 'h', '[]'), args(1, ':2}')] }),
          piece({}, { finish_reason: 'tool_calls' }),
        ],
        [
          {
            index: 0,
            message: {
              role: 'assistant',
              content: null,
              tool_calls: [
                { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
                { id: 'b', type: 'function', function: { name: 'g', arguments: '{"y":2}' } },
                { id: 'c', type: 'function', function: { name: 'h', arguments: '[]' } },
              ],
            },
            finish_reason: 'tool_calls',
          },
        ],
      ],
      [
        'several choices, each for itself',
        [
          piece({ role: 'assistant', content: '' }, {}, 1),
          piece({ role: 'assistant', content: 'a' }),
          piece({ content: 'b' }, {}, 1),
          piece({ content: 'A' }),
          piece({ content: 'B' }, { finish_reason: 'length' }, 1),
          piece({}, { finish_reason: 'stop' }),
        ],
        [
          { index: 0, message: { role: 'assistant', content: 'aA' }, finish_reason: 'stop' },
          { index: 1, message: { role: 'assistant', content: 'bB' }, finish_reason: 'length' },
        ],
      ],
      [
        'function call and log probabilities',
        [
          piece(
            { role: 'assistant', function_call: { name: 'f', arguments: '' } },
            { logprobs: { content: [{ token: 'a' }] } },
          ),
          piece({ function_call: { arguments: '{"a"' } }, { logprobs: { content: [{ token: 'b' }, { token: 'c' }] } }),
          piece({ function_call: { arguments: ':1}' } }, { logprobs: null }),
          piece({}, { finish_reason: 'function_call' }),
        ],
        [
          {
            index: 0,
            message: { role: 'assistant', function_call: { name: 'f', arguments: '{"a":1}' } },
            logprobs: { content: [{ token: 'a' }, { token: 'b' }, { token: 'c' }] },
            finish_reason: 'function_call',
          },
        ],
      ],
    ];
    for (const [name, chunks, choices] of streams) {
      test(name, async ({ stageReports }) => {
        const { only } = await stageReports({ calls: () => way.calls(chunks), openpipeCalls: way.openpipeCalls });
        const report = await only({ body: { stream: true, ...way.body(chunks) } });

        expect(report).toMatchObject({
          statusCode: 200,
          reqPayload: { model: MODEL, stream: true, messages: MESSAGES },
        });
        expect(report).not.toHaveProperty('errorMessage');
        expect(report.reqPayload).not.toHaveProperty('openpipe');
        expect(report.respPayload).toEqual({
          id: 'chatcmpl-1',
          object: 'chat.completion',
          created: 1,
          model: MODEL,
          choices,
        });
      });
    }

    test('usage in a last chunk without choices, and unknown members', async ({ stageReports }) => {
      const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, details: { cached: 1 } };
      const chunks = [
        { ...piece({ role: 'assistant', content: 'x' }), system_fingerprint: 'fp', usage: null },
        { ...piece({}, { finish_reason: 'stop' }), novelty: { a: [1] }, usage: null },
        { ...piece({}), choices: [], usage },
      ];
      const { only } = await stageReports({ calls: () => way.calls(chunks), openpipeCalls: way.openpipeCalls });
      const { respPayload } = await only({ body: { stream: true, ...way.body(chunks) } });

      expect(respPayload).toMatchObject({ usage, system_fingerprint: 'fp', novelty: { a: [1] } });
      expect(respPayload.choices).toHaveLength(1);
    });
  });
}

describe('a stream of the usual kind', () => {
  test('is reported like the completion', async ({ stageReports }) => {
    const { only } = await stageReports();
    const completion = await only();
    const streamed = await only({ body: { stream: true, stream_options: { include_usage: true } } });

    const { id, created, ...expected } = completion.respPayload;
    expect(streamed.respPayload).toEqual({
      id: expect.stringMatching(/^chatcmpl-/),
      created: expect.any(Number),
      ...expected,
    });
    expect(streamed.statusCode).toBe(200);
    expect(streamed.reqPayload.stream_options).toEqual({ include_usage: true });
  });

  test('is reported when it has ended, with its time from the start to the end', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({ calls: { kind: 'answer', deltas: 4, paceMs: 100 } });
    const before = Date.now();
    const stream = await create(openai);
    const early = reports().length;
    await readAll(stream);
    const after = Date.now();
    await stream.openpipe.reportingFinished;

    expect(early).toBe(0);
    const [{ requestedAt, receivedAt }] = reports();
    expect(requestedAt).toBeGreaterThanOrEqual(before);
    expect(receivedAt - requestedAt).toBeGreaterThan(400);
    expect(receivedAt).toBeLessThanOrEqual(after);
  });

  test('that is read by hand, or by two, is reported once', async ({ stageReports }) => {
    const stage = await stageReports();
    const [left, right] = (await create(stage.openai)).tee();
    expect(textOf((await readAll(left)).chunks)).toBe(textOf((await readAll(right)).chunks));
    const response = await stage.openai.chat.completions
      .create({ model: MODEL, messages: MESSAGES, stream: true })
      .asResponse();
    expect(await response.text()).toContain('[DONE]');
    const helper = stage.openai.chat.completions.stream({ model: MODEL, messages: MESSAGES });
    await helper.finalChatCompletion();

    const reports = await allReported(stage);
    expect(reports.map(({ respPayload }) => respPayload.choices[0].message.content)).toEqual(
      Array(3).fill(`Answered by the upstream, with the model ${MODEL}.`),
    );
  });

  test('that was held back to its end is reported once', async ({ stageReports }) => {
    const stage = await stageReports();
    const openpipe = { holdUntil: 'finish', fallback: { model: 'second' } };
    const info = await callToItsEnd(stage.openai, { stream: true, openpipe });
    await info.reportingFinished;
    expect(await allReported(stage)).toMatchObject([{ reqPayload: { model: MODEL }, statusCode: 200 }]);
  });
});

describe('a stream that is not read to its end', () => {
  /** @type {[string, (stream: any, caller: AbortController) => Promise<unknown>][]} */
  const ways = [
    [
      'an early `break`',
      async (stream) => {
        let read = 0;
        for await (const _ of stream) if (++read === 3) break;
      },
    ],
    [
      "the caller's signal",
      async (stream, caller) => {
        let read = 0;
        for await (const _ of stream) if (++read === 3) caller.abort();
      },
    ],
    [
      '`stream.controller`',
      async (stream) => {
        let read = 0;
        for await (const _ of stream) if (++read === 3) stream.controller.abort();
      },
    ],
    [
      'a throw in the loop',
      async (stream) => {
        let read = 0;
        const loop = async () => {
          for await (const _ of stream) if (++read === 3) throw new Error('enough');
        };
        await expect(loop()).rejects.toThrow('enough');
      },
    ],
    [
      'the return of its iterator',
      async (stream) => {
        const iterator = stream[Symbol.asyncIterator]();
        for (let read = 0; read < 3; read += 1) await iterator.next();
        await iterator.return();
      },
    ],
  ];
  for (const [name, leave] of ways) {
    test(`is reported up to its last event: ${name}`, async ({ stageReports }) => {
      const stage = await stageReports({ calls: ({ body }) => (body.user ? undefined : ENDLESS) });
      const caller = new AbortController();
      const stream = await create(stage.openai, {}, { signal: caller.signal });
      await leave(stream, caller);
      await stream.openpipe.reportingFinished;

      const [report, ...more] = stage.reports();
      expect(more).toEqual([]);
      expect(report).toMatchObject({ errorMessage: LEFT, statusCode: 200, reqPayload: { model: MODEL, stream: true } });
      expect(report.respPayload).toMatchObject({ object: 'chat.completion', model: MODEL });
      const [{ message, finish_reason }] = report.respPayload.choices;
      expect(message.content).toMatch(/^word word /);
      expect(message.content.length).toBeLessThan(2_500);
      expect(finish_reason).toBe(null);
      expect(await allReported(stage)).toHaveLength(1);
    });
  }

  test('is reported: a custom client', async ({ stageReports }) => {
    const chunks = [piece({ role: 'assistant', content: '' }), ...Array(10_000).fill(piece({ content: 'word ' }))];
    const stage = await stageReports({ openpipeCalls: { kind: 'status', status: 500 } });
    const fallback = { model: MODEL, client: clientOf(chunks) };
    const stream = await create(stage.openai, { model: PRIMARY, openpipe: { fallback } });
    let read = 0;
    for await (const _ of stream) if (++read === 3) break;
    await stream.openpipe.reportingFinished;

    const [report] = stage.reports();
    expect(report).toMatchObject({ errorMessage: LEFT, reqPayload: { model: MODEL } });
    expect(report.respPayload.choices[0].message.content).toMatch(/^word word /);
    expect(await allReported(stage)).toHaveLength(1);
  });

  test('is reported where nothing of it was read', async ({ stageReports }) => {
    const stage = await stageReports({ calls: ({ body }) => (body.user ? undefined : ENDLESS) });
    const stream = await create(stage.openai);
    stream.controller.abort();
    await stream.openpipe.reportingFinished;
    expect(await allReported(stage)).toMatchObject([{ errorMessage: LEFT, reqPayload: { model: MODEL } }]);
  });
});

describe('a stream that fails', () => {
  /** How it goes wrong after its second piece of content, and what the report says of that. */
  /** @type {[string, Extract<Behaviour, { kind: 'answer' }>['fault'], any, any?][]} */
  const faults = [
    ['is reset', { after: 2, how: 'reset' }, expect.any(String)],
    ['is cut off', { after: 2, how: 'cut' }, expect.any(String)],
    ['ends without its end', { after: 2, how: 'end' }, expect.stringContaining('before it was complete')],
    ['carries an error event', { after: 2, how: 'error-event' }, 'The model broke down.'],
    ['carries an event that is not JSON', { after: 2, how: 'malformed-event' }, expect.stringContaining('no JSON')],
    ['is silent', { after: 2, how: 'stall' }, expect.stringContaining('300'), { idleTimeout: 300 }],
  ];
  for (const [name, fault, errorMessage, openpipe] of faults) {
    test(`because it ${name} is reported up to its last event`, async ({ stageReports }) => {
      const calls = /** @type {Behaviour} */ ({ kind: 'answer', content: 'one two three four', fault });
      const stage = await stageReports({ calls: ({ body }) => (body.user ? undefined : calls) });
      const stream = await create(stage.openai, { openpipe });
      const { chunks, error } = await readAll(stream);
      await error.openpipe.reportingFinished;

      expect(textOf(chunks)).toBe('one two ');
      const [report] = stage.reports();
      expect(report).toMatchObject({ errorMessage, statusCode: 200, reqPayload: { model: MODEL } });
      expect(report.respPayload.choices).toEqual([
        expect.objectContaining({
          message: { role: 'assistant', content: 'one two ', refusal: null },
          finish_reason: null,
        }),
      ]);
      expect(await allReported(stage)).toHaveLength(1);
    });
  }

  test('before its first event is reported with its status', async ({ stageReports }) => {
    const error = { message: 'No.', type: 'invalid_request_error', param: null, code: null };
    const stage = await stageReports({ calls: { kind: 'status', status: 400, error } });
    const report = await stage.only({ body: { stream: true } });
    expect(report).toMatchObject({ statusCode: 400, errorMessage: 'No.', respPayload: error });
  });

  test('before it was handed over is reported, and so is the one that takes over', async ({ stageReports }) => {
    const stage = await stageReports({
      calls: ({ body }) =>
        body.model === MODEL && !body.user ? { kind: 'answer', fault: { after: 'role', how: 'reset' } } : undefined,
    });
    const info = await callToItsEnd(stage.openai, { stream: true, openpipe: { fallback: { model: 'second' } } });
    await info.reportingFinished;

    const reports = await allReported(stage);
    const of = (/** @type {string} */ model) => reports.find(({ reqPayload }) => reqPayload.model === model);
    expect(reports).toHaveLength(2);
    expect(of(MODEL)).toMatchObject({ errorMessage: expect.any(String), statusCode: 200 });
    expect(of('second').respPayload.choices[0].message.content).toContain('with the model second');
    expect(of('second')).not.toHaveProperty('errorMessage');
  });

  test('of a custom client is reported up to its last event', async ({ stageReports }) => {
    async function* broken() {
      yield piece({ role: 'assistant', content: 'one ' });
      yield piece({ content: 'two ' });
      throw new TypeError('my own mistake');
    }
    const stage = await stageReports({ openpipeCalls: { kind: 'status', status: 500 } });
    const client = { chat: { completions: { create: async () => broken() } } };
    const report = await stage.only({
      body: { model: PRIMARY, stream: true, openpipe: { fallback: { model: MODEL, client } } },
    });
    expect(report).toMatchObject({ errorMessage: 'my own mistake', reqPayload: { model: MODEL } });
    expect(report.respPayload.choices[0].message.content).toBe('one two ');
  });
});

test('a report of a stream over the size limit says that it is cut', async ({ stageReports }) => {
  // 40 events of 1 MiB each, of which the report keeps the first 32 MiB.
  const event = sseEvent(piece({ content: 'x'.repeat(1024 * 1024) }));
  const end = [sseEvent(piece({}, { finish_reason: 'stop' })), sseEvent('[DONE]')];
  const stage = await stageReports({
    calls: ({ body }) => (body.user ? undefined : { kind: 'sse', sse: [...Array(40).fill(event), ...end] }),
  });
  const { chunks, error } = await readAll(await create(stage.openai));
  expect([chunks.length, error]).toEqual([41, undefined]);
  expect(await eventually(() => stage.reports().length === 1, 10_000)).toBe(true);

  const [report] = stage.reports();
  expect(report).toMatchObject({ errorMessage: expect.stringContaining('too long'), statusCode: 200 });
  expect(report.respPayload.choices[0].message.content.length).toBeGreaterThan(30 * 1024 * 1024);
  expect(report.respPayload.choices[0].message.content.length).toBeLessThanOrEqual(32 * 1024 * 1024);
});

/** @param {OpenAI} openai @param {any} [body] @param {any} [options] @returns {Promise<any>} */
async function create(openai, body, options) {
  return openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true, ...body }, options);
}

/** A client whose stream has these chunks. @param {any[]} chunks */
function clientOf(chunks) {
  async function* stream() {
    yield* chunks;
  }
  return { chat: { completions: { create: async () => stream() } } };
}

/** @param {number} index @param {string} id @param {string} name @param {string} start */
function toolCall(index, id, name, start) {
  return { index, id, type: 'function', function: { name, arguments: start } };
}

/** @param {number} index @param {string} more */
function args(index, more) {
  return { index, function: { arguments: more } };
}
