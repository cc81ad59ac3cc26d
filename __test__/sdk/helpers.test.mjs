/** The SDK's helpers around `create` emit the same events on a plain client and on ours. */

import { describe, expect } from 'vitest';
import { z as z4 } from 'zod';
import { z as z3 } from 'zod/v3';

import { MESSAGES } from '../support/calls.mjs';
import { test } from '../support/upstreams.mjs';
import { chunkOf, saying, streaming, toolCall } from '../support/sdk-api.mjs';
import { byBoth, expectTheSame, versions } from '../support/sdk-versions.mjs';

/** @import { Doing } from '../support/upstreams.mjs' */
/** @import { Version } from '../support/sdk-versions.mjs' */

const REQUEST = { model: 'gpt-4o', messages: MESSAGES };

const EVENTS = [
  'connect', 'chunk', 'chatCompletion', 'message', 'content', 'content.delta', 'content.done', 'refusal.delta',
  'refusal.done', 'tool_calls.function.arguments.delta', 'tool_calls.function.arguments.done', 'logprobs.content.delta',
  'logprobs.content.done', 'functionToolCall', 'functionToolCallResult', 'finalChatCompletion', 'finalContent',
  'finalMessage', 'finalFunctionToolCall', 'finalFunctionToolCallResult', 'totalUsage', 'error', 'abort', 'end',
]; // prettier-ignore

/** Every event of a runner, in order, with its arguments. @param {any} runner */
async function told(runner) {
  /** @type {unknown[]} */
  const events = [];
  for (const event of EVENTS) {
    runner.on(event, (/** @type {unknown[]} */ ...args) => {
      const shown = args.map((arg) => (arg instanceof Error ? `${arg.name}: ${arg.message}` : structuredClone(arg)));
      events.push([event, shown]);
    });
  }
  await runner.done().catch(() => {}); // an event has reported it
  return events;
}

/** @type {Record<string, Doing>} What a streaming upstream says. */
const streams = {
  content: saying({ role: 'assistant', content: 'Counted to ten.' }),
  'calls of tools': saying(
    { role: 'assistant', content: null, tool_calls: [toolCall('add', '{"a":1}'), toolCall('add', '{"a":2}', 'call_2')] },
    'tool_calls',
  ),
  'a refusal': () => streaming([
    chunkOf({ role: 'assistant', content: null, refusal: '' }),
    chunkOf({ refusal: 'I ' }), chunkOf({ refusal: 'will not.' }), chunkOf({}, 'stop'),
  ]),
  'log probabilities': () => {
    const logprobs = { content: [{ token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [] }], refusal: null };
    const [choice] = chunkOf({ role: 'assistant', content: 'a' }).choices;
    return streaming([{ ...chunkOf({}), choices: [{ ...choice, logprobs }] }, chunkOf({}, 'stop')]);
  },
  'usage at the end': () => streaming([
    chunkOf({ role: 'assistant', content: 'a' }), chunkOf({}, 'stop'),
    { ...chunkOf({}), choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } },
  ]),
  'an error in the middle': () => streaming([
    chunkOf({ role: 'assistant', content: 'a' }), { error: { message: 'overloaded', type: 'server_error' } },
  ]),
  'a status': () => ({ kind: 'status', status: 400, error: { message: 'bad', code: 'c' }, headers: { 'x-request-id': 'r' } }),
}; // prettier-ignore

/** The two zods that a user may have. */
const zods = /** @type {[string, any][]} */ ([
  ['zod 4', z4],
  ['zod/v3', z3],
]);

for (const version of versions) {
  describe(version.title, () => {
    describe('`stream()` emits the same for', () => {
      for (const [what, doing] of Object.entries(streams)) {
        test(what, async ({ serve }) => {
          const upstream = await serve(doing);
          const act = (/** @type {any} */ client) =>
            told(client.chat.completions.stream({ ...REQUEST, stream_options: { include_usage: true } }));
          const { value } = /** @type {any} */ (await expectTheSame(version, upstream, { maxRetries: 0 }, act));
          expect(value.json.at(-1)[0]).toBe('end');
          expect(value.json.length).toBeGreaterThan(1);
        });
      }

      test('an abort in the middle', async ({ serve }) => {
        const upstream = await serve({ kind: 'answer', content: 'one two three', fault: { after: 1, how: 'stall' } });
        const [theirs, ours] = await byBoth(version, upstream, {}, (client) => {
          const runner = client.chat.completions.stream(REQUEST);
          runner.on('content', () => runner.abort());
          return told(runner).then((events) => events.map((event) => /** @type {any} */ (event)[0]));
        });
        expect(/** @type {any} */ (ours.outcome).value.json).toEqual(expect.arrayContaining(['abort', 'end']));
        expect(ours.outcome).toEqual(theirs.outcome);
      });

      test('a stream that is read by iterating, and as a `ReadableStream`', async ({ serve }) => {
        const upstream = await serve(/** @type {Doing} */ (streams.content));
        const act = async (/** @type {any} */ client) => {
          const chunks = [];
          for await (const chunk of client.chat.completions.stream(REQUEST)) chunks.push(chunk);
          return [chunks, await new Response(client.chat.completions.stream(REQUEST).toReadableStream()).text()];
        };
        await expectTheSame(version, upstream, {}, act, 2);
      });
    });

    for (const [name, z] of zods) {
      const shape = z.object({ count: z.number(), steps: z.array(z.string()) });

      describe(`with ${name}`, () => {
        test('`parse()` sends the same schema and gives the same', async ({ serve }) => {
          const upstream = await serve(saying({ role: 'assistant', content: '{"count":10,"steps":["1"]}' }));
          const response_format = version.zod.zodResponseFormat(shape, 'counting');
          const { value } = /** @type {any} */ (
            await expectTheSame(version, upstream, {}, (client) =>
              client.chat.completions.parse({ ...REQUEST, response_format }, { headers: { 'x-mine': 'm' } }),
            )
          );
          expect(value.json.choices[0].message.parsed).toEqual({ count: 10, steps: ['1'] });
          expect(value.id).toBe('req_1');
        });

        test('`parse()` refuses the same', async ({ serve }) => {
          const upstream = await serve(saying({ role: 'assistant', content: '{"count":"ten"}' }));
          const response_format = version.zod.zodResponseFormat(shape, 'counting');
          const outcome = await expectTheSame(version, upstream, {}, (client) =>
            client.chat.completions.parse({ ...REQUEST, response_format }),
          );
          expect(outcome).toHaveProperty('name', 'ZodError');
        });

        test('`stream()` gives the same parsed values', async ({ serve }) => {
          const upstream = await serve(saying({ role: 'assistant', content: '{"count":10,"steps":["1"]}' }));
          const response_format = version.zod.zodResponseFormat(shape, 'counting');
          const act = (/** @type {any} */ client) =>
            told(client.chat.completions.stream({ ...REQUEST, response_format }));
          const { value } = /** @type {any} */ (await expectTheSame(version, upstream, {}, act));
          const done = value.json.find((/** @type {any} */ [event]) => event === 'content.done');
          expect(done[1][0].parsed).toEqual({ count: 10, steps: ['1'] });
        });

        for (const stream of [false, true]) {
          test(`\`runTools()\` makes the same requests (stream: ${stream})`, async ({ serve }) => {
            const upstream = await serve((request) => {
              const result = request.body.messages.find((/** @type {any} */ { role }) => role === 'tool');
              const message = result
                ? { role: 'assistant', content: `It is ${result.content}.` }
                : { role: 'assistant', content: null, tool_calls: [toolCall('double', '{"n":21}')] };
              return saying(message, result ? 'stop' : 'tool_calls')(request);
            });
            const act = (/** @type {any} */ client) => {
              const double = version.zod.zodFunction({
                name: 'double',
                parameters: z.object({ n: z.number() }),
                function: (/** @type {{ n: number }} */ { n }) => String(n * 2),
              });
              return told(client.chat.completions.runTools({ ...REQUEST, stream, tools: [double] }));
            };
            const { value } = /** @type {any} */ (await expectTheSame(version, upstream, {}, act, 2));
            const [, [text]] = value.json.find((/** @type {any} */ [event]) => event === 'finalContent');
            expect(text).toBe('It is 42.');
          });
        }
      });
    }
  });
}

describe('a missing `finish_reason`', () => {
  const [role, content, end] = [chunkOf({ role: 'assistant' }), chunkOf({ content: 'a' }), chunkOf({}, 'stop')].map(
    (chunk) => /** @type {any} */ (structuredClone(chunk)),
  );
  delete role.choices[0].finish_reason;
  delete content.choices[0].finish_reason;
  const without = () => streaming([role, content, end, { id: 'x', object: 'other' }]);

  /** @type {[string, (stream: any) => unknown][]} */
  const readings = [
    ['by iterating', (stream) => all(stream)],
    ['by `tee()`', (stream) => Promise.all(stream.tee().map(all))],
    ['by `toReadableStream()`', (stream) => new Response(stream.toReadableStream()).text()],
    ['after breaking off', async (stream) => [await first(stream), await all(stream).catch(String)]],
  ];

  for (const version of versions) {
    for (const [how, read] of readings) {
      test(`is as in ${version.title}, of a stream that is read ${how}`, async ({ serve }) => {
        const upstream = await serve(without);
        const act = async (/** @type {any} */ client) =>
          read(await client.chat.completions.create({ ...REQUEST, stream: true }));
        await expectTheSame(version, upstream, {}, act);
      });
    }
  }

  test('is null with openai 7, and left out before', async ({ serve }) => {
    const upstream = await serve(without);
    for (const version of versions) {
      const [, ours] = await byBoth(version, upstream, {}, async (client) =>
        all(await client.chat.completions.create({ ...REQUEST, stream: true })),
      );
      const [chunk] = /** @type {any} */ (ours.outcome).value.json;
      expect(chunk.choices[0].finish_reason).toBe(version.major < 7 ? undefined : null);
    }
  });

  test('of a custom client’s stream is not changed', async ({ serve, stage }) => {
    const { options } = await stage({ primary: { kind: 'status', status: 500 } });
    const upstream = await serve(without);
    const [, six, seven] = /** @type {[Version, Version, Version]} */ (versions);
    const client = new six.Plain({ apiKey: 'k', baseURL: upstream.url });
    const openai = new seven.Ours(options);
    const openpipe = { fallback: { model: 'm', client } };
    const stream = await openai.chat.completions.create({ ...REQUEST, model: 'openpipe:m', stream: true, openpipe });
    expect((await all(stream))[0].choices[0]).not.toHaveProperty('finish_reason');
  });
});

/** @param {AsyncIterable<any>} iterable */
async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** @param {AsyncIterable<any>} iterable */
async function first(iterable) {
  for await (const item of iterable) return item;
}
