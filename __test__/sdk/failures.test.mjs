/** An error without a status is the one that the plain class throws, as far as the contract does not say otherwise. */

import { describe, expect } from 'vitest';

import { closedPort } from '../../demo/upstream.mjs';
import { MESSAGES, rejection } from '../support/calls.mjs';
import { test } from '../support/upstreams.mjs';
import { versions } from '../support/sdk-versions.mjs';

/** @import { Version } from '../support/sdk-versions.mjs' */

const REQUEST = { model: 'gpt-4o', messages: MESSAGES };

/**
 * What the plain class throws, and ours.
 * @param {Version} version @param {string} baseURL @param {(openai: any) => PromiseLike<unknown>} act
 */
async function thrownByBoth({ Plain, Ours }, baseURL, act) {
  const errors = [];
  for (const Client of [Plain, Ours]) {
    errors.push(await rejection(act(new Client({ apiKey: 'k', baseURL, maxRetries: 0, logLevel: 'off' }))));
  }
  return /** @type {[any, any]} */ (errors);
}

/** @param {any} error */
const shown = ({ constructor, name, message, status, headers, requestID, error, code, param, type }) =>
  ({ constructor, name, message, status, headers: headers && named(headers), requestID, error, code, param, type }); // prettier-ignore

/** But for the second that they were sent in. @param {Headers} headers */
const named = (headers) => Object.fromEntries([...headers].filter(([name]) => name !== 'date'));

for (const version of versions) {
  for (const stream of [false, true]) {
    const body = { ...REQUEST, stream };

    describe(`${version.title}: asked for a ${stream ? 'stream' : 'completion'}, the error`, () => {
      test('of a refused connection has its code where programs look for it', async () => {
        const url = `http://127.0.0.1:${await closedPort()}/v1`;
        const [theirs, ours] = await thrownByBoth(version, url, (openai) => openai.chat.completions.create(body));
        expect(shown(ours)).toEqual(shown(theirs));
        expect(theirs.cause.cause.code).toBe('ECONNREFUSED');
        expect([ours.cause.code, ours.cause.cause.code]).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
      });

      for (const kind of /** @type {const} */ (['reset', 'close'])) {
        test(`of a connection that ends (${kind}) has its code too`, async ({ serve }) => {
          const { url } = await serve({ kind });
          const [theirs, ours] = await thrownByBoth(version, url, (openai) => openai.chat.completions.create(body));
          expect(shown(ours)).toEqual(shown(theirs));
          expect(ours.cause.cause.code).toBe(theirs.cause.cause.code);
        });
      }

      test('of a timeout is the same', async ({ serve }) => {
        const { url } = await serve({ kind: 'silence' });
        const [theirs, ours] = await thrownByBoth(version, url, (openai) =>
          openai.chat.completions.create(body, { timeout: 150 }),
        );
        expect(shown(ours)).toEqual(shown(theirs));
      });

      const reason = new Error('changed my mind');
      /** @type {[string, () => AbortSignal][]} */
      const signals = [
        ['before the call', () => AbortSignal.abort(reason)],
        [
          'during the call',
          () => {
            const controller = new AbortController();
            setTimeout(() => controller.abort(reason), 100);
            return controller.signal;
          },
        ],
      ];
      for (const [when, signal] of signals) {
        test(`of an abort ${when} is the same, and so is its cause`, async ({ serve }) => {
          const { url } = await serve({ kind: 'silence' });
          const [theirs, ours] = await thrownByBoth(version, url, (openai) =>
            openai.chat.completions.create(body, { signal: signal() }),
          );
          expect(shown(ours)).toEqual(shown(theirs));
          expect(ours.cause).toBe(theirs.cause);
          expect(ours.cause).toBe(version.major < 7 ? undefined : reason);
          expect(Object.keys(ours)).toEqual(Object.keys(theirs));
        });
      }

      if (stream) {
        test('in an event is the same', async ({ serve }) => {
          const headers = { 'x-request-id': 'req_1' };
          const { url } = await serve({ kind: 'answer', headers, fault: { after: 2, how: 'error-event' } });
          const [theirs, ours] = await thrownByBoth(version, url, async (openai) => {
            for await (const _ of await openai.chat.completions.create(body));
          });
          expect(shown(ours)).toEqual(shown(theirs));
        });
      }
    });
  }
}
