/** Large streams, and readers that are slow or leave. */

import v8 from 'node:v8';
import vm from 'node:vm';
import { fork } from 'node:child_process';
import { once } from 'node:events';

import { describe, expect, test, vi } from 'vitest';

import { ask, MESSAGES } from '../support/calls.mjs';
import { goesOn, largeStreams, offersMuch, splits, SPLIT_STREAM, SPLIT_TEXT } from './catalogue/sequences.mjs';
import { connectionFaults } from './catalogue/connections.mjs';
import { newKey, PRIMARY, scene, useFaultServer, VIAS } from './upstreams.mjs';

/** @import { Via } from './upstreams.mjs' */

vi.setConfig({ maxConcurrency: 16, testTimeout: 60_000 });
const server = useFaultServer();
const MB = 1024 * 1024;

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc');

/** An endless stream of an upstream, after its first content. @param {Via} via @param {string} key @param {AbortSignal} [signal] */
async function openStream(via, key, signal) {
  const { openai, asking } = scene(server, goesOn, key, { via, stream: true, followed: true });
  const request = {
    model: PRIMARY,
    messages: MESSAGES,
    stream: /** @type {const} */ (true),
    openpipe: asking.openpipe,
  };
  return openai.chat.completions.create(request, { ...asking.options, signal });
}

for (const via of VIAS) {
  describe.concurrent(`a large stream (${via}) arrives`, () => {
    for (const fault of largeStreams.filter(({ notJs }) => via === 'native' || !notJs)) {
      test(`from an upstream that ${fault.name}`, async () => {
        const { openai, asking } = scene(server, fault, newKey('large'), { via, stream: true, followed: false });
        // Time for all of it, on any machine.
        const options = { ...asking.options, timeout: 50_000 };
        const told = await ask(openai, { ...asking, options, openpipe: patient(asking.openpipe) });
        expect(told.error).toBeUndefined();
        expect(told.text.length).toBe(fault.name.includes('4 MB') ? 4 * MB : Number(/\d+/.exec(fault.name)?.[0]));
      });
    }
  });

  test(`a stream (${via}) has the same content, wherever it is split`, async () => {
    const { openai, asking } = scene(server, splits, newKey('split'), { via, stream: true, followed: false });
    const places = Array.from({ length: SPLIT_STREAM.length - 1 }, (_, index) => index + 1);
    for (let from = 0; from < places.length; from += 20) {
      const answers = await Promise.all(
        places.slice(from, from + 20).map((at) => {
          const fallback = [asking.openpipe?.fallback ?? []].flat().map((target) => ({ .../** @type {any} */ (target), model: `split-${at}` })); // prettier-ignore
          return ask(openai, { ...asking, model: `${PRIMARY}-${at}`, openpipe: { fallback } });
        }),
      );
      expect(answers.map(({ text, error }) => [text, error])).toEqual(answers.map(() => [SPLIT_TEXT, undefined]));
    }
  });

  describe.concurrent(`the upstream's connection is closed when the reader of a stream (${via})`, () => {
    test('breaks', async () => {
      const key = newKey('break');
      for await (const chunk of await openStream(via, key)) if (chunk.choices[0]?.delta.content) break;
      expect(await server.closed(key, goesOn.name)).toBe(true);
    });

    test('throws', async () => {
      const key = newKey('throw');
      const reading = async () => {
        for await (const _ of await openStream(via, key)) throw new RangeError('enough');
      };
      await expect(reading()).rejects.toThrow(RangeError);
      expect(await server.closed(key, goesOn.name)).toBe(true);
    });

    test('aborts by the controller', async () => {
      const key = newKey('controller');
      const stream = await openStream(via, key);
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content) stream.controller.abort();
      expect(await server.closed(key, goesOn.name)).toBe(true);
    });

    test('aborts by the signal', async () => {
      const key = newKey('signal');
      const controller = new AbortController();
      const stream = await openStream(via, key, controller.signal);
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content) controller.abort();
      expect(await server.closed(key, goesOn.name)).toBe(true);
    });

    test('aborts by the signal before the first event is read', async () => {
      const key = newKey('early');
      const controller = new AbortController();
      await openStream(via, key, controller.signal);
      controller.abort();
      expect(await server.closed(key, goesOn.name)).toBe(true);
    });

    test('drops it, read or not', async () => {
      for (const isRead of [false, true]) {
        const key = newKey('dropped');
        await (async () => {
          const stream = await openStream(via, key);
          if (isRead) await stream[Symbol.asyncIterator]().next();
        })();
        let closed = false;
        for (let round = 0; round < 50 && !closed; round += 1) {
          collectGarbage();
          closed = await server.closed(key, goesOn.name, 200);
        }
        expect(closed).toBe(true);
      }
    });
  });

  test(`a reader of a stream (${via}) who stops keeps little of it in memory`, async () => {
    const key = newKey('much');
    const program = new URL('./programs/slow-reader.mjs', import.meta.url);
    const child = fork(program, [via, server.url(offersMuch, key)], { execArgv: [], silent: true });
    const [[grown], [code]] = await Promise.all([once(child, 'message'), once(child, 'exit')]);

    expect(code).toBe(0);
    expect(grown / MB).toBeLessThan(150);
    expect(await server.closed(key, offersMuch.name)).toBe(true);
    const [request] = await server.requests(key);
    expect((request?.written ?? Infinity) / MB).toBeLessThan(150);
  });
}

describe.concurrent('an abort before the answer closes the connection', () => {
  const stalls = connectionFaults.filter(({ name }) => /^(never answers|stalls within (the head|its body))/.test(name));
  for (const via of VIAS) {
    for (const stream of [false, true]) {
      test.each(stalls)(`of an upstream that $name (${via}, ${stream ? 'stream' : 'completion'})`, async (fault) => {
        const key = newKey('aborted');
        const { openai, asking } = scene(server, { ...fault, timeout: undefined }, key, {
          via,
          stream,
          followed: true,
        });
        const controller = new AbortController();
        const call = ask(openai, { ...asking, options: { ...asking.options, signal: controller.signal } });
        while ((await server.requests(key)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        controller.abort();

        const { error } = await call;
        expect(error?.constructor.name).toBe('APIUserAbortError');
        expect(await server.closed(key, fault.name)).toBe(true);
        expect((await server.requests(key)).map((request) => request.fault)).toEqual([fault.name]);
      });
    }
  }
});

/** @param {import('openpipe-native').OpenPipeCallOptions | undefined} openpipe @returns {any} */
function patient(openpipe) {
  return {
    fallback: [openpipe?.fallback ?? []].flat().map((target) => ({ .../** @type {any} */ (target), timeout: 50_000 })),
  };
}
