/** Streams: when they are committed, when they are alive, how they end (contract.md, section 5). */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { chunk, sseEvent } from '../../demo/upstream/payload.mjs';
import { ask, MESSAGES, readAll, textOf } from '../support/calls.mjs';
import { chats, FALLBACK, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */
/** @import { Stage } from '../support/upstreams.mjs' */

const MARGIN = 600;
const WITH_FALLBACK = { fallback: { model: FALLBACK } };
const WHOLE = `Answered by the primary, with the model ${PRIMARY}.`;

const ROLE = sseEvent(chunk(PRIMARY, { role: 'assistant', content: '' }));
const FINISH = sseEvent(chunk(PRIMARY, {}, 'stop'));
const DONE = sseEvent('[DONE]');
/** @param {string} content */
const content = (content) => sseEvent(chunk(PRIMARY, { content }));

/**
 * @param {Stage} stage
 * @param {Parameters<OpenAI['chat']['completions']['create']>[0]['openpipe']} [openpipe]
 * @param {import('openpipe-native').OpenAI.RequestOptions} [options]
 */
function stream({ openai }, openpipe, options) {
  return openai.chat.completions.create({ model: PRIMARY, messages: MESSAGES, stream: true, openpipe }, options);
}

describe('a stream with a fallback is committed', () => {
  for (const [what, delta, finish] of /** @type {[string, Record<string, unknown>, (string | null)?][]} */ ([
    ['content', { content: 'x' }],
    ['a refusal', { refusal: 'no' }],
    ['reasoning', { reasoning_content: 'hm' }],
    ['a tool call', { tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] }],
    ['a function call', { function_call: { name: 'f', arguments: '' } }],
    ['a finish reason', {}, 'stop'],
  ])) {
    test(`with its first event that has ${what}`, async ({ stage }) => {
      const staged = await stage({
        primary: { kind: 'sse', sse: [ROLE, sseEvent(chunk(PRIMARY, delta, finish))], then: 'hang' },
      });
      const answer = await stream(staged, WITH_FALLBACK, { timeout: 3_000 });
      const iterator = answer[Symbol.asyncIterator]();

      expect((await iterator.next()).value?.choices[0]?.delta).toMatchObject({ role: 'assistant' });
      expect((await iterator.next()).value?.choices[0]?.delta).toEqual(delta);
      expect(answer.openpipe.servedBy).toBe('primary');
      await iterator.return?.();
    });
  }

  test('not with its role, nor with empty deltas, so that the next target can still answer', async ({ stage }) => {
    const empty = [
      {},
      { content: '' },
      { content: null },
      { role: 'assistant' },
      { tool_calls: [] },
      { refusal: null },
    ];
    const { openai, fallback } = await stage({
      primary: { kind: 'sse', sse: [ROLE, ...empty.map((delta) => sseEvent(chunk(PRIMARY, delta)))], then: 'reset' },
    });
    const told = await ask(openai, { stream: true, openpipe: WITH_FALLBACK });

    expect(told.error).toBeUndefined();
    expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
    expect(told.chunks.every(({ model }) => model === FALLBACK)).toBe(true);
    expect(chats(fallback)).toHaveLength(1);
  });

  test('after 64 events without content', async ({ stage }) => {
    const staged = await stage({ primary: { kind: 'sse', sse: Array(64).fill(ROLE), then: 'reset' } });
    const answer = await stream(staged, WITH_FALLBACK);
    const { chunks, error } = await readAll(answer);

    expect(chunks).toHaveLength(64);
    expect(error.constructor).toBe(OpenAI.APIConnectionError);
    expect(chats(staged.fallback)).toEqual([]);
  });

  test('not after 63 events without content', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'sse', sse: Array(63).fill(ROLE), then: 'reset' } });
    expect((await ask(openai, { stream: true, openpipe: WITH_FALLBACK })).info.servedBy).toBe('fallback');
  });

  test('after 256 KiB without content', async ({ stage }) => {
    const bulky = sseEvent({ ...chunk(PRIMARY, { role: 'assistant' }), padding: 'x'.repeat(100 * 1024) });
    const staged = await stage({ primary: { kind: 'sse', sse: [bulky, bulky, bulky], then: 'reset' } });
    const { chunks, error } = await readAll(await stream(staged, WITH_FALLBACK));

    expect(chunks).toHaveLength(3);
    expect(error.constructor).toBe(OpenAI.APIConnectionError);
    expect(chats(staged.fallback)).toEqual([]);
  });
});

describe.concurrent('the last target of a stream', () => {
  test('is handed over at its headers', async ({ stage }) => {
    const { openai, primary } = await stage({ primary: { kind: 'answer', fault: { after: 'headers', how: 'stall' } } });
    const { data, response } = await openai.chat.completions
      .create({ model: PRIMARY, messages: MESSAGES, stream: true }, { timeout: 5_000 })
      .withResponse();

    expect(response.status).toBe(200);
    data.controller.abort();
    expect(await onlyChat(primary).closed).toBe('broken off');
  });

  test('is bounded by its timeout until the first content', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', fault: { after: 'role', how: 'stall' } } });
    const told = await ask(openai, { stream: true, options: { timeout: 300 } });

    expect(told.failedIn).toBe('iterator');
    expect(told.chunks).toHaveLength(1);
    expect(told.error.constructor).toBe(OpenAI.APIConnectionTimeoutError);
    expect(told.ms).toBeGreaterThan(290);
    expect(told.ms).toBeLessThan(300 + MARGIN);
    expect(told.info.attempts).toMatchObject([{ outcome: 'timeout', tries: 1 }]);
  });

  test('is not bounded by `firstTokenTimeout`', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', delayMs: 300 } });
    const told = await ask(openai, { stream: true, openpipe: { firstTokenTimeout: 100 } });

    expect(told.error).toBeUndefined();
  });
});

describe.concurrent('`firstTokenTimeout`', () => {
  for (const how of /** @type {const} */ (['stall', 'keep-alive', 'empty-deltas'])) {
    test(`moves on from a primary that sends its headers and no content (${how})`, async ({ stage }) => {
      const { openai, primary } = await stage({ primary: { kind: 'answer', fault: { after: 'role', how } } });
      const told = await ask(openai, { stream: true, openpipe: { ...WITH_FALLBACK, firstTokenTimeout: 300 } });

      expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
      expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['timeout', 'ok']);
      expect(told.info.attempts[0]?.durationMs).toBeGreaterThanOrEqual(299);
      expect(told.info.attempts[0]?.durationMs).toBeLessThan(300 + MARGIN);
      expect(await onlyChat(primary).closed).toBe('broken off');
    });
  }

  test('ends with the first content', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', paceMs: 150 } });
    const told = await ask(openai, { stream: true, openpipe: { ...WITH_FALLBACK, firstTokenTimeout: 450 } });

    expect(told.text).toBe(WHOLE);
    expect(told.info.servedBy).toBe('primary');
    expect(told.ms).toBeGreaterThan(600);
  });

  test('does not apply to completions', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', delayMs: 300 } });
    expect((await ask(openai, { openpipe: { ...WITH_FALLBACK, firstTokenTimeout: 100 } })).info.servedBy).toBe(
      'primary',
    );
  });
});

describe.concurrent('a healthy stream may take longer than its timeout', () => {
  /** @type {Behaviour} */
  const slow = { kind: 'answer', deltas: 6, paceMs: 120 };

  test('as a primary', async ({ stage }) => {
    const { openai } = await stage({ primary: slow });
    const told = await ask(openai, { stream: true, openpipe: WITH_FALLBACK, options: { timeout: 500 } });
    expect(told.text).toBe(WHOLE);
    expect(told.ms).toBeGreaterThan(800);
  });

  test('without a fallback', async ({ stage }) => {
    const { openai } = await stage({ primary: slow });
    const told = await ask(openai, { stream: true, options: { timeout: 500, maxRetries: 0 } });
    expect(told.text).toBe(WHOLE);
    expect(told.ms).toBeGreaterThan(800);
  });

  test('as a fallback', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'status', status: 500 }, fallback: slow });
    const told = await ask(openai, { stream: true, openpipe: { fallback: { model: FALLBACK, timeout: 500 } } });
    expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
    expect(told.ms).toBeGreaterThan(800);
  });

  test('and longer than the deadline of the call, which ends with the commit', async ({ stage }) => {
    const { openai } = await stage({ primary: slow });
    const told = await ask(openai, { stream: true, openpipe: { ...WITH_FALLBACK, deadline: 500 } });
    expect(told.text).toBe(WHOLE);
    expect(told.ms).toBeGreaterThan(800);
  });
});

describe.concurrent('`idleTimeout`', () => {
  for (const how of /** @type {const} */ (['stall', 'keep-alive', 'empty-deltas'])) {
    test(`ends a stream that has fallen silent (${how})`, async ({ stage }) => {
      const { openai, primary, fallback } = await stage({ primary: { kind: 'answer', fault: { after: 2, how } } });
      const told = await ask(openai, { stream: true, openpipe: { ...WITH_FALLBACK, idleTimeout: 300 } });

      expect(told.failedIn).toBe('iterator');
      expect(told.error).toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
      expect(WHOLE.startsWith(told.text)).toBe(true);
      expect(told.text).not.toBe('');
      expect(told.ms).toBeGreaterThan(290);
      expect(told.ms).toBeLessThan(300 + MARGIN);
      expect(told.info.attempts).toMatchObject([{ outcome: 'stream' }]);
      expect(chats(fallback)).toEqual([]);
      expect(await onlyChat(primary).closed).toBe('broken off');
    });
  }

  test('does not bound the first content', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', delayMs: 400 } });
    expect((await ask(openai, { stream: true, openpipe: { idleTimeout: 150 } })).text).toBe(WHOLE);
  });

  test('starts again with each content', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', deltas: 6, paceMs: 150 } });
    const told = await ask(openai, { stream: true, openpipe: { idleTimeout: 500 } });
    expect(told.text).toBe(WHOLE);
    expect(told.ms).toBeGreaterThan(900);
  });

  test('does not count a slow reader’s time', async ({ stage }) => {
    // The first piece exceeds the window of an idle reader, so nothing more is read until the reader continues.
    const sse = [ROLE + content('x'.repeat(400_000)), content('the rest') + FINISH + DONE];
    const staged = await stage({ primary: { kind: 'sse', sse, paceMs: 900 } });
    const iterator = (await stream(staged, { idleTimeout: 500 }))[Symbol.asyncIterator]();
    await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 700));

    const { chunks, error } = await readAll({ [Symbol.asyncIterator]: () => iterator });
    expect(error).toBeUndefined();
    expect(textOf(chunks)).toBe(`${'x'.repeat(400_000)}the rest`);
  });
});

describe('a stream that fails', () => {
  /** @type {[string, Behaviour, keyof typeof OpenAI & string][]} */
  const deaths = [
    ['is reset', { kind: 'answer', fault: { after: 2, how: 'reset' } }, 'APIConnectionError'],
    ['is cut off', { kind: 'answer', fault: { after: 2, how: 'cut' } }, 'APIConnectionError'],
    ['ends without a finish reason', { kind: 'answer', fault: { after: 2, how: 'end' } }, 'APIError'],
    ['carries an error event', { kind: 'answer', fault: { after: 2, how: 'error-event' } }, 'APIError'],
    ['carries an event that is not JSON', { kind: 'answer', fault: { after: 2, how: 'malformed-event' } }, 'APIError'],
    [
      'carries `event: error`',
      { kind: 'sse', sse: [ROLE, content('Answ'), 'event: error\ndata: {"message":"boom"}\n\n', FINISH, DONE] },
      'APIError',
    ],
  ];

  for (const [how, doing, errorClass] of deaths) {
    test(`after its commit, because it ${how}, throws from the iterator`, async ({ stage }) => {
      const { openai, fallback } = await stage({ primary: doing });
      const told = await ask(openai, { stream: true, openpipe: WITH_FALLBACK });

      expect(told.failedIn).toBe('iterator');
      expect(told.error.constructor).toBe(OpenAI[errorClass]);
      expect(told.text).not.toBe('');
      expect(told.text).not.toBe(WHOLE);
      expect(WHOLE.startsWith(told.text)).toBe(true);
      expect(told.error.openpipe.attempts).toMatchObject([{ outcome: 'stream' }]);
      expect(told.error.openpipe.servedBy).toBe('primary');
      expect(told.error.openpipe.errors).toEqual([told.error]);
      expect(chats(fallback)).toEqual([]);
    });

    test(`because it ${how}, with \`holdUntil: "finish"\`, is answered in full by the fallback`, async ({ stage }) => {
      const { openai } = await stage({ primary: doing });
      const told = await ask(openai, { stream: true, openpipe: { ...WITH_FALLBACK, holdUntil: 'finish' } });

      expect(told.error).toBeUndefined();
      expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
      expect(told.chunks.every(({ model }) => model === FALLBACK)).toBe(true);
      expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['stream', 'ok']);
    });
  }

  /** @type {[string, Behaviour][]} */
  const early = [
    ['is reset at its headers', { kind: 'answer', fault: { after: 'headers', how: 'reset' } }],
    ['is reset after its role', { kind: 'answer', fault: { after: 'role', how: 'reset' } }],
    ['is cut off after its role', { kind: 'answer', fault: { after: 'role', how: 'cut' } }],
    ['ends at its headers', { kind: 'answer', fault: { after: 'headers', how: 'end' } }],
    ['ends after its role', { kind: 'answer', fault: { after: 'role', how: 'end' } }],
    ['ends with [DONE] and nothing else', { kind: 'sse', sse: [ROLE, DONE] }],
    ['carries an error event', { kind: 'answer', fault: { after: 'role', how: 'error-event' } }],
    ['carries an event that is not JSON', { kind: 'answer', fault: { after: 'role', how: 'malformed-event' } }],
    ['carries an event that is JSON, but no object', { kind: 'sse', sse: [ROLE, 'data: [1]\n\n', content('x'), DONE] }],
  ];
  for (const [how, doing] of early) {
    test(`before its commit, because it ${how}, is replaced unseen`, async ({ stage }) => {
      const { openai } = await stage({ primary: doing });
      const told = await ask(openai, { stream: true, openpipe: WITH_FALLBACK });

      expect(told.error).toBeUndefined();
      expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
      expect(told.chunks.filter(({ choices }) => choices[0]?.delta.role)).toHaveLength(1);
      expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['stream', 'ok']);
    });

    test(`without a fallback, because it ${how}, throws from the iterator`, async ({ stage }) => {
      const { openai, primary } = await stage({ primary: doing });
      const told = await ask(openai, { stream: true });

      expect(told.failedIn).toBe('iterator');
      expect(told.error).toBeInstanceOf(OpenAI.APIError);
      expect(told.text).toBe('');
      expect(chats(primary)).toHaveLength(1);
    });
  }

  test('fails with the error in an event', async ({ stage }) => {
    const error = { message: 'The model broke down.', type: 'server_error', param: null, code: 'broke' };
    const { openai } = await stage({
      primary: { kind: 'sse', headers: { 'x-request-id': 'req_7' }, sse: [ROLE, content('A'), sseEvent({ error })] },
    });
    const told = await ask(openai, { stream: true });

    expect(told.error).toMatchObject({ error, code: 'broke', type: 'server_error', requestID: 'req_7' });
    expect(told.error.message).toContain('The model broke down.');
    expect(told.error.headers.get('content-type')).toContain('text/event-stream');
  });
});

describe.concurrent('`holdUntil: "finish"`', () => {
  test('hands over a healthy stream when it has ended', async ({ stage }) => {
    const staged = await stage({ primary: { kind: 'answer', paceMs: 60 } });
    const answer = await stream(staged, { ...WITH_FALLBACK, holdUntil: 'finish' });
    expect(onlyChat(staged.primary).outcome).toBe('answered');
    const { chunks, error } = await readAll(answer);

    expect(error).toBeUndefined();
    expect(textOf(chunks)).toBe(WHOLE);
    expect(answer.openpipe.servedBy).toBe('primary');
  });

  test('is bounded by the idle timeout', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', fault: { after: 2, how: 'keep-alive' } } });
    const openpipe = /** @type {const} */ ({ ...WITH_FALLBACK, holdUntil: 'finish', idleTimeout: 300 });
    const told = await ask(openai, { stream: true, openpipe });

    expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
    expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['stream', 'ok']);
  });

  test('may take longer than the timeout, which ends with the first content', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', paceMs: 220, deltas: 6 } });
    const openpipe = /** @type {const} */ ({ ...WITH_FALLBACK, holdUntil: 'finish' });
    const told = await ask(openai, { stream: true, openpipe, options: { timeout: 1_000 } });

    expect(told.text).toBe(WHOLE);
    expect(told.info.servedBy).toBe('primary');
  });

  test('holds no more than `maxResponseBytes`', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', content: 'x '.repeat(50_000), deltas: 100 } });
    const openpipe = /** @type {const} */ ({ ...WITH_FALLBACK, holdUntil: 'finish', maxResponseBytes: 50_000 });
    const told = await ask(openai, { stream: true, openpipe });

    expect(told.text).toBe(`Answered by the fallback, with the model ${FALLBACK}.`);
    expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['invalid_response', 'ok']);
  });
});

describe('a stream ends well', () => {
  test('with [DONE] at once, also where the connection stays open', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', fault: { after: 'done', how: 'stall' } } });
    const told = await ask(openai, { stream: true, openpipe: { idleTimeout: 5_000 } });

    expect(told.error).toBeUndefined();
    expect(told.text).toBe(WHOLE);
    expect(told.ms).toBeLessThan(2_000);
  });

  test('without [DONE], when every choice has its finish reason', async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'answer', fault: { after: 'finish', how: 'end' } } });
    const told = await ask(openai, { stream: true });
    expect(told.error).toBeUndefined();
    expect(told.text).toBe(WHOLE);
  });

  test('not before every choice has its finish reason', async ({ stage }) => {
    const ofChoice = (/** @type {number} */ index, /** @type {string | null} */ finish) =>
      sseEvent({ ...chunk(PRIMARY, {}), choices: [{ index, delta: { content: 'x' }, finish_reason: finish }] });
    const { openai } = await stage({
      primary: { kind: 'sse', sse: [ofChoice(0, 'stop'), ofChoice(1, null)] },
    });
    const told = await ask(openai, { stream: true });
    expect(told.error?.constructor).toBe(OpenAI.APIError);
    expect(told.chunks).toHaveLength(2);
  });

  test('and has its usage', async ({ stage }) => {
    const staged = await stage();
    const answer = await staged.openai.chat.completions.create({
      model: PRIMARY,
      messages: MESSAGES,
      stream: true,
      stream_options: { include_usage: true },
    });
    const { chunks } = await readAll(answer);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
  });

  test('and `stream.openpipe` then has its duration', async ({ stage }) => {
    const staged = await stage({ primary: { kind: 'answer', delayMs: 50, paceMs: 50 } });
    const answer = await stream(staged);
    await readAll(answer);

    const [attempt] = answer.openpipe.attempts;
    expect(attempt?.outcome).toBe('ok');
    expect(attempt?.firstTokenMs).toBeGreaterThan(95);
    expect(attempt?.durationMs).toBeGreaterThan(attempt?.firstTokenMs ?? Infinity);
    expect(Object.keys(answer)).not.toContain('openpipe');
  });
});

describe('events are parsed as the standard says', () => {
  const event = (/** @type {string} */ text) => JSON.stringify(chunk(PRIMARY, { content: text }));
  const twoLines = event('two lines').replace(',"created"', ',\ndata: "created"');
  const emoji = Buffer.from(`data: ${event('grüße 🎉')}\n\n`);

  for (const [what, sse, expected] of /** @type {[string, (string | Uint8Array)[], string][]} */ ([
    ['with LF', [`data: ${event('a')}\n\n`, FINISH, DONE], 'a'],
    ['with CRLF', [`data: ${event('a')}\r\n\r\n`, FINISH, DONE], 'a'],
    ['with CR', [`data: ${event('a')}\r\r`, FINISH, DONE], 'a'],
    ['with a CRLF that is split', [`data: ${event('a')}\r`, `\n\r`, `\ndata: ${event('b')}\n\n`, FINISH, DONE], 'ab'],
    ['without a space after the colon', [`data:${event('a')}\n\n`, FINISH, DONE], 'a'],
    ['with comments and other fields', [`: hi\nid: 7\nretry: 1\ndata: ${event('a')}\n\n:\n\n`, FINISH, DONE], 'a'],
    ['with several data lines', [`data: ${twoLines}\n\n`, FINISH, DONE], 'two lines'],
    ['with a byte order mark', [`\uFEFFdata: ${event('a')}\n\n`, FINISH, DONE], 'a'],
    ['with an event of another name', [`event: completion\ndata: ${event('a')}\n\n`, FINISH, DONE], 'a'],
    ['with a last event without its blank line', [`data: ${event('a')}\n\n`, FINISH.trimEnd()], 'a'],
    [
      'split at every byte',
      [...emoji].map((byte) => Uint8Array.of(byte)).concat(Buffer.from(FINISH + DONE)),
      'grüße 🎉',
    ],
    ['all at once', [`data: ${event('a')}\n\ndata: ${event('b')}\n\n${FINISH}${DONE}`], 'ab'],
  ])) {
    test(what, async ({ stage }) => {
      const { openai } = await stage({ primary: { kind: 'sse', sse, paceMs: sse.length < 20 ? 5 : 1 } });
      const told = await ask(openai, { stream: true });
      expect(told.error).toBeUndefined();
      expect(told.text).toBe(expected);
    });
  }

  test('with lone surrogates, numbers and order as `JSON.parse` gives them', async ({ stage }) => {
    const text = `{"2":1,"1":2,"choices":[{"index":0,"delta":{"content":"\\ud83d"},"n":12345678901234567890,"x":1e400,"z":-0}],"__proto__":{"a":1}}`;
    const staged = await stage({ primary: { kind: 'sse', sse: [`data: ${text}\n\n`, FINISH, DONE] } });
    const { chunks } = await readAll(await stream(staged));
    expect(chunks[0]).toEqual(JSON.parse(text));
    expect(JSON.stringify(chunks[0])).toBe(JSON.stringify(JSON.parse(text)));
  });

  test('of any depth and size', async ({ stage }) => {
    const deep = `{"choices":[{"index":0,"delta":{"content":"x"},"deep":${'['.repeat(5_000)}${']'.repeat(5_000)}}]}`;
    const big = 'y'.repeat(3_000_000);
    const staged = await stage({ primary: { kind: 'sse', sse: [`data: ${deep}\n\n`, content(big), FINISH, DONE] } });
    const { chunks, error } = await readAll(await stream(staged));
    expect(error).toBeUndefined();
    expect(textOf(chunks)).toBe(`x${big}`);
  });
});

describe('the upstream connection is closed', () => {
  /** @type {Behaviour} */
  const endless = { kind: 'answer', content: 'word '.repeat(2_000), deltas: 2_000, paceMs: 10 };

  for (const [what, openpipe] of /** @type {[string, any][]} */ ([
    ['without a fallback', undefined],
    ['with a fallback', WITH_FALLBACK],
  ])) {
    test(`by \`break\`, ${what}`, async ({ stage }) => {
      const staged = await stage({ primary: endless });
      const answer = await stream(staged, openpipe);
      for await (const { choices } of answer) if (choices[0]?.delta.content) break;

      expect(answer.controller.signal.aborted).toBe(true);
      expect(await onlyChat(staged.primary).closed).toBe('broken off');
      expect(onlyChat(staged.primary).eventsSent).toBeLessThan(1_000);
    });

    test(`by \`controller.abort()\`, ${what}, and the loop ends without an error`, async ({ stage }) => {
      const staged = await stage({ primary: endless });
      const answer = await stream(staged, openpipe);
      let read = 0;
      for await (const _ of answer) if (++read === 3) answer.controller.abort();

      expect(read).toBe(3);
      expect(await onlyChat(staged.primary).closed).toBe('broken off');
    });

    test(`by the caller's signal, ${what}, and the loop ends without an error`, async ({ stage }) => {
      const staged = await stage({ primary: endless });
      const controller = new AbortController();
      const answer = await stream(staged, openpipe, { signal: controller.signal });
      setTimeout(() => controller.abort(), 100);
      const { error, chunks } = await readAll(answer);

      expect(error).toBeUndefined();
      expect(chunks.length).toBeLessThan(1_000);
      expect(await onlyChat(staged.primary).closed).toBe('broken off');
    });
  }

  test('by an error in the loop', async ({ stage }) => {
    const staged = await stage({ primary: endless });
    const answer = await stream(staged);
    const reading = (async () => {
      for await (const _ of answer) throw new Error('mine');
    })();
    await expect(reading).rejects.toThrow('mine');
    expect(await onlyChat(staged.primary).closed).toBe('broken off');
  });

  test('by `controller.abort()` before anything was read', async ({ stage }) => {
    const staged = await stage({ primary: endless });
    const answer = await stream(staged);
    answer.controller.abort();

    expect((await readAll(answer)).error).toBeUndefined();
    expect(await onlyChat(staged.primary).closed).toBe('broken off');
  });

  test("by the caller's signal while the stream is held back", async ({ stage }) => {
    const staged = await stage({ primary: endless });
    const controller = new AbortController();
    const call = stream(staged, { ...WITH_FALLBACK, holdUntil: 'finish' }, { signal: controller.signal });
    const outcome = expect(call).rejects.toThrow(OpenAI.APIUserAbortError);
    await staged.primary.arrival(1);
    setTimeout(() => controller.abort(), 50);

    await outcome;
    expect(await onlyChat(staged.primary).closed).toBe('broken off');
    expect(chats(staged.fallback)).toEqual([]);
  });

  test('by cancelling `toReadableStream()`', async ({ stage }) => {
    const staged = await stage({ primary: endless });
    const reader = (await stream(staged)).toReadableStream().getReader();
    await reader.read();
    await reader.cancel();

    expect(await onlyChat(staged.primary).closed).toBe('broken off');
  });

  test('by cancelling the body of `asResponse()`', async ({ stage }) => {
    const staged = await stage({ primary: endless });
    const response = await stream(staged).asResponse();
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    await reader.read();
    await reader.cancel();

    expect(await onlyChat(staged.primary).closed).toBe('broken off');
  });

  test('not by a stream that was read to its end, whose connection serves again', async ({ stage }) => {
    const staged = await stage();
    for (let call = 0; call < 3; call += 1) {
      expect((await readAll(await stream(staged))).error).toBeUndefined();
      expect(await chats(staged.primary)[call]?.closed).toBe('answered');
    }
    expect(staged.primary.totalConnections).toBe(1);
  });

  test('of the primary when the fallback takes over', async ({ stage }) => {
    const { openai, primary } = await stage({
      primary: { kind: 'answer', fault: { after: 'role', how: 'keep-alive' } },
    });
    const told = await ask(openai, { stream: true, openpipe: WITH_FALLBACK, options: { timeout: 200 } });

    expect(told.info.servedBy).toBe('fallback');
    expect(await onlyChat(primary).closed).toBe('broken off');
  });
});

describe("the SDK's stream", () => {
  test('is an instance of the SDK’s class, with `tee()` and one iteration', async ({ stage }) => {
    const { Stream } = await import('openai/core/streaming');
    const staged = await stage();
    const answer = await stream(staged);
    expect(answer).toBeInstanceOf(Stream);

    const [left, right] = answer.tee();
    const [first, second] = await Promise.all([readAll(left), readAll(right)]);
    expect(textOf(first.chunks)).toBe(WHOLE);
    expect(second.chunks).toEqual(first.chunks);
    await expect(readAll(answer)).resolves.toMatchObject({ error: expect.any(OpenAI.OpenAIError), chunks: [] });
  });

  test('can be iterated once', async ({ stage }) => {
    const answer = await stream(await stage());
    await readAll(answer);
    const { error, chunks } = await readAll(answer);

    expect(error).toBeInstanceOf(OpenAI.OpenAIError);
    expect(error.message).toContain('.tee()');
    expect(chunks).toEqual([]);
  });

  test('is JSON lines by `toReadableStream()`, which `Stream.fromReadableStream` reads back', async ({ stage }) => {
    const { Stream } = await import('openai/core/streaming');
    const lines = (await stream(await stage())).toReadableStream();
    const back = Stream.fromReadableStream(lines, new AbortController());
    expect(textOf((await readAll(/** @type {AsyncIterable<any>} */ (back))).chunks)).toBe(WHOLE);
  });

  test('has a response with status and headers by `withResponse()`', async ({ stage }) => {
    const staged = await stage({ primary: { kind: 'answer', headers: { 'x-request-id': 'req_1', 'x-mine': 'yes' } } });
    const { data, response, request_id } = await stream(staged).withResponse();

    expect(response).toBeInstanceOf(Response);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-mine')).toBe('yes');
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(request_id).toBe('req_1');
    expect(textOf((await readAll(data)).chunks)).toBe(WHOLE);
  });

  test('is server-sent events as the body of `asResponse()`', async ({ stage }) => {
    const staged = await stage();
    const response = await stream(staged).asResponse();
    const body = await response.text();
    const events = body.split('\n\n').filter(Boolean);

    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(events.at(-1)).toBe('data: [DONE]');
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event.replace(/^data: /, '')));
    expect(textOf(chunks)).toBe(WHOLE);
  });

  test('that fails fails the body of `asResponse()` too', async ({ stage }) => {
    const staged = await stage({ primary: { kind: 'answer', fault: { after: 2, how: 'reset' } } });
    const response = await stream(staged).asResponse();
    await expect(response.text()).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
  });

  test('answers several `next()` at once, in order', async ({ stage }) => {
    const answer = await stream(await stage({ primary: { kind: 'answer', paceMs: 20 } }));
    const iterator = answer[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 9 }, () => iterator.next()));

    const chunks = results.filter(({ done }) => !done).map(({ value }) => value);
    expect(textOf(chunks)).toBe(WHOLE);
    expect(results.at(-1)).toEqual({ done: true, value: undefined });
  });

  test('gives the events before an error, then the error, then the end', async ({ stage }) => {
    const answer = await stream(await stage({ primary: { kind: 'answer', fault: { after: 2, how: 'reset' } } }));
    // All of it has come before the first is asked for.
    await new Promise((resolve) => setTimeout(resolve, 150));
    const iterator = answer[Symbol.asyncIterator]();
    for (let index = 0; index < 3; index += 1) expect((await iterator.next()).done).toBe(false);

    await expect(iterator.next()).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });
});

describe('a consumer that does not read', () => {
  test('slows down the upstream, and then gets everything', { timeout: 60_000 }, async ({ stage }) => {
    const size = 64 * 1024;
    const count = 1_100;
    const { openai, primary } = await stage({
      primary: { kind: 'answer', content: `${'x'.repeat(size - 1)} `.repeat(count), deltas: count },
    });
    const answer = await openai.chat.completions.create({ model: PRIMARY, messages: MESSAGES, stream: true });
    const request = await primary.arrival(1);

    // The upstream has stopped when it sends no more for a while.
    let before = -1;
    while (request.eventsSent !== before) {
      before = request.eventsSent;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    // What the two sockets and the window hold, out of some 70 MB.
    expect(request.eventsSent * size).toBeLessThan(16 * 1024 * 1024);
    expect(request.outcome).toBe('open');

    let length = 0;
    for await (const { choices } of answer) length += choices[0]?.delta.content?.length ?? 0;
    expect(length).toBe(size * count);
    expect(await request.closed).toBe('answered');
  });

  test('does not keep other streams from their events', async ({ stage }) => {
    const staged = await stage({ primary: { kind: 'answer', content: 'x '.repeat(1_000_000), deltas: 500 } });
    const idle = await stream(staged);
    const told = await ask(staged.openai, { stream: true });
    expect(told.text).toHaveLength(2_000_000);
    idle.controller.abort();
  });
});

test('many streams at once each get their own events', async ({ stage }) => {
  const { openai } = await stage({
    primary: ({ body }) => ({ kind: 'answer', content: `${body.user} `.repeat(30), deltas: 30, paceMs: 3 }),
  });
  const users = Array.from({ length: 60 }, (_, index) => `user-${index}`);
  const told = await Promise.all(users.map((user) => ask(openai, { stream: true, body: { user } })));

  for (const [index, user] of users.entries()) {
    expect(told[index]?.error).toBeUndefined();
    expect(told[index]?.text).toBe(`${user} `.repeat(30));
  }
});

test('many streams that all fall back get one `role` event each', async ({ stage }) => {
  const { openai } = await stage({
    primary: { kind: 'answer', fault: { after: 'role', how: 'reset' } },
    fallback: ({ body }) => ({ kind: 'answer', content: `${body.user} `.repeat(10), deltas: 10, paceMs: 2 }),
  });
  const users = Array.from({ length: 40 }, (_, index) => `user-${index}`);
  const calls = users.map((user) => ask(openai, { stream: true, body: { user }, openpipe: WITH_FALLBACK }));

  for (const [index, told] of (await Promise.all(calls)).entries()) {
    expect(told.text).toBe(`${users[index]} `.repeat(10));
    expect(told.chunks.filter(({ choices }) => choices[0]?.delta.role)).toHaveLength(1);
  }
});
