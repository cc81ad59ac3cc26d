/** The server-sent events in the body of createFetch's `Response`: their fields `event` and `data`. */

import { createServer } from 'node:http';
import { once } from 'node:events';

import { createFetch } from 'openpipe-native/fetch';
import { expect, test } from 'vitest';

import { readEvents } from '../support/fetching.mjs';

/** Reads a response with these events. @template T @param {string} path @param {string} text @param {(response: Response) => Promise<T>} read @param {string} [later] What comes a moment later. */
async function reading(path, text, read, later = '') {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(text);
    setTimeout(() => response.end(later), later ? 20 : 0);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {any} */ (server.address());
  const response = await createFetch()(`http://127.0.0.1:${port}/v1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', stream: true }),
  });
  const result = await read(response);
  server.close();
  return result;
}

/** @param {string} path @param {string} text */
async function bodyOf(path, text) {
  const { text: body, error } = await reading(path, text, readEvents);
  return error ? { body, error } : body;
}

const named = (/** @type {any[]} */ ...events) =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');

test('an event of Responses has its name, which some SDKs need', async () => {
  const text = named(
    { type: 'response.created', response: { id: 'resp_1', status: 'in_progress' } },
    { sequence_number: 1, type: 'response.output_text.delta', delta: 'hi' },
    { type: 'response.completed', response: { id: 'resp_1', status: 'completed', output: [], error: null } },
  );
  expect(await bodyOf('/responses', `: a comment\n\n${text}`)).toBe(text);
});

test('an event whose name the upstream left out has that of its type', async () => {
  const events = [
    { type: 'response.output_text.delta', delta: 'hi' },
    { type: 'response.completed', response: { id: 'resp_1', status: 'completed', output: [] } },
  ];
  const bare = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
  expect(await bodyOf('/responses', bare)).toBe(named(...events));
});

test('an event of chat has no name', async () => {
  const text = 'data: {"type":"x","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n';
  expect(await bodyOf('/chat/completions', `${text}data: [DONE]\n\n`)).toBe(`${text}data: [DONE]\n\n`);
});

test('a response that failed after its commit is passed on once, as its event', async () => {
  const text = named(
    { type: 'response.output_text.delta', delta: 'hi' },
    {
      type: 'response.failed',
      response: { id: 'resp_1', status: 'failed', error: { code: 'server_error', message: 'no' } },
    },
  );
  expect(await bodyOf('/responses', text)).toMatchObject({ body: text, error: { message: 'terminated' } });
});

test('an error event of Responses is passed on as it was sent', async () => {
  const delta = { type: 'response.output_text.delta', delta: 'hi' };
  for (const error of [
    { type: 'error', code: 'server_error', message: 'no', param: null },
    { type: 'error', error: { type: 'server_error', code: 'server_error', message: 'no', param: null } },
  ]) {
    const text = named(delta, error);
    expect(await bodyOf('/responses', text)).toMatchObject({ body: text, error: { message: 'terminated' } });
  }
});

test('an error in another form is passed on as an error event of Responses', async () => {
  const delta = { type: 'response.output_text.delta', delta: 'hi' };
  const text = `${named(delta)}data: {"error":{"code":"server_error","message":"no"}}\n\n`;
  const { body } = /** @type {any} */ (await bodyOf('/responses', text));
  const [name, data] = body.slice(named(delta).length).trim().split('\n');
  expect(name).toBe('event: error');
  const told = { code: 'server_error', message: 'no' };
  expect(JSON.parse(data.replace('data: ', ''))).toMatchObject({ type: 'error', ...told, error: told });
});

test('a reader with a buffer of its own sees the end of a stream that has no last event', async () => {
  const text = named({ type: 'response.output_text.delta', delta: 'hi' });
  const later = named({ type: 'response.completed', response: { id: 'resp_1', status: 'completed', output: [] } });
  const read = async (/** @type {Response} */ { body }) => {
    const reader = /** @type {any} */ (body).getReader({ mode: 'byob' });
    let all = '';
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(1024));
      if (done) return all;
      all += new TextDecoder().decode(value);
    }
  };
  expect(await reading('/responses', text, read, later)).toBe(text + later);
});
