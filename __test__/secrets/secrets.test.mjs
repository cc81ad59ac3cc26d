/** No key is ever shown, and none goes to anybody but its own upstream (contract.md, sections 2 and 6). */

import { describe, expect } from 'vitest';

import { misbehaviours } from '../support/misbehaviours.mjs';
import { keysIn, KEYS } from './keys.mjs';
import { expectKept, keysSent, OWN, PRIMARY, test } from './world.mjs';

/** @import { OpenPipeOptions } from 'openpipe-native' */

const TRANSPORTS = /** @type {const} */ (['native', 'fetch']);

for (const transport of TRANSPORTS) {
  describe.concurrent(`by way of ${transport}`, () => {
    test('every key is sent to its own upstream', async ({ world }) => {
      const { tell, sentTo, reports } = await world({ openpipe: { transport, fallback: null } });
      const failing = await world({
        openpipe: { transport },
        does: { openpipe: 'refused', openai: { kind: 'reset' } },
      });
      await tell({ model: PRIMARY });
      expect(sentTo('openpipe')).toEqual(['openpipe', 'call']);
      await tell({ model: OWN });
      expect(sentTo('openai')).toEqual(['openai', 'default', 'call']);
      expect(keysSent(reports())).toEqual(['openpipe']);
    });

    for (const stream of [false, true]) {
      const what = stream ? 'a stream' : 'a completion';

      for (const [model, primary] of /** @type {const} */ ([
        [PRIMARY, 'openpipe'],
        [OWN, 'openai'],
      ])) {
        test(`${what} of ${primary} that is answered`, async ({ world }) => {
          const here = await world({ openpipe: { transport } });
          const { error } = await here.tell({ stream, model });
          expect(error).toBeUndefined();
          expectKept(here, primary);
        });
      }

      for (const { name, ...failing } of misbehaviours) {
        const { doing, timeout } = failing[stream ? 'stream' : 'completion'];
        test(`${what} of upstreams, each of which ${name}`, async ({ world }) => {
          const here = await world({
            openpipe: { transport },
            does: { openai: doing, openpipe: doing, custom: doing },
          });
          const told = await here.tell({ stream, model: PRIMARY, options: { timeout } });
          expect(told.error).toBeInstanceOf(Error);
          expect(told.info.attempts).toHaveLength(3);
          expectKept(here, 'openpipe');
        });
      }
    }
  });
}
