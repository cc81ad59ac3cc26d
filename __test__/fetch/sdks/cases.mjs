/** What every SDK goes through with `createFetch` below: each ability by the fallback, each fault unnoticed, the loop blocked, an abort. */

import { createFetch } from 'openpipe-native/fetch';
import { describe, expect } from 'vitest';

import { blockEventLoop, eventually, rejection } from '../../support/calls.mjs';
import { FALLBACK, test } from '../../support/upstreams.mjs';
import * as abilities from './abilities.mjs';
import * as faults from './faults.mjs';
import * as responses from './responses-api.mjs';

/** @import { OpenPipeFetch } from 'openpipe-native/fetch' */
/** @import { Behaviour } from '../../../demo/upstream.mjs' */
/** @import { Sdk } from './sdks.mjs' */

const PRIMARY = 'primary-model';
/** The first target's time, where it is silent. */
const TIMEOUT = 150;
const STREAM = /** @type {const} */ (['stream']);
const BOTH = /** @type {const} */ (['generate', 'stream']);
/** Far more than any call here takes. */
const PATIENCE = 30_000;

/**
 * @param {object} [more]
 * @returns {{ fetch: OpenPipeFetch, responses: any[] }} The responses that it gave.
 */
function watched(more) {
  /** @type {any[]} */
  const responses = [];
  const options = { timeout: TIMEOUT, fallback: { model: FALLBACK, timeout: PATIENCE }, maxRetries: 0, ...more };
  const own = createFetch({ ...options, logger: { warn: () => {} } });
  const fetch = async (/** @type {any} */ input, /** @type {any} */ init) => {
    const response = await own(input, init);
    responses.push(response);
    return response;
  };
  return { fetch: /** @type {any} */ (fetch), responses };
}

const { ABILITIES, EXPECTED } = abilities;
/** The answers and faults of each API. */
const APIS = { chat: { ANSWERS: abilities.ANSWERS, ...faults }, responses };

/** @param {Sdk} sdk @param {keyof typeof APIS} speaks */
export function describeSdk(sdk, speaks) {
  const { ANSWERS, FAULTS, LATE_FAULTS } = APIS[speaks];
  describe(sdk.name, () => {
    for (const ability of ABILITIES) {
      test(`is answered by the fallback: ${ability}`, async ({ serve }) => {
        const upstream = await serve((request) =>
          request.body.model === PRIMARY ? { kind: 'status', status: 500 } : ANSWERS[ability](request),
        );
        const { fetch, responses } = watched({ timeout: PATIENCE });
        expect(await sdk[ability]({ fetch, url: upstream.url, model: PRIMARY })).toEqual(EXPECTED[ability]);
        expect(responses.length).toBeGreaterThan(0);
        for (const { openpipe } of responses) expect(openpipe.servedBy).toBe('fallback');
      });
    }

    for (const { name, behaviour, outcome, onlyStreams } of FAULTS) {
      for (const ability of onlyStreams ? STREAM : BOTH) {
        test(`does not notice ${name} (${ability})`, async ({ serve }) => {
          const upstream = await serve((request) =>
            request.body.model === PRIMARY ? behaviour : ANSWERS[ability](request),
          );
          const { fetch, responses } = watched({ timeout: outcome === 'timeout' ? TIMEOUT : PATIENCE });
          expect(await sdk[ability]({ fetch, url: upstream.url, model: PRIMARY })).toBe(EXPECTED[ability]);
          expect(responses).toHaveLength(1);
          expect(responses[0].openpipe.attempts).toMatchObject([{ outcome }, { outcome: 'ok' }]);
        });
      }
    }

    for (const { name, behaviour } of LATE_FAULTS) {
      test(`gets an error where a stream ${name} after its content`, async ({ serve }) => {
        const upstream = await serve(behaviour);
        const { fetch } = watched({ timeout: PATIENCE, idleTimeout: TIMEOUT });
        await rejection(sdk.stream({ fetch, url: upstream.url, model: PRIMARY }));
        expect(upstream.requests).toHaveLength(1);
      });
    }

    test('gets the fallback’s answer while the event loop is blocked', async ({ serveElsewhere }) => {
      /** @type {Behaviour} */
      const silence = { kind: 'silence' };
      const answer = ANSWERS.generate(/** @type {any} */ ({ body: { model: FALLBACK } }));
      const upstream = await serveElsewhere({ [PRIMARY]: silence, [FALLBACK]: answer });
      const { fetch, responses } = watched();
      const sent = new Promise((resolve) => setTimeout(resolve, 50));
      const answered = sdk.generate({ fetch, url: upstream.url, model: PRIMARY });
      await sent;
      blockEventLoop(1_000); // the upstream’s process goes on, and so do the timeouts
      expect(await answered).toBe(EXPECTED.generate);
      const [first, second] = responses[0].openpipe.attempts;
      expect(second.startedAt - first.startedAt).toBeLessThan(TIMEOUT + 500);
      expect(second.startedAt - first.startedAt + second.durationMs).toBeLessThan(900);
    });

    for (const ability of BOTH) {
      test(`ends with its own signal, and starts no fallback (${ability})`, async ({ serve }) => {
        const upstream = await serve({ kind: 'silence' });
        const controller = new AbortController();
        const { fetch } = watched({ timeout: PATIENCE });
        const ended = sdk[ability]({ fetch, url: upstream.url, model: PRIMARY, signal: controller.signal }).then(
          () => 'quietly',
          () => 'with an error',
        );
        await upstream.arrival(1);
        const began = performance.now();
        controller.abort();
        await ended;
        expect(performance.now() - began).toBeLessThan(1_000);
        expect(await eventually(() => upstream.requests[0]?.outcome === 'broken off')).toBe(true);
        expect(upstream.requests).toHaveLength(1);
      });
    }
  });
}
