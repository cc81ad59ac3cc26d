/** Answers that are unusual but valid: the caller gets them whole and once, and no other target is called. */

import { describe, expect, test, vi } from 'vitest';

import { ask } from '../support/calls.mjs';
import { oddities } from './catalogue/oddities.mjs';
import { expectHealthy } from './matrix.mjs';
import { newKey, scene, useFaultServer, VIAS } from './upstreams.mjs';

vi.setConfig({ maxConcurrency: 16 });
const server = useFaultServer();

for (const mode of /** @type {const} */ (['completion', 'stream'])) {
  for (const via of VIAS) {
    describe.concurrent(`a ${mode} (${via}) is answered by an upstream that`, () => {
      for (const oddity of oddities.filter((each) => each[mode] && (via === 'native' || !each.notJs))) {
        test(oddity.name, async () => {
          const key = newKey('odd');
          const { openai, asking, at } = scene(server, { name: oddity.name }, key, {
            via,
            stream: mode === 'stream',
            followed: true,
          });
          const told = await ask(openai, asking);

          expectHealthy(told, key, mode === 'stream');
          expect(told.info.attempts[at]).toMatchObject({ outcome: 'ok', tries: 1 });
          expect(told.info.attempts).toHaveLength(at + 1);
          // The connection is reused or closed; leftover bytes on it are never read as an answer.
          const again = await ask(openai, asking);
          expectHealthy(again, key, mode === 'stream');
          expect(again.info.attempts).toHaveLength(at + 1);
        });
      }
    });
  }
}
