/** `openpipe-native/testing`: the mock upstream as users have it. */

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
  test('answers and says what it received', async () => {
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

  test('streams, and breaks off where it is told', async () => {
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

  test('leaves a port on which nobody listens', async () => {
    const url = `http://127.0.0.1:${await closedPort()}/v1`;
    const error = await rejection(clientAt(url).chat.completions.create({ model: 'm', messages: MESSAGES }));
    expect(error.cause.code).toBe('ECONNREFUSED');
  });

  test('leaves a port that the system gives to no other server', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, () => closedPort()));
    expect(Math.max(...ports)).toBeLessThan(32_768);
  });

  test('is the same by `require`', () => {
    const required = createRequire(import.meta.url)('openpipe-native/testing');
    expect(required).toMatchObject({ startUpstream: expect.any(Function), closedPort: expect.any(Function) });
    expect(required.namedBehaviours).toEqual(namedBehaviours);
  });
});
