/** Faults from one request to the next, and in requests of some megabytes. */

import { describe, expect, test, vi } from 'vitest';

import { ask } from '../support/calls.mjs';
import { OPENAI_KEY } from '../support/keys.mjs';
import { connectionFaults } from './catalogue/connections.mjs';
import { goesSilent, keptAlive, redirects, unasked, uploads } from './catalogue/sequences.mjs';
import { expectHealthy } from './matrix.mjs';
import { newKey, scene, useFaultServer, VIAS } from './upstreams.mjs';

vi.setConfig({ maxConcurrency: 16 });
const server = useFaultServer();
const MODES = /** @type {const} */ (['completion', 'stream']);
const CALLS = 4;

for (const mode of MODES) {
  const stream = mode === 'stream';
  for (const via of VIAS) {
    describe.concurrent(`a ${mode} (${via}) gets its own answer, each time, of an upstream that`, () => {
      for (const fault of keptAlive) {
        test(fault.name, async () => {
          const key = newKey('kept');
          const { openai, asking } = scene(server, await server.apart(fault), key, { via, stream, followed: true });
          for (let call = 0; call < CALLS; call += 1) {
            expectHealthy(await ask(openai, asking), key, stream);
            // Some calls come before the connection is spoilt, some after.
            if (call % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 80));
          }
        });
      }
    });
  }

  describe.concurrent(`a ${mode} (native) is answered by its primary, each time, of an upstream that`, () => {
    for (const fault of keptAlive) {
      test(fault.name, async () => {
        const key = newKey('kept');
        const { openai, asking } = scene(server, await server.apart(fault), key, {
          via: 'native',
          stream,
          followed: true,
        });
        for (let call = 0; call < CALLS; call += 1) {
          const told = await ask(openai, asking);
          expect(told.info.attempts).toMatchObject([{ outcome: 'ok', tries: 1 }]);
        }
      });
    }
  });

  // Not of other clients: what `fetch` makes of such a connection is its own affair.
  describe.concurrent(`a ${mode} (native) is not answered by unsolicited bytes of an upstream that`, () => {
    for (const fault of unasked) {
      test(fault.name, async () => {
        const key = newKey('unasked');
        const { openai, asking } = scene(server, await server.apart(fault), key, {
          via: 'native',
          stream,
          followed: true,
        });
        for (let call = 0; call < CALLS; call += 1) {
          const told = await ask(openai, asking);
          expectHealthy(told, key, stream);
          expect(told.info.attempts).toMatchObject([{ outcome: 'ok', tries: 1 }]);
          // Such a connection is given up.
          expect(await server.closed(key, fault.name)).toBe(true);
        }
      });
    }
  });

  describe.concurrent(`a ${mode} on a kept-alive connection that falls silent`, () => {
    for (const via of VIAS) {
      test(`is answered by the next target (${via})`, async () => {
        const key = newKey('silent');
        const { openai, asking, at } = scene(server, await server.apart(goesSilent), key, {
          via,
          stream,
          followed: true,
        });
        expectHealthy(await ask(openai, asking), key, stream);
        const time = { ...asking.options, timeout: 1_000 };
        const fallback = [asking.openpipe?.fallback ?? []].flat().map((target, index) => (index === 0 && at === 1 ? { ...target, timeout: 1_000 } : target)); // prettier-ignore
        const again = () =>
          ask(openai, { ...asking, openpipe: { fallback: /** @type {any} */ (fallback) }, options: time });
        let told = await again();
        // `fetch` may open another connection while the one that has served is not back in its pool: then it is asked once more.
        for (let turn = 0; turn < 10 && via !== 'native' && told.info.attempts.length === at + 1; turn += 1) {
          told = await again();
        }

        expectHealthy(told, key, stream);
        expect(told.info.attempts.slice(at).map(({ outcome }) => outcome)).toEqual(['timeout', 'ok']);
        // Nobody gets that connection again. `fetch` may have opened more of them, each of which goes silent once.
        let after = via === 'native' ? await ask(openai, asking) : await again();
        for (let turn = 0; turn < 10 && via !== 'native' && after.info.attempts[at]?.outcome !== 'ok'; turn += 1) {
          after = await again();
        }
        expect(after.info.attempts[at]).toMatchObject({ outcome: 'ok', tries: 1 });
      });
    }
  });
}

describe.concurrent('a request of 5 MB is answered by the next target', () => {
  const messages = [{ role: 'user', content: 'x'.repeat(5_000_000) }];
  for (const via of VIAS) {
    for (const fault of uploads) {
      test(`after an upstream that ${fault.name} (${via})`, async () => {
        const key = newKey('upload');
        const { openai, asking, at } = scene(server, await server.apart(fault), key, {
          via,
          stream: false,
          followed: true,
        });
        const told = await ask(openai, { ...asking, body: { messages } });

        expectHealthy(told, key, false);
        expect(fault.kinds).toContain(told.info.attempts[at]?.outcome);
        const requests = await server.requests(key);
        expect(requests.filter((request) => request.fault === 'is healthy').map(({ bodyBytes }) => bodyBytes > 5_000_000)).toEqual([true]); // prettier-ignore
      });
    }
  }
});

describe.concurrent('a redirect to another origin takes no key along', () => {
  for (const via of VIAS) {
    for (const fault of redirects) {
      test(`from an upstream that ${fault.name} (${via})`, async () => {
        const key = newKey('elsewhere');
        const { openai, asking, at } = scene(server, fault, key, { via, stream: false, followed: true });
        const told = await ask(openai, asking);

        expectHealthy(told, key, false);
        const elsewhere = (await server.requests(key)).filter((request) => request.fault === 'elsewhere');
        // A custom client follows redirects by its own rules.
        if (via === 'native') {
          expect(elsewhere).toEqual([]);
          expect(told.info.attempts[at]).toMatchObject({ outcome: 'invalid_response', tries: 1 });
        }
        for (const { headers } of elsewhere) expect(headers.authorization).toBeUndefined();
        expect(JSON.stringify(elsewhere)).not.toContain(OPENAI_KEY);
      });
    }
  }
});

describe.concurrent('the connection of a target that timed out is closed', () => {
  const stalls = connectionFaults.filter(({ name }) => /^(never|stalls|sends its)/.test(name));
  for (const mode of MODES) {
    for (const via of VIAS) {
      test.each(stalls)(`where an upstream $name, in a ${mode} (${via})`, async (fault) => {
        const key = newKey('let-go');
        const { openai, asking, at } = scene(server, { ...fault, timeout: 1_500 }, key, { via, stream: mode === 'stream', followed: true }); // prettier-ignore
        const told = await ask(openai, asking);
        expect(told.info.attempts[at]?.outcome).toBe('timeout');
        expect(await server.closed(key, fault.name)).toBe(true);
      });
    }
  }
});
