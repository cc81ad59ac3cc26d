/** The real msw and nock under `node --test`: every call is theirs, and none leaves the machine. Run by run.mjs. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { HttpResponse, http } from 'msw';
import { setupServer } from 'msw/node';
import nock from 'nock';
import OpenAI from 'openpipe-native';

const URL = 'https://api.openai.com/v1/chat/completions';
const BODY = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Count to 3' }] };
const STREAM = { 'content-type': 'text/event-stream' };

/** @param {string} text */
const completion = (text) => ({
  ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o' },
  choices: [{ index: 0, message: { role: 'assistant', content: text, refusal: null }, finish_reason: 'stop' }],
});

/** @param {string} text */
function events(text) {
  const chunk = (/** @type {object} */ delta, /** @type {string | null} */ finish_reason) => ({
    ...{ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o' },
    choices: [{ index: 0, delta, finish_reason }],
  });
  const all = [chunk({ role: 'assistant', content: text }, null), chunk({}, 'stop')];
  return `${all.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`;
}

/** @param {any} openai */
const ask = async (openai) => (await openai.chat.completions.create(BODY)).choices[0].message.content;

/** @param {any} openai */
async function read(openai) {
  let text = '';
  const stream = await openai.chat.completions.create({ ...BODY, stream: true });
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
  return text;
}

nock.restore();
const early = new OpenAI({ apiKey: 'sk-test', maxRetries: 0 });

test('msw carries completions, streams, failures and fallbacks', async () => {
  const server = setupServer(
    http.post(URL, async ({ request }) => {
      const { model, stream } = /** @type {any} */ (await request.json());
      if (model === 'failing') return HttpResponse.json({ error: { message: 'overloaded' } }, { status: 503 });
      return stream ? new HttpResponse(events('msw'), { headers: STREAM }) : HttpResponse.json(completion('msw'));
    }),
  );
  server.listen({ onUnhandledRequest: 'error' });
  try {
    for (const openai of [early, new OpenAI({ apiKey: 'sk-test', maxRetries: 0 })]) {
      assert.equal(await ask(openai), 'msw');
      assert.equal(await read(openai), 'msw');
      const failing = { ...BODY, model: 'failing' };
      await assert.rejects(openai.chat.completions.create(failing), { status: 503 });
      const recovered = await openai.chat.completions.create(failing, { openpipe: { fallback: { model: 'gpt-4o' } } });
      assert.equal(recovered.openpipe.servedBy, 'fallback');
    }
  } finally {
    server.close();
  }
});

test('nock carries completions and streams, and refuses what it does not know', async () => {
  nock.activate();
  nock.disableNetConnect();
  const { origin, pathname } = new globalThis.URL(URL);
  nock(origin).post(pathname).times(2).reply(200, completion('nock'));
  nock(origin).post(pathname).reply(200, events('nock'), STREAM);
  try {
    assert.equal(await ask(early), 'nock');
    assert.equal(await ask(new OpenAI({ apiKey: 'sk-test', maxRetries: 0 })), 'nock');
    assert.equal(await read(early), 'nock');
    // The SDK takes nock's refusal for a timeout, since it repeats the request with its header `x-stainless-timeout`.
    await assert.rejects(ask(early), { name: 'Error', status: undefined });
  } finally {
    nock.restore();
    nock.enableNetConnect();
  }
});

test('afterwards requests are native again', async () => {
  const openai = early.withOptions({ baseURL: 'http://127.0.0.1:1/v1' });
  await assert.rejects(ask(openai), ({ stack }) => !stack.includes('fetchWithTimeout'));
});
