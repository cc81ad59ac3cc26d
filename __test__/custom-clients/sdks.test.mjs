/**
 * Real SDKs as fallback clients, against servers that answer and servers that fail: the caller gets the very object, stream
 * or error of that client, and the attempts say what it was (contract.md, sections 1, 3, 6).
 */

import OpenPipe from 'openpipe-native';
import { describe, expect } from 'vitest';

import { sseEvent } from '../../demo/upstream/payload.mjs';
import { ask, readAll, rejection, textOf } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { chats, onlyChat, PRIMARY, test } from '../support/upstreams.mjs';
import { contentChunk, FAILING, MODEL, onlyAsked, TO_CLIENT, watched } from '../support/custom-clients.mjs';
import { CLIENT_KEY, sdks } from '../support/custom-sdks.mjs';

/** @import { FailureKind } from 'openpipe-native' */
/** @import { Doing, Fixtures } from '../support/upstreams.mjs' */
/** @import { CustomSdk } from '../support/custom-sdks.mjs' */

/** Time enough for a busy machine to notice a refused connection, and short enough to wait for silence. */
const TIMEOUT = 700;

/**
 * Behaviours of an upstream, their kinds, and the SDK's error classes. Without silence, because either the SDK's or this package's
 * timeout may be first (time.test.mjs).
 * @type {{ name: string, doing: Doing, kind: FailureKind, error: string, status?: number }[]}
 */
const failures = [
  status(500, 'server_error', 'InternalServerError'),
  status(429, 'rate_limit', 'RateLimitError'),
  status(401, 'auth', 'AuthenticationError'),
  status(404, 'not_found', 'NotFoundError'),
  status(409, 'server_error', 'ConflictError'),
  status(422, 'bad_request', 'UnprocessableEntityError'),
  {
    name: 'answers 400 for a context that is too long',
    doing: { kind: 'status', status: 400, error: { code: 'context_length_exceeded' } },
    kind: 'context_length',
    error: 'BadRequestError',
    status: 400,
  },
  {
    name: 'answers 400 by its content filter',
    doing: { kind: 'status', status: 400, error: { code: 'content_filter' } },
    kind: 'content_filter',
    error: 'BadRequestError',
    status: 400,
  },
  { name: 'refuses connections', doing: 'refused', kind: 'connection', error: 'APIConnectionError' },
  { name: 'resets the connection', doing: { kind: 'reset' }, kind: 'connection', error: 'APIConnectionError' },
];

/** An event of a choice that is never finished. */
const CONTENT = sseEvent(contentChunk('[DONE]'));

for (const sdk of sdks) {
  describe(`${sdk.name} as the fallback client`, () => {
    test('returns its own completion object', async ({ stage, serve }) => {
      const { openai, asked, clientUpstream } = await withClient(sdk, stage, serve);
      const answer = await create(openai, false);

      expect(answer).toBe(await onlyAsked(asked).returned);
      expect(answer.choices[0].message.content).toBe(
        `Answered by the custom client's upstream, with the model ${MODEL}.`,
      );
      expect(answer.openpipe).toMatchObject({ servedBy: 'fallback', model: MODEL });
      expect(answer.openpipe.attempts).toMatchObject([
        { upstream: 'openpipe', model: PRIMARY, outcome: 'bad_request', status: 418, tries: 1 },
        { upstream: 'client', model: MODEL, outcome: 'ok', tries: 1 },
      ]);
      expect(Object.keys(answer)).not.toContain('openpipe');
      expect(onlyChat(clientUpstream).body).toMatchObject({ model: MODEL, messages: [{ role: 'user' }] });
    });

    test('returns its own stream object', async ({ stage, serve }) => {
      const { openai, asked } = await withClient(sdk, stage, serve);
      const stream = await create(openai, true);

      expect(stream).toBe(await onlyAsked(asked).returned);
      expect(stream).toBeInstanceOf(sdk.Stream);
      expect(stream.openpipe).toMatchObject({ servedBy: 'fallback', model: MODEL });
      const { chunks, error } = await readAll(stream);
      expect(error).toBeUndefined();
      expect(textOf(chunks)).toBe(`Answered by the custom client's upstream, with the model ${MODEL}.`);
      expect(chunks.filter((chunk) => chunk.choices[0]?.delta.role)).toHaveLength(1);
      expect(stream.openpipe.attempts).toMatchObject([
        { outcome: 'bad_request' },
        { upstream: 'client', outcome: 'ok' },
      ]);
    });

    for (const stream of [false, true]) {
      test(`returns the \`Response\` of its ${stream ? 'stream' : 'completion'}`, async ({ stage, serve }) => {
        const { openai, asked } = await withClient(sdk, stage, serve);
        const promise = create(openai, stream);
        const { data, response, request_id: requestId } = await promise.withResponse();

        const own = await onlyAsked(asked).returned.asResponse();
        expect([response.status, response.url]).toEqual([own.status, own.url]);
        expect(response.headers.get('date')).toBe(own.headers.get('date'));
        expect(response.headers.get('content-type')).toBe(own.headers.get('content-type'));
        expect(await promise.asResponse()).toBe(response);
        expect(data).toBe(await onlyAsked(asked).returned);
        expect(response.headers.get('x-request-id')).toMatch(/^req_/);
        expect(requestId).toBe(response.headers.get('x-request-id'));
        if (stream) await readAll(data);
      });
    }

    for (const stream of [false, true]) {
      test(`has a readable \`Response\` for its ${stream ? 'stream' : 'completion'}`, async ({ stage, serve }) => {
        const { openai } = await withClient(sdk, stage, serve);
        const response = await create(openai, stream).asResponse();
        const content = `Answered by the custom client's upstream, with the model ${MODEL}.`;

        expect(response).toBeInstanceOf(Response);
        if (!stream) {
          const completion = /** @type {any} */ (await response.json());
          expect(completion.choices[0].message.content).toBe(content);
          return;
        }
        const events = (await response.text())
          .split('\n\n')
          .map((/** @type {string} */ event) => event.replace(/^data: /, ''));
        expect(events.slice(-2)).toEqual(['[DONE]', '']);
        expect(textOf(events.slice(0, -2).map((/** @type {string} */ event) => JSON.parse(event)))).toBe(content);
      });
    }

    for (const stream of [false, true]) {
      test(`keeps the request id of its ${stream ? 'stream' : 'completion'}`, async ({ stage, serve }) => {
        const { openai, asked } = await withClient(sdk, stage, serve);
        const { data, response } = await create(openai, stream).withResponse();
        const id = response.headers.get('x-request-id');

        expect(id).toMatch(/^req_/);
        expect(data.openpipe.attempts[1].requestId).toBe(id);
        // Not every SDK adds it to its results.
        expect(data._request_id).toBe((await onlyAsked(asked).returned)._request_id);
        expect([id, undefined]).toContain(data._request_id);
        if (stream) await readAll(data);
      });
    }

    test('sends its own key and gets no other', async ({ stage, serve }) => {
      const { openai, clientUpstream, primary } = await withClient(sdk, stage, serve);
      await ask(openai, { openpipe: TO_CLIENT });
      await ask(openai, { openpipe: TO_CLIENT, stream: true });

      expect(chats(clientUpstream)).toHaveLength(2);
      for (const { rawHeaders, rawBody, path } of clientUpstream.requests) {
        expect(String(rawHeaders)).toContain(CLIENT_KEY);
        for (const key of [OPENAI_KEY, OPENPIPE_KEY]) expect(`${rawHeaders} ${rawBody} ${path}`).not.toContain(key);
      }
      for (const { rawHeaders } of primary.requests) expect(String(rawHeaders)).not.toContain(CLIENT_KEY);
    });

    for (const failing of failures) {
      for (const stream of [false, true]) {
        const what = stream ? 'stream' : 'completion';
        test(`throws its own error object for a ${what} when its upstream ${failing.name}`, async ({
          stage,
          serve,
        }) => {
          const { openai, asked } = await withClient(sdk, stage, serve, failing.doing);
          const error = await rejection(create(openai, stream, { maxRetries: 0 }));

          expect(error).toBe(await rejection(onlyAsked(asked).returned));
          expect(error).toBeInstanceOf(sdk.classes[failing.error]);
          expect(error.status).toBe(failing.status);
          expect(error.openpipe).toMatchObject({ servedBy: 'fallback', model: MODEL });
          expect(error.openpipe.errors).toHaveLength(2);
          expect(error.openpipe.errors[1]).toBe(error);
          expect(error.openpipe.attempts).toHaveLength(2);
          expect(error.openpipe.attempts[1]).toMatchObject({ upstream: 'client', outcome: failing.kind, tries: 1 });
          expect(error.openpipe.attempts[1].status).toBe(failing.status);
          expect(typeof error.openpipe.attempts[1].requestId).toBe(failing.status ? 'string' : 'undefined');
        });
      }
    }

    for (const stream of [false, true]) {
      test.concurrent(
        `times out when its upstream is silent to a ${stream ? 'stream' : 'completion'}`,
        async ({ stage, serve }) => {
          const { openai, clientUpstream } = await withClient(sdk, stage, serve, { kind: 'silence' });
          const error = await rejection(create(openai, stream, { maxRetries: 0, timeout: TIMEOUT }));

          // Its own clock and ours are set to the same time, and either may be the first.
          expect(error.constructor.name).toBe('APIConnectionTimeoutError');
          expect(error.openpipe.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'timeout', tries: 1 });
          expect(error.openpipe.attempts[1].durationMs).toBeGreaterThan(TIMEOUT - 10);
          const [request] = chats(clientUpstream);
          expect(await request?.closed).toBe('broken off');
        },
      );

      test(`moves a ${stream ? 'stream' : 'completion'} on to the next target when it fails in the middle`, async ({
        stage,
        serve,
      }) => {
        const clientUpstream = await serve({ kind: 'status', status: 500 });
        const { client, asked } = watched(sdk.connect(clientUpstream.url));
        const { openai } = await stage({ primary: FAILING });
        const told = await ask(openai, {
          stream,
          openpipe: { fallback: [{ model: MODEL, client }, { model: 'the-last' }] },
        });

        expect(told.error).toBeUndefined();
        expect(told.text).toBe('Answered by the fallback, with the model the-last.');
        // Not given, and another target follows: the SDK's own retries are off.
        expect(chats(clientUpstream)).toHaveLength(1);
        expect(onlyAsked(asked).options.maxRetries).toBe(0);
        expect(told.info.attempts).toMatchObject([
          { upstream: 'openpipe', outcome: 'bad_request' },
          { upstream: 'client', model: MODEL, outcome: 'server_error', status: 500, tries: 1 },
          { upstream: 'openai', model: 'the-last', outcome: 'ok' },
        ]);
      });
    }

    test('throws what breaks its stream from the iterator', async ({ stage, serve }) => {
      const { openai, asked } = await withClient(sdk, stage, serve, {
        kind: 'answer',
        deltas: 8,
        fault: { after: 4, how: 'reset' },
      });
      const stream = await create(openai, true);
      expect(stream).toBe(await onlyAsked(asked).returned);
      const { chunks, error } = await readAll(stream);

      expect(textOf(chunks)).toMatch(/^Answered by /);
      expect(error).toBeInstanceOf(Error);
      expect(error.openpipe.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
      expect(error.openpipe.errors[1]).toBe(error);
    });

    test('fails a stream without its end', async ({ stage, serve }) => {
      const { openai } = await withClient(sdk, stage, serve, { kind: 'answer', fault: { after: 2, how: 'end' } });
      const { chunks, error } = await readAll(await create(openai, true));

      expect(textOf(chunks)).toMatch(/^Answered by /);
      expect(error.openpipe.attempts[1]).toMatchObject({ upstream: 'client', outcome: 'stream' });
    });

    // Its own stream is made of events that were read natively: there are no bytes to be seen.
    if (sdk.name !== 'this package') {
      test('ends well by `[DONE]`, wherever its bytes are split, though a choice was never finished', async ({
        stage,
        serve,
      }) => {
        const bytes = [CONTENT, 'da', 'ta: [DO', 'NE]\n', '\n'];
        const { openai } = await withClient(sdk, stage, serve, { kind: 'sse', sse: bytes, paceMs: 5 });
        const { chunks, error } = await readAll(await create(openai, true));

        expect(error).toBeUndefined();
        expect(textOf(chunks)).toBe('[DONE]');
      });

      test('does not end at data that only contains `[DONE]`', async ({ stage, serve }) => {
        const bytes = [CONTENT, ': data: [DONE]\n\n'];
        const { openai } = await withClient(sdk, stage, serve, { kind: 'sse', sse: bytes });
        const { error } = await readAll(await create(openai, true));

        expect(error?.message).toContain('no finish reason and no [DONE]');
      });
    }

    test('is aborted when the reader leaves', async ({ stage, serve }) => {
      const { openai, clientUpstream } = await withClient(sdk, stage, serve, {
        kind: 'answer',
        fault: { after: 2, how: 'empty-deltas', everyMs: 20 },
      });
      for await (const chunk of await create(openai, true)) if (textOf([chunk])) break;

      expect(await onlyChat(clientUpstream).closed).toBe('broken off');
    });
  });
}

describe("an SDK's stream, passed on by a custom client,", () => {
  for (const sdk of sdks) {
    test(`can be split: ${sdk.name}`, async ({ stage, serve }) => {
      const { openai } = await withClient(sdk, stage, serve);
      const [left, right] = (await create(openai, true)).tee();
      const [one, other] = await Promise.all([readAll(left), readAll(right)]);

      expect(textOf(one.chunks)).toBe(`Answered by the custom client's upstream, with the model ${MODEL}.`);
      expect(other.chunks).toEqual(one.chunks);
    });

    test(`becomes a readable stream: ${sdk.name}`, async ({ stage, serve }) => {
      const { openai } = await withClient(sdk, stage, serve);
      const text = await new Response((await create(openai, true)).toReadableStream()).text();
      const lines = text.trim().split('\n');

      expect(textOf(lines.map((line) => JSON.parse(line)))).toBe(
        `Answered by the custom client's upstream, with the model ${MODEL}.`,
      );
    });

    test(`is stopped by its controller: ${sdk.name}`, async ({ stage, serve }) => {
      const { openai, clientUpstream } = await withClient(sdk, stage, serve, {
        kind: 'answer',
        fault: { after: 2, how: 'stall' },
      });
      const stream = await create(openai, true);
      const texts = [];
      let error;
      try {
        for await (const chunk of stream) {
          texts.push(textOf([chunk]));
          if (texts.join('')) setTimeout(() => stream.controller.abort(), 10);
        }
      } catch (thrown) {
        error = thrown;
      }

      expect(error).toBeUndefined();
      expect(texts.join('')).toMatch(/^Answered by/);
      expect(await onlyChat(clientUpstream).closed).toBe('broken off');
    });

    test(`is read once: ${sdk.name}`, async ({ stage, serve }) => {
      const { openai } = await withClient(sdk, stage, serve);
      const stream = await create(openai, true);
      await readAll(stream);
      const { chunks, error } = await readAll(stream);

      expect(chunks).toEqual([]);
      expect(error?.message).toMatch(/consumed stream/);
    });
  }
});

test('another client of this package reports nothing itself', async ({ stage, serve }) => {
  const sdk = /** @type {CustomSdk} */ (sdks.find(({ name }) => name === 'this package'));
  const inner = await serve({ kind: 'answer' });
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: sdk.connect(inner.url) } });
  await ask(openai, { openpipe: { fallback: { model: 'openpipe:inner' } } });

  expect(onlyChat(inner).headers['op-log-request']).toBe('false');
});

test('an answer of another client of this package has the `openpipe` of the outer call', async ({ stage, serve }) => {
  const sdk = /** @type {CustomSdk} */ (sdks.find(({ name }) => name === 'this package'));
  const inner = await serve(({ body }) => (body.model === MODEL ? FAILING : { kind: 'answer' }));
  const client = sdk.connect(inner.url, {
    openpipe: { apiKey: CLIENT_KEY, baseUrl: inner.url, fallback: { model: 'inner-fallback' } },
  });
  const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  const told = await ask(openai, { openpipe: TO_CLIENT });

  expect(told.text).toBe('Answered by upstream, with the model inner-fallback.');
  expect(told.info).toMatchObject({ servedBy: 'fallback', model: MODEL });
  expect(told.info.attempts.map(({ upstream }) => upstream)).toEqual(['openpipe', 'client']);
  expect(chats(inner).map(({ body }) => body.model)).toEqual([MODEL, 'inner-fallback']);
});

for (const sdk of sdks) {
  test(`the stream of ${sdk.name} comes through a client within a client as the same object`, async ({
    stage,
    serve,
  }) => {
    const clientUpstream = await serve({ kind: 'answer', fault: { after: 3, how: 'stall' } });
    const { client, asked } = watched(sdk.connect(clientUpstream.url));
    const inner = new OpenPipe({
      openpipe: {
        apiKey: CLIENT_KEY,
        baseUrl: (await serve(FAILING)).url,
        fallbackClient: client,
        fallback: { model: MODEL },
      },
    });
    const { openai } = await stage({ primary: FAILING, openpipe: { fallbackClient: inner } });
    const stream = await openai.chat.completions.create({
      model: PRIMARY,
      messages: [],
      stream: true,
      openpipe: { fallback: { model: 'openpipe:inner' } },
    });
    const read = [];
    for await (const chunk of stream) {
      read.push(chunk);
      if (textOf(read)) break;
    }

    expect(stream).toBe(await onlyAsked(asked).returned);
    expect(textOf(read)).toMatch(/^Answered/);
    expect(stream.openpipe).toMatchObject({ servedBy: 'fallback', model: 'openpipe:inner' });
    expect(await onlyChat(clientUpstream).closed).toBe('broken off');
  });
}

/**
 * A client of ours whose primary fails, with one of that SDK as its fallback client.
 * @param {CustomSdk} sdk @param {Fixtures['stage']} stage @param {Fixtures['serve']} serve @param {Doing} [doing]
 */
async function withClient(sdk, stage, serve, doing) {
  const clientUpstream = await serve(doing, { name: "the custom client's upstream" });
  const { client, asked } = watched(sdk.connect(clientUpstream.url));
  const { openai, primary } = await stage({ primary: FAILING, openpipe: { fallbackClient: client } });
  return { openai, asked, clientUpstream, primary };
}

/** @param {import('openpipe-native').default} openai @param {boolean} stream @param {object} [options] @returns {any} */
function create(openai, stream, options) {
  return openai.chat.completions.create(
    { model: PRIMARY, messages: [{ role: 'user', content: 'Count to 10' }], stream, openpipe: TO_CLIENT },
    options,
  );
}

/** @param {number} code @param {FailureKind} kind @param {string} error */
function status(code, kind, error) {
  return {
    name: `answers ${code}`,
    doing: /** @type {Doing} */ ({ kind: 'status', status: code }),
    kind,
    error,
    status: code,
  };
}
