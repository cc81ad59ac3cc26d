/** Answers that the caller's own rules refuse (contract.md, section 10). */

import { AsyncLocalStorage } from 'node:async_hooks';

import OpenAI from 'openpipe-native';
import { createFetch } from 'openpipe-native/fetch';
import { describe, expect } from 'vitest';

import { MESSAGES, readAll, rejection, textOf } from '../support/calls.mjs';
import { chunks, completion, streamOf } from '../support/custom-clients.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { answering } from '../support/sdk-api.mjs';
import { chats as allChats, test } from '../support/upstreams.mjs';

/** @param {any} upstream @returns {any[]} */
const chats = (upstream) => allChats(upstream);

/** @param {any} serve @param {Record<string, any>} behaviours By model. @param {any} [openpipe] */
async function world(serve, behaviours, openpipe) {
  const upstream = await serve((/** @type {any} */ { body }) => behaviours[body.model]);
  const { logger, warnings } = listeningLogger();
  const openai = /** @type {any} */ (
    new OpenAI({ apiKey: 'sk-0123456789', baseURL: upstream.url, logger, openpipe: { apiKey: '', ...openpipe } })
  );
  /** @param {any} given @param {any} [body] */
  const ask = (given, body) =>
    openai.chat.completions.create({ model: 'a', messages: MESSAGES, ...body }, { openpipe: given });
  return { upstream, openai, warnings, ask };
}

const EMPTY = /** @type {const} */ ({ kind: 'answer', content: '' });
const GOOD = /** @type {const} */ ({ kind: 'answer', content: 'good' });
const shape = (/** @type {any} */ { openpipe }) =>
  openpipe.attempts.map((/** @type {any} */ { model, outcome }) => `${model} ${outcome}`);

describe('an answer that is refused', () => {
  for (const stream of [false, true]) {
    test(`is followed by the next target's, stream: ${stream}`, async ({ serve }) => {
      const { ask, upstream } = await world(serve, { a: EMPTY, b: GOOD });
      const answer = await ask({ reject: 'empty', fallback: { model: 'b' } }, { stream });
      expect(shape(answer)).toEqual(['a rejected', 'b ok']);
      expect(stream ? textOf((await readAll(answer)).chunks) : answer.choices[0].message.content).toBe('good');
      expect(chats(upstream).map(({ body }) => body.model)).toEqual(['a', 'b']);
    });

    test(`is returned where nothing else answers, stream: ${stream}`, async ({ serve }) => {
      const { ask } = await world(serve, { a: EMPTY, b: { kind: 'status', status: 400 } });
      const answer = await ask({ reject: ['empty', 'length'], fallback: { model: 'b' } }, { stream });
      expect(shape(answer)).toEqual(['a rejected', 'b bad_request']);
      expect(answer.openpipe).toMatchObject({ servedBy: 'primary', model: 'a' });
      const [attempt] = answer.openpipe.attempts;
      expect(attempt).toMatchObject({ rejectedBy: 'empty', message: 'the answer is empty' });
      if (!stream) expect(attempt.usage).toEqual(answer.usage);
      if (stream) expect((await readAll(answer)).chunks.at(-1).choices[0].finish_reason).toBe('stop');
      expect(shape(answer)).toEqual(['a rejected', 'b bad_request']);
    });
  }

  test('is returned where no other target is tried, and the latest of several', async ({ serve }) => {
    const { ask, upstream } = await world(
      serve,
      { a: EMPTY, b: { kind: 'answer', content: '  ' } },
      { reject: 'empty' },
    );
    expect(shape(await ask(undefined))).toEqual(['a rejected']);
    expect(shape(await ask({ fallback: { model: 'b', except: ['rejected'] } }))).toEqual(['a rejected']);
    expect(chats(upstream)).toHaveLength(2);
    const answer = await ask({ fallback: { model: 'b' } });
    expect([shape(answer), answer.choices[0].message.content]).toEqual([['a rejected', 'b rejected'], '  ']);
  });

  test('of a custom client is that client’s object, also as a stream', async ({ serve }) => {
    const empty = {
      ...completion('mine', ''),
      choices: [{ index: 0, message: { content: '' }, finish_reason: 'stop' }],
    };
    const client = { chat: { completions: { create: async (/** @type {any} */ body) => (body.stream ? streamOf(chunks('seen')) : empty) } } }; // prettier-ignore
    const { ask } = await world(serve, { a: EMPTY });
    /** @type {any[]} */
    const judged = [];
    const openpipe = {
      fallback: { model: 'b', client },
      reject: (/** @type {any} */ answer, /** @type {any} */ from) => judged.push([answer, from]) && 'no good',
    };
    const answer = await ask(openpipe);
    expect(answer).toBe(empty);
    expect(judged[1][0]).toBe(empty);
    expect(judged[1][1]).toEqual({ upstream: 'client', model: 'b' });
    const stream = await ask(openpipe, { stream: true });
    expect(textOf((await readAll(stream)).chunks)).toBe('seen');
    expect(judged[3][0].choices[0].message.content).toBe('seen');
    expect(stream.openpipe.attempts[1]).toMatchObject({ rejectedBy: 'function', message: 'no good' });
  });

  test('works the same through the transport `fetch`', async ({ serve }) => {
    const { ask } = await world(serve, { a: EMPTY, b: GOOD }, { transport: 'fetch' });
    for (const stream of [false, true]) {
      const answer = await ask({ reject: ['empty', 'length'], fallback: { model: 'b' } }, { stream });
      expect(shape(answer)).toEqual(['a rejected', 'b ok']);
    }
  });
});

describe('a rule', () => {
  const format = {
    type: 'json_schema',
    json_schema: { name: 'n', schema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } } },
  };

  test('uses the schema of the body that the target got', async ({ serve }) => {
    const good = { kind: 'answer', content: '{"n":1}' };
    const { ask } = await world(serve, { a: { kind: 'answer', content: '{"n":"x"}' }, b: good });
    const openpipe = { reject: ['schema'], fallback: { model: 'b' } };
    const answer = await ask(openpipe, { response_format: format });
    expect(answer.openpipe.attempts[0]).toMatchObject({ outcome: 'rejected', rejectedBy: 'schema' });
    expect(shape(await ask(openpipe))).toEqual(['a ok']);
  });

  test('without a schema in the request does nothing, with one warning', async ({ serve }) => {
    const { ask, warnings } = await world(serve, { a: GOOD });
    for (let round = 0; round < 2; round += 1) expect(shape(await ask({ reject: 'invalid_json' }))).toEqual(['a ok']);
    expect(warnings).toEqual([expect.stringContaining('`reject: "invalid_json"` does nothing')]);
  });

  test("of a target replaces the call's, and that the constructor's", async ({ serve }) => {
    const { ask } = await world(serve, { a: EMPTY, b: EMPTY }, { reject: 'empty' });
    expect(shape(await ask({ reject: [] }))).toEqual(['a ok']);
    expect(shape(await ask({ reject: null }))).toEqual(['a ok']);
    expect(shape(await ask({ fallback: { model: 'b', reject: [] } }))).toEqual(['a rejected', 'b ok']);
    expect(shape(await ask({ fallback: { model: 'b', reject: null } }))).toEqual(['a rejected', 'b ok']);
  });

  test('in a body is ignored', async ({ serve }) => {
    const { ask, warnings } = await world(serve, { a: EMPTY, b: EMPTY });
    expect(shape(await ask(undefined, { openpipe: { reject: 'empty' } }))).toEqual(['a ok']);
    expect(shape(await ask({ reject: 'empty' }, { openpipe: { fallback: { model: 'b', reject: [() => true] } } }))).toEqual(
      ['a rejected', 'b rejected'],
    ); // prettier-ignore
    expect(warnings.join()).toMatch(/openpipe\.reject.*openpipe\.fallback\.reject/s);
  });
});

describe('a function', () => {
  test('refuses with a text or `true`; anything else accepts', async ({ serve }) => {
    const { ask } = await world(serve, { a: GOOD, b: GOOD });
    const outcome = async (/** @type {any} */ said) =>
      (await ask({ reject: async () => said, fallback: { model: 'b', reject: [] } })).openpipe.attempts[0];
    expect(await outcome('too short')).toMatchObject({ rejectedBy: 'function', message: 'too short' });
    expect(await outcome(true)).toMatchObject({ rejectedBy: 'function', message: expect.any(String) });
    for (const said of [undefined, null, false, 0, 1, '', {}, []]) expect((await outcome(said)).outcome).toBe('ok');
  });

  test("gets the caller's value, after the named rules, in the caller's async context", async ({ serve }) => {
    const { ask } = await world(serve, { a: EMPTY, b: GOOD });
    const storage = new AsyncLocalStorage();
    /** @type {any[]} */
    const judged = [];
    const reject = ['empty', (/** @type {any} */ answer, /** @type {any} */ from) => void judged.push([answer, from, storage.getStore()])]; // prettier-ignore
    for (const stream of [false, true]) {
      await storage.run('mine', () => ask({ reject, fallback: { model: 'b' } }, { stream }));
    }
    expect(judged.map(([answer, from, store]) => [answer.choices[0].message.content, from, store])).toEqual([
      ['good', { upstream: 'openai', model: 'b' }, 'mine'],
      ['good', { upstream: 'openai', model: 'b' }, 'mine'],
    ]);
  });

  test('that throws, rejects or does not settle in the target\'s time accepts the answer, with a warning', async ({ serve }) => {
    const { openai, warnings } = await world(serve, { a: GOOD, b: GOOD });
    const functions = [
      () => { throw new Error('thrown'); },
      () => Promise.reject(new Error('rejected')),
      () => new Promise(() => {}),
    ]; // prettier-ignore
    for (const reject of functions) {
      const body = { model: 'a', messages: MESSAGES };
      const options = { timeout: 150, openpipe: { reject, fallback: { model: 'b' } } };
      expect(shape(await openai.chat.completions.create(body, options))).toEqual(['a ok']);
    }
    expect(warnings).toEqual([
      expect.stringContaining('thrown'),
      expect.stringContaining('rejected'),
      expect.stringContaining('not judged in time'),
    ]);
  }); // prettier-ignore

  test('works in createFetch', async ({ serve }) => {
    const upstream = await serve(GOOD);
    const reject = (/** @type {any} */ answer, /** @type {any} */ { model }) =>
      model === 'a' && answer.choices[0].message.content === 'good' ? 'not a' : false;
    const fetching = createFetch({ reject, fallback: { model: 'b' } });
    const body = JSON.stringify({ model: 'a', messages: MESSAGES });
    const response = /** @type {any} */ (await fetching(`${upstream.url}/chat/completions`, { method: 'POST', body }));
    expect(shape(response)).toEqual(['a rejected', 'b ok']);
  });
});

describe('a mistake in `reject`', () => {
  for (const [reject, message] of /** @type {[any, string][]} */ ([
    ['emtpy', '`openpipe.reject` must be a function or one of empty, length, content_filter, refusal, invalid_json, schema, got "emtpy"'],
    [1, '`openpipe.reject` must be a function or one of empty'],
    [{}, '`openpipe.reject` must be'],
    [['empty', NaN], '`openpipe.reject[1]` must be a function or one of'],
    [[() => true, () => true], '`openpipe.reject` must be a rule\'s name, a function, or an array of names and at most one function, got two functions'],
  ])) {
    test(`is a TypeError that names option and value: ${String(reject)}`, async ({ serve }) => {
      const { ask, upstream } = await world(serve, { a: GOOD });
      const error = await rejection(ask({ reject }));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain(message);
      expect(() => new OpenAI({ apiKey: 'k', openpipe: { reject } })).toThrow(message);
      expect(chats(upstream)).toEqual([]);
    });
  } // prettier-ignore

  test('is a call\'s own `holdUntil: "content"` with a rule that needs the whole answer', async ({ serve }) => {
    const { ask } = await world(serve, { a: GOOD }, { holdUntil: 'content' });
    const error = await rejection(ask({ holdUntil: 'content', reject: 'length' }, { stream: true }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain('openpipe.holdUntil');
    expect(shape(await ask({ reject: 'length' }, { stream: true }))).toEqual(['a ok']);
    expect(shape(await ask({ holdUntil: 'content', reject: 'empty' }, { stream: true }))).toEqual(['a ok']);
  });
});

describe('beyond the call', () => {
  test('a refused answer is reported once, marked as rejected, and the returned one not again', async ({ serve }) => {
    const openpipe = await serve();
    const upstream = await serve(EMPTY);
    const logs = { apiKey: 'opk-0123456789', baseUrl: openpipe.url };
    const openai = /** @type {any} */ (new OpenAI({ apiKey: 'sk-0123456789', baseURL: upstream.url, openpipe: logs }));
    for (const stream of [false, true]) {
      const body = { model: 'a', messages: MESSAGES, stream };
      const answer = await openai.chat.completions.create(body, { openpipe: { reject: ['empty', 'length'] } });
      if (stream) await readAll(answer);
    }
    await openai.flush();
    const reports = openpipe.requests.filter((/** @type {any} */ { path }) => path.endsWith('/report'));
    expect(reports.map((/** @type {any} */ { body }) => [body.statusCode, body.errorMessage])).toEqual(
      Array(2).fill([200, 'rejected (empty): the answer is empty']),
    );
    expect(reports[1]?.body.respPayload.choices[0].finish_reason).toBe('stop');
    await openai.close();
  });

  test('a refused answer is a success to the circuit of its upstream', async ({ serve }) => {
    const { ask, upstream } = await world(serve, { a: EMPTY, b: GOOD }, { breaker: { failures: 1, failureRate: 0.1 } });
    for (let round = 0; round < 3; round += 1) {
      expect(shape(await ask({ reject: 'empty', fallback: { model: 'b' } }))).toEqual(['a rejected', 'b ok']);
    }
    expect(chats(upstream)).toHaveLength(6);
  });

  test('a response is judged with the `output_text` that the caller gets', async ({ serve }) => {
    const output = [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'seen' }] }];
    const response = { object: 'response', status: 'completed', output };
    const upstream = await serve(answering(response));
    const openai = new OpenAI({ apiKey: 'sk-0123456789', baseURL: upstream.url, openpipe: { apiKey: '' } });
    /** @type {string[]} */
    const seen = [];
    const reject = (/** @type {any} */ { output_text }) => void seen.push(output_text);
    await openai.responses.create({ model: 'a', input: 'hi' }, /** @type {any} */ ({ openpipe: { reject } }));
    expect(seen).toEqual(['seen']);
  });

  test('a custom client\'s response and vectors are judged as the caller gets them', async ({ serve }) => {
    const output = [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'seen' }] }];
    const kept = { object: 'response', status: 'completed', output };
    const base64 = Buffer.from(new Float32Array([0.5, -1]).buffer).toString('base64');
    const vectors = (/** @type {any} */ embedding) => ({ data: [{ index: 0, embedding }] });
    const client = { responses: { create: async () => kept }, embeddings: { create: async () => vectors([0.5, -1]) } };
    const upstream = await serve(answering(vectors(base64)));
    /** @type {any} */
    const options = { apiKey: 'sk-0', baseURL: upstream.url, openpipe: { apiKey: '', aliases: { mine: { model: 'a', client } } } };
    const openai = /** @type {any} */ (new OpenAI(options));
    /** @type {any[]} */
    const seen = [];
    const openpipe = { reject: (/** @type {any} */ { output_text: text, data }) => void seen.push(text ?? data[0].embedding) };
    await openai.responses.create({ model: 'mine', input: 'hi' }, { openpipe });
    for (const model of ['mine', 'b']) {
      await openai.embeddings.create({ model, input: 'hi' }, { openpipe });
      await openai.embeddings.create({ model, input: 'hi', encoding_format: 'base64' }, { openpipe });
    }
    expect(seen).toEqual(['seen', [0.5, -1], base64, [0.5, -1], base64]);
    expect(kept).not.toHaveProperty('output_text');
  }); // prettier-ignore
});
