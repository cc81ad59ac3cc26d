/** `wrapOpenAI` of braintrust: Proxies around the client, its chat and its completions. */

import { _exportsForTestingOnly, initLogger, wrapOpenAI } from 'braintrust';
import { afterAll, beforeAll, describe, expect } from 'vitest';

import { rejection } from '../support/calls.mjs';
import { FAILING, REQUEST, test, TEXT, textOfStream } from '../support/through-fallback.mjs';

/** @type {any} */
let memory;

beforeAll(async () => {
  // Their own way to keep everything in memory: nothing is sent to anybody.
  await _exportsForTestingOnly.simulateLoginForTests();
  memory = _exportsForTestingOnly.useTestBackgroundLogger();
  initLogger({ projectName: 'test', projectId: 'test' });
});

afterAll(() => {
  _exportsForTestingOnly.clearTestBackgroundLogger();
  _exportsForTestingOnly.simulateLogoutForTests();
});

describe('a client wrapped by braintrust', () => {
  test('gives a completion of the fallback, and records it', async ({ fallingBack }) => {
    await memory.drain();
    const openai = wrapOpenAI((await fallingBack()).openai);
    const completion = /** @type {any} */ (await openai.chat.completions.create(REQUEST));
    expect(completion.choices[0].message.content).toBe(TEXT);
    expect(completion.openpipe.servedBy).toBe('fallback');
    const [span] = await memory.drain();
    expect(span.output[0].message.content).toBe(TEXT);
    expect(span.metrics.tokens).toBeGreaterThan(0);
  });

  test('gives a stream of the fallback, and records all of it', async ({ fallingBack }) => {
    await memory.drain();
    const openai = wrapOpenAI((await fallingBack()).openai);
    const stream = await openai.chat.completions.create({ ...REQUEST, stream: true });
    expect(await textOfStream(stream)).toBe(TEXT);
    const [span] = await memory.drain();
    expect(span.output[0].message.content).toBe(TEXT);
  });

  test('has `withResponse()`', async ({ fallingBack }) => {
    const openai = wrapOpenAI((await fallingBack()).openai);
    const { data, response } = await openai.chat.completions.create(REQUEST).withResponse();
    expect([data.choices[0]?.message.content, response.status]).toEqual([TEXT, 200]);
  });

  test('has `stream()`', async ({ fallingBack }) => {
    const openai = wrapOpenAI((await fallingBack()).openai);
    const final = await openai.chat.completions.stream(REQUEST).finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe(TEXT);
  });

  test('throws the last error of all, and records it', async ({ fallingBack }) => {
    await memory.drain();
    const openai = wrapOpenAI((await fallingBack({ fallback: FAILING, maxRetries: 0 })).openai);
    const error = await rejection(openai.chat.completions.create(REQUEST));
    expect(error).toMatchObject({ status: 500, openpipe: { attempts: [{ status: 500 }, { status: 500 }] } });
    const [span] = await memory.drain();
    expect(span.error).toContain('500');
  });
});
