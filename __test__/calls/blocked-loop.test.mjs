/**
 * Times are kept off the JavaScript thread (contract.md, section 4): it is blocked, and the upstreams, in processes of their
 * own, tell by their clock when what reached them.
 */

import OpenAI from 'openpipe-native';
import { expect } from 'vitest';

import { ask, blockEventLoop } from '../support/calls.mjs';
import { clientOptions, FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */
/** @import { Asking } from '../support/calls.mjs' */

const BLOCKED_MS = 1_500;
/** What a busy machine may add; far from the end of the block. */
const MARGIN = 400;

for (const stream of [false, true]) {
  const what = stream ? 'stream' : 'completion';

  test(`a ${what}'s fallback starts on time while JavaScript is blocked`, async ({ serveElsewhere }) => {
    const { told, startedAt, requests } = await callAndBlock(serveElsewhere, {
      primary: { kind: 'silence' },
      // Its answer arrives in the middle of the block, and its own time is up before the end of it.
      asking: { stream, options: { timeout: 500 }, openpipe: { fallback: { model: FALLBACK, timeout: 500 } } },
    });

    const [first, second] = requests;
    expect(requests.map(({ body }) => body.model)).toEqual([PRIMARY, FALLBACK]);
    expect((first?.at ?? 0) - startedAt).toBeLessThan(MARGIN);
    expect((second?.at ?? 0) - startedAt).toBeGreaterThanOrEqual(490);
    expect((second?.at ?? 0) - startedAt).toBeLessThan(500 + MARGIN);
    expect(told.error).toBeUndefined();
    expect(told.info.servedBy).toBe('fallback');
    expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['timeout', 'ok']);
  });

  test(`a ${what} that arrived while JavaScript was blocked is no timeout`, async ({ serveElsewhere }) => {
    const { told, requests } = await callAndBlock(serveElsewhere, {
      primary: { kind: 'answer', delayMs: 100, paceMs: 30 },
      asking: {
        stream,
        options: { timeout: 700 },
        openpipe: { idleTimeout: 500, fallback: { model: FALLBACK } },
      },
    });

    expect(told.error).toBeUndefined();
    expect(told.text).toBe(`Answered by upstream, with the model ${PRIMARY}.`);
    expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual(['ok']);
    expect(requests).toHaveLength(1);
    expect(told.info.attempts[0]?.durationMs).toBeLessThan(700);
  });
}

test('a retry is made on time while JavaScript is blocked', async ({ serveElsewhere }) => {
  const { told, startedAt, requests } = await callAndBlock(serveElsewhere, {
    primary: { kind: 'answer', failFirst: 1, failWith: { kind: 'status', status: 500 } },
    asking: {},
  });

  expect(told.info.attempts).toMatchObject([{ outcome: 'ok', tries: 2 }]);
  expect((requests[1]?.at ?? 0) - startedAt).toBeLessThan(500 + MARGIN);
});

test('aborting a call whose answer has arrived does not affect other calls', async ({ serveElsewhere }) => {
  const upstream = await serveElsewhere({
    first: { kind: 'answer', delayMs: 50 },
    second: { kind: 'answer', delayMs: 150 },
  });
  const openai = new OpenAI(clientOptions(upstream.url, upstream.url));
  await ask(openai, { model: 'openpipe:warm-up' });

  const controller = new AbortController();
  const first = ask(openai, { model: 'openpipe:first', options: { signal: controller.signal } });
  const second = ask(openai, { model: 'openpipe:second' });
  // Both answers wait to be delivered together.
  blockEventLoop(700);
  controller.abort();

  expect((await first).error?.constructor).toBe(OpenAI.APIUserAbortError);
  expect((await second).text).toBe('Answered by upstream, with the model openpipe:second.');
});

/**
 * A call, and no turn of the event loop until the end of the block.
 * @param {(behaviours: Record<string, Behaviour>) => Promise<import('../../demo/upstream-process.mjs').ForkedUpstream>} serveElsewhere
 * @param {{ primary: Behaviour, asking: Asking }} what
 */
async function callAndBlock(serveElsewhere, { primary, asking }) {
  const upstream = await serveElsewhere({ [PRIMARY]: primary });
  const openai = new OpenAI(clientOptions(upstream.url, upstream.url));
  // The first call of a client reads its options, which takes turns of the event loop.
  await ask(openai, { model: 'openpipe:warm-up' });
  await upstream.reset();

  const startedAt = Date.now();
  const call = ask(openai, asking);
  blockEventLoop(BLOCKED_MS);
  const told = await call;
  return { told, startedAt, requests: await upstream.requests() };
}
