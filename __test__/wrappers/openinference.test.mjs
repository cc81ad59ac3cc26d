/** `@arizeai/openinference-instrumentation-openai`, applied to our class by hand: it patches `OpenAI.Chat.Completions.prototype`. */

import { OpenAIInstrumentation } from '@arizeai/openinference-instrumentation-openai';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import * as openpipe from 'openpipe-native';
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest';

import { rejection } from '../support/calls.mjs';
import { FAILING, REQUEST, test, TEXT, textOfStream, PATIENT } from '../support/through-fallback.mjs';

const exporter = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const instrumentation = new OpenAIInstrumentation({ tracerProvider });
/** @type {any} */
const OpenAI = openpipe.default;
const plain = OpenAI.Chat.Completions.prototype.create;

beforeAll(() => instrumentation.manuallyInstrument(OpenAI));
afterAll(() => instrumentation.disable());
beforeEach(() => exporter.reset());

/** The only span, once it has ended. */
async function onlySpan() {
  await expect.poll(() => exporter.getFinishedSpans().length, PATIENT).toBe(1);
  return /** @type {any} */ (exporter.getFinishedSpans()[0]);
}

describe('our class, instrumented by hand,', () => {
  test('has its own prototype patched, and not that of the SDK', async () => {
    const sdk = await import('openai');
    expect(OpenAI.Chat.Completions.prototype.create).not.toBe(plain);
    expect(Object.hasOwn(OpenAI.Chat.Completions.prototype, 'create')).toBe(true);
    expect(OpenAI.Chat.Completions).not.toBe(sdk.OpenAI.Chat.Completions);
  });

  test('gives a completion of the fallback, in one span', async ({ fallingBack }) => {
    const { openai } = await fallingBack();
    const completion = await openai.chat.completions.create(REQUEST);
    expect(completion.choices[0]?.message.content).toBe(TEXT);
    expect(completion.openpipe.servedBy).toBe('fallback');
    const { attributes } = await onlySpan();
    expect(attributes['llm.output_messages.0.message.content']).toBe(TEXT);
    expect(attributes['llm.token_count.total']).toBeGreaterThan(0);
    expect(attributes['llm.model_name']).toBe(completion.model);
  });

  test('gives a stream of the fallback, in one span', async ({ fallingBack }) => {
    const { openai } = await fallingBack();
    const stream = await openai.chat.completions.create({ ...REQUEST, stream: true });
    expect(await textOfStream(stream)).toBe(TEXT);
    const { attributes } = await onlySpan();
    expect(attributes['llm.output_messages.0.message.content'] ?? attributes['output.value']).toContain(TEXT);
  });

  test('has `withResponse()`, `parse()` and `stream()`', async ({ fallingBack }) => {
    const { openai } = await fallingBack();
    const { data, response } = await openai.chat.completions.create(REQUEST).withResponse();
    expect([data.choices[0]?.message.content, response.status]).toEqual([TEXT, 200]);
    const parsed = await openai.chat.completions.parse(REQUEST);
    expect(parsed.choices[0]?.message.content).toBe(TEXT);
    const final = await openai.chat.completions.stream(REQUEST).finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe(TEXT);
    await expect.poll(() => exporter.getFinishedSpans().length, PATIENT).toBe(3);
  });

  test('may have the SDK’s own prototype patched as well, which sees the requests of its transport', async ({
    stage,
  }) => {
    const sdk = new OpenAIInstrumentation({ tracerProvider });
    const { OpenAI: Plain } = await import('openai');
    sdk.manuallyInstrument(/** @type {any} */ ({ OpenAI: Plain }));
    try {
      const { openai } = await stage({ openpipe: { transport: 'fetch' }, fallback: FAILING });
      const stream = await openai.chat.completions.create({ ...REQUEST, stream: true });
      expect(await textOfStream(stream)).toContain('Answered by the primary');
      await expect.poll(() => exporter.getFinishedSpans().length, PATIENT).toBe(2);
      expect(stream.openpipe.attempts).toMatchObject([{ outcome: 'ok', upstream: 'openpipe' }]);
    } finally {
      sdk.disable();
    }
  });

  test('throws the last error of all', async ({ fallingBack }) => {
    const { openai } = await fallingBack({ fallback: FAILING, maxRetries: 0 });
    const error = await rejection(openai.chat.completions.create(REQUEST));
    expect(error).toMatchObject({ status: 500, openpipe: { attempts: [{ status: 500 }, { status: 500 }] } });
  });
});
