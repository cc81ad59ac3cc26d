/** Many calls at once, half of which fall back through JavaScript: each answer goes to its own caller (issue 3). */

import { setMaxListeners } from 'node:events';

import OpenAI6 from 'openai';
import OpenAI from 'openpipe-native';
import { expect } from 'vitest';

import { ask } from '../support/calls.mjs';
import { clientOptions, test } from '../support/upstreams.mjs';
import { chunks, completion, pause, plainClient, streamOf, TO_CLIENT } from '../support/custom-clients.mjs';
import { CLIENT_KEY } from '../support/custom-sdks.mjs';

const CALLS = 1_000;

for (const stream of [false, true]) {
  test(`of ${CALLS} concurrent ${stream ? 'streams' : 'completions'} each caller gets its own answer`, async ({
    serveElsewhere,
  }) => {
    const upstream = await serveElsewhere({});
    const { client, asked } = plainClient(async (body) => {
      // In an order other than that of the requests.
      await pause(Math.random() * 100);
      const text = `the client for ${body.user}`;
      return body.stream ? streamOf(chunks(text)) : completion(body.model, text);
    });
    const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { openpipe: { fallbackClient: client } }));
    const told = await Promise.all(
      Array.from({ length: CALLS }, (_, index) =>
        ask(openai, {
          stream,
          model: index % 2 === 0 ? `openpipe:number-${index}` : 'openpipe:status-400',
          body: { user: `user-${index}` },
          openpipe: TO_CLIENT,
        }),
      ),
    );

    expect(told.filter(({ error }) => error)).toEqual([]);
    expect(told.map(({ text }) => text)).toEqual(
      told.map((_, index) =>
        index % 2 === 0
          ? `Answered by upstream, with the model openpipe:number-${index}.`
          : `the client for user-${index}`,
      ),
    );
    told.forEach(({ info }, index) => {
      const upstreams = info.attempts.map((attempt) => `${attempt.upstream} ${attempt.outcome}`);
      expect(upstreams).toEqual(index % 2 === 0 ? ['openpipe ok'] : ['openpipe bad_request', 'client ok']);
    });
    expect(asked).toHaveLength(CALLS / 2);
    expect(new Set(asked.map(({ body }) => body.user)).size).toBe(CALLS / 2);
  });
}

test('of many concurrent failures each caller gets its own error', async ({ serve }) => {
  const upstream = await serve({ kind: 'status', status: 400 });
  const { client } = plainClient(async (body) => {
    await pause(Math.random() * 50);
    throw Object.assign(new Error(`for ${body.user}`), { status: 500 });
  });
  const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { openpipe: { fallbackClient: client } }));
  const told = await Promise.all(
    Array.from({ length: 300 }, (_, index) =>
      ask(openai, { stream: index % 3 === 0, body: { user: `user-${index}` }, openpipe: TO_CLIENT }),
    ),
  );

  expect(told.map(({ error }) => error.message)).toEqual(told.map((_, index) => `for user-${index}`));
  told.forEach(({ error }) => expect(error.openpipe.errors[1]).toBe(error));
});

test('of many concurrent calls through a real SDK each caller gets its own answer', async ({ serveElsewhere }) => {
  const upstream = await serveElsewhere({});
  const client = new OpenAI6({ apiKey: CLIENT_KEY, baseURL: upstream.url });
  const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { openpipe: { fallbackClient: client } }));
  const told = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      ask(openai, {
        stream: index % 2 === 0,
        model: 'openpipe:status-400',
        openpipe: { fallback: { model: `number-${index}` } },
      }),
    ),
  );

  expect(told.filter(({ error }) => error)).toEqual([]);
  expect(told.map(({ text }) => text)).toEqual(
    told.map((_, index) => `Answered by upstream, with the model number-${index}.`),
  );
});

test('aborting some of many calls does not affect the others', async ({ serve }) => {
  const upstream = await serve({ kind: 'status', status: 400 });
  const { client } = plainClient(async (body) => {
    await pause(50 + Math.random() * 50);
    return completion(body.model, body.user);
  });
  const openai = new OpenAI(clientOptions(upstream.url, upstream.url, { openpipe: { fallbackClient: client } }));
  const caller = new AbortController();
  setMaxListeners(0, caller.signal);
  const calls = Array.from({ length: 300 }, (_, index) =>
    ask(openai, {
      body: { user: `user-${index}` },
      openpipe: TO_CLIENT,
      options: index % 2 === 0 ? { signal: caller.signal } : {},
    }),
  );
  await pause(20);
  caller.abort();
  const told = await Promise.all(calls);

  told.forEach(({ error, text }, index) => {
    if (index % 2 === 0) expect(error).toBeInstanceOf(OpenAI.APIUserAbortError);
    else expect(text).toBe(`user-${index}`);
  });
});
