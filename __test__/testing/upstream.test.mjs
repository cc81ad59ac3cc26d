/** `openpipe-native/testing`: the mock upstream as users have it. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import OpenAI from 'openpipe-native';
import { closedPort, namedBehaviours, startUpstream } from 'openpipe-native/testing';
import { describe, expect, test } from 'vitest';

import { MESSAGES, readAll, rejection, textOf } from '../support/calls.mjs';

/** @param {string} baseURL */
const clientAt = (baseURL) =>
  new OpenAI({
    apiKey: 'test',
    baseURL,
    maxRetries: 0,
    openpipe: { apiKey: 'test', baseUrl: baseURL, logRequest: false },
  });

describe('the mock upstream', () => {
  test('answers, and logs the requests that it received', async () => {
    const upstream = await startUpstream({ name: 'mock' });
    const completion = await clientAt(upstream.url).chat.completions.create({ model: 'gpt-4o', messages: MESSAGES });
    expect(completion.choices[0]?.message.content).toContain('mock');
    expect(upstream.requests).toMatchObject([
      { method: 'POST', path: '/v1/chat/completions', body: { model: 'gpt-4o' } },
    ]);
    await upstream.close();
  });

  test('fails by the name of the model, and the fallback answers', async () => {
    const upstream = await startUpstream();
    const fallback = { model: 'ok' };
    for (const model of ['status-503', 'html', 'close']) {
      const completion = await clientAt(upstream.url).chat.completions.create({
        ...{ model, messages: MESSAGES },
        openpipe: { fallback },
      });
      expect(completion.openpipe.servedBy).toBe('fallback');
    }
    expect(upstream.requests.map(({ body }) => body.model)).toContain('html');
    await upstream.close();
  });

  test('streams, and breaks off at the given point', async () => {
    const upstream = await startUpstream({
      behaviours: { m: { kind: 'answer', content: 'abcd', fault: { after: 2, how: 'reset' } } },
    });
    const stream = await clientAt(upstream.url).chat.completions.create({
      model: 'm',
      messages: MESSAGES,
      stream: true,
    });
    const { chunks, error } = await readAll(stream);
    expect(textOf(chunks)).toBe('ab');
    expect(error).toBeInstanceOf(OpenAI.APIConnectionError);
    await upstream.close();
  });

  test('answers Responses, completions and embeddings', async () => {
    const upstream = await startUpstream({ name: 'mock' });
    const openai = clientAt(upstream.url);
    const said = 'Answered by mock, with the model m.';
    expect((await openai.responses.create({ model: 'm', input: 'q' })).output_text).toBe(said);
    expect((await openai.completions.create({ model: 'm', prompt: 'q' })).choices[0]?.text).toBe(said);
    const inputs = { model: 'm', input: ['a', 'b', 'a'], dimensions: 3 };
    const packed = (await openai.embeddings.create(inputs)).data.map(({ embedding }) => embedding);
    const plain = (await openai.embeddings.create({ ...inputs, encoding_format: 'float' })).data;
    expect(packed.map((vector) => vector.length)).toEqual([3, 3, 3]);
    expect(packed[0]).toEqual(packed[2]);
    expect(packed[0]).not.toEqual(packed[1]);
    expect(plain.map(({ embedding }) => embedding)).toEqual(packed);
    await upstream.close();
  });

  test('streams Responses and completions', async () => {
    const upstream = await startUpstream({ behaviours: { m: { kind: 'answer', content: 'abcd' } } });
    const openai = clientAt(upstream.url);
    const events = await readAll(await openai.responses.create({ model: 'm', input: 'q', stream: true }));
    const deltas = events.chunks.filter(({ type }) => type === 'response.output_text.delta');
    expect(deltas.map(({ delta }) => delta)).toEqual(['a', 'b', 'c', 'd']);
    expect(events.chunks.at(-1)).toMatchObject({ type: 'response.completed', response: { status: 'completed' } });
    expect(events.error).toBeUndefined();
    const { chunks } = await readAll(await openai.completions.create({ model: 'm', prompt: 'q', stream: true }));
    expect(chunks.map(({ choices }) => choices[0].text).join('')).toBe('abcd');
    await upstream.close();
  });

  for (const [name, kind] of /** @type {const} */ ([
    ['ends-mid-stream', 'APIError'],
    ['dies-mid-stream', 'APIConnectionError'],
    ['error-event', 'APIError'],
    ['malformed-event', 'APIError'],
  ])) {
    test(`fails by the same name in a stream of Responses and of completions: ${name}`, async () => {
      const upstream = await startUpstream();
      const openai = clientAt(upstream.url);
      for (const stream of [
        await openai.responses.create({ model: name, input: 'q', stream: true }),
        await openai.completions.create({ model: name, prompt: 'q', stream: true }),
      ]) {
        const { chunks, error } = await readAll(/** @type {any} */ (stream));
        expect(error?.constructor.name).toBe(kind);
        expect(chunks.length).toBeGreaterThan(2);
      }
      await upstream.close();
    });
  }

  test('sends no content where a stream of Responses has none by its name', async () => {
    const upstream = await startUpstream();
    const fallback = { model: 'ok' };
    for (const model of ['ends-before-content', 'empty-deltas', 'keep-alive']) {
      const stream = await clientAt(upstream.url).responses.create(
        { model, input: 'q', stream: true },
        { timeout: 300, openpipe: { fallback } },
      );
      expect(stream.openpipe.servedBy).toBe('fallback');
    }
    await upstream.close();
  });

  test('refuses an option that it does not have', async () => {
    const misspelt = /** @type {any} */ ({ behaviors: {} });
    await expect(startUpstream(misspelt)).rejects.toThrow(/no option "behaviors": it has .*behaviours/);
  });

  test('has a page that lists every named behaviour', () => {
    const page = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8');
    const missing = Object.keys(namedBehaviours).filter((name) => !page.includes(`\`${name}\``));
    expect(missing).toEqual([]);
  });

  test('`closedPort` gives a port without a listener', async () => {
    const url = `http://127.0.0.1:${await closedPort()}/v1`;
    const error = await rejection(clientAt(url).chat.completions.create({ model: 'm', messages: MESSAGES }));
    expect(error.cause.code).toBe('ECONNREFUSED');
  });

  test('`closedPort` gives a port that the system gives to no other server', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, () => closedPort()));
    expect(Math.max(...ports)).toBeLessThan(32_768);
  });

  test('is the same by `require`', () => {
    const required = createRequire(import.meta.url)('openpipe-native/testing');
    expect(required).toMatchObject({ startUpstream: expect.any(Function), closedPort: expect.any(Function) });
    expect(required.namedBehaviours).toEqual(namedBehaviours);
  });
});
