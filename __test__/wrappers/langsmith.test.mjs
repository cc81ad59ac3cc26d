/** `wrapOpenAI` of langsmith, which makes shallow clones of a client and of its completions. */

import { Client } from 'langsmith';
import { wrapOpenAI } from 'langsmith/wrappers';
import { describe, expect } from 'vitest';

import { rejection } from '../support/calls.mjs';
import { saying } from '../support/sdk-api.mjs';
import { startRecorder } from '../support/recorder.mjs';
import { FAILING, REQUEST, test as base, TEXT, textOfStream, PATIENT } from '../support/through-fallback.mjs';

/** The runs that langsmith recorded: begun by a POST and ended by a PATCH, or both in one. */
/** @param {{ method: string, path: string, body: any }[]} received */
function runs(received) {
  /** @type {Map<string, any>} */
  const told = new Map();
  for (const { path, body } of received) {
    if (!path.startsWith('/runs')) continue;
    const id = body.id ?? path.split('/').at(-1);
    told.set(id, { ...told.get(id), ...body });
  }
  return [...told.values()];
}

/** @type {import('vitest').TestAPI<any>} */
const test = base.extend({
  wrapped: async (/** @type {any} */ { fallingBack }, /** @type {any} */ use) => {
    const recorder = await startRecorder();
    const client = new Client({ apiUrl: recorder.url, apiKey: 'ls-none', autoBatchTracing: false });
    await use(async (/** @type {any} */ staging) => {
      const staged = await fallingBack(staging);
      const openai = /** @type {any} */ (wrapOpenAI(staged.openai, { client, tracingEnabled: true }));
      const recorded = async () => {
        await client.awaitPendingTraceBatches();
        await expect.poll(() => runs(recorder.received).at(-1)?.end_time, PATIENT).toBeDefined();
        return runs(recorder.received);
      };
      return { ...staged, openai, recorded };
    });
    await recorder.close();
  },
});

describe('a client wrapped by langsmith', () => {
  test('gives a completion of the fallback, and records it', async ({ wrapped }) => {
    const { openai, recorded } = await wrapped();
    const completion = await openai.chat.completions.create(REQUEST);
    expect(completion.choices[0].message.content).toBe(TEXT);
    expect(completion.openpipe).toMatchObject({ servedBy: 'fallback', attempts: [{ status: 500 }, { status: 200 }] });

    const [run] = await recorded();
    expect(run).toMatchObject({ name: 'ChatOpenAI', run_type: 'llm', inputs: { model: REQUEST.model } });
    expect(run.outputs.choices[0].message.content).toBe(TEXT);
    expect(run.outputs.usage_metadata.total_tokens).toBeGreaterThan(0);
    expect(run.error).toBeUndefined();
  });

  test('gives a stream of the fallback, and records all of it', async ({ wrapped }) => {
    const { openai, recorded } = await wrapped();
    const stream = await openai.chat.completions.create({ ...REQUEST, stream: true });
    expect(await textOfStream(stream)).toBe(TEXT);
    const [run] = await recorded();
    expect(run.outputs.choices[0].message).toMatchObject({ role: 'assistant', content: TEXT });
  });

  test('has `withResponse()`', async ({ wrapped }) => {
    const { openai } = await wrapped();
    const { data, response } = await openai.chat.completions.create(REQUEST).withResponse();
    expect([data.choices[0].message.content, response.status]).toEqual([TEXT, 200]);
  });

  test('has `parse()` and `stream()`', async ({ wrapped }) => {
    const { openai, recorded } = await wrapped({ fallback: saying({ role: 'assistant', content: '{"a":1}' }) });
    const response_format = {
      type: 'json_schema',
      json_schema: { name: 'x', schema: {} },
      $brand: 'auto-parseable-response-format',
      $parseRaw: JSON.parse,
    };
    const parsed = await openai.chat.completions.parse({ ...REQUEST, response_format });
    expect(parsed.choices[0].message.parsed).toEqual({ a: 1 });
    const final = await openai.chat.completions.stream(REQUEST).finalChatCompletion();
    expect(final.choices[0].message.content).toBe('{"a":1}');
    expect((await recorded()).length).toBeGreaterThanOrEqual(2);
  });

  test('throws the last error of all, and records it', async ({ wrapped }) => {
    const { openai, recorded } = await wrapped({ fallback: FAILING, maxRetries: 0 });
    const error = await rejection(openai.chat.completions.create(REQUEST));
    expect(error).toMatchObject({ status: 500, openpipe: { attempts: [{ status: 500 }, { status: 500 }] } });
    expect((await recorded())[0].error).toContain('500');
  });
});
