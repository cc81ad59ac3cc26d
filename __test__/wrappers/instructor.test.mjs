/** `@instructor-ai/instructor`, which requests objects of a schema and checks the result by `instanceof Stream`. */

import createInstructor from '@instructor-ai/instructor';
import { afterEach, beforeEach, describe, expect, vi } from 'vitest';
import { z } from 'zod/v3';

import { rejection } from '../support/calls.mjs';
import { onlyChat } from '../support/upstreams.mjs';
import { saying, toolCall } from '../support/sdk-api.mjs';
import { FAILING, REQUEST, test } from '../support/through-fallback.mjs';

const response_model = { schema: z.object({ count: z.number(), steps: z.array(z.string()) }), name: 'Counting' };
const ANSWER = { count: 10, steps: ['one', 'two'] };
const calling = saying(
  { role: 'assistant', content: null, tool_calls: [toolCall('Counting', JSON.stringify(ANSWER))] },
  'tool_calls',
);

/** @param {any} openai @param {string} [mode] */
const instructorOf = (openai, mode = 'TOOLS') =>
  /** @type {any} */ (createInstructor({ client: openai, mode: /** @type {any} */ (mode) }));

describe('instructor', () => {
  // It also prints the errors that it throws.
  beforeEach(() => vi.spyOn(console, 'error').mockImplementation(() => {}));
  afterEach(() => vi.restoreAllMocks());

  test('gets its object from the fallback', async ({ fallingBack }) => {
    const { openai, fallback } = await fallingBack({ fallback: calling });
    const answer = await instructorOf(openai).chat.completions.create({ ...REQUEST, response_model });
    expect(answer).toMatchObject(ANSWER);
    expect(onlyChat(fallback).body.tools[0].function.name).toBe('Counting');
  });

  test('gets its object from the fallback’s JSON', async ({ fallingBack }) => {
    const { openai } = await fallingBack({ fallback: saying({ role: 'assistant', content: JSON.stringify(ANSWER) }) });
    const answer = await instructorOf(openai, 'JSON').chat.completions.create({ ...REQUEST, response_model });
    expect(answer).toMatchObject(ANSWER);
  });

  test('streams its object from the fallback, growing', async ({ fallingBack }) => {
    const { openai } = await fallingBack({ fallback: calling });
    const stream = await instructorOf(openai).chat.completions.create({ ...REQUEST, response_model, stream: true });
    const seen = [];
    for await (const partial of stream) seen.push(structuredClone(partial));
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toMatchObject(ANSWER);
  });

  test('refuses an object that does not fit', async ({ fallingBack }) => {
    const misfit = saying({ role: 'assistant', content: null, tool_calls: [toolCall('Counting', '{"count":"ten"}')] });
    const { openai } = await fallingBack({ fallback: misfit });
    const error = await rejection(instructorOf(openai).chat.completions.create({ ...REQUEST, response_model }));
    expect(error.name).toBe('ZodError');
  });

  test('gets the error of the last target', async ({ fallingBack }) => {
    const { openai } = await fallingBack({ fallback: FAILING, maxRetries: 0 });
    const error = await rejection(instructorOf(openai).chat.completions.create({ ...REQUEST, response_model }));
    expect(error.status).toBe(500);
  });
});
