/** `observeOpenAI` of langfuse: a Proxy around the client and around every object that is reached through it. */

import { observeOpenAI } from 'langfuse';
import { afterAll, describe, expect } from 'vitest';

import { rejection } from '../support/calls.mjs';
import { startRecorder } from '../support/recorder.mjs';
import { FAILING, REQUEST, test as base, TEXT, textOfStream, PATIENT } from '../support/through-fallback.mjs';

/** @type {import('vitest').TestAPI<any>} */
const test = base.extend({
  observed: async (/** @type {any} */ { fallingBack }, /** @type {any} */ use) => {
    const recorder = await recording;
    recorder.received.length = 0;
    await use(async (/** @type {any} */ staging) => {
      const staged = await fallingBack(staging);
      const clientInitParams = { publicKey: 'pk', secretKey: 'sk', baseUrl: recorder.url };
      const openai = /** @type {any} */ (observeOpenAI(staged.openai, { clientInitParams }));
      const recorded = async () => {
        /** @type {any} */
        let last;
        await expect
          .poll(async () => {
            await openai.flushAsync();
            const events = recorder.received.flatMap(({ body }) => body?.batch ?? []);
            last = events.filter(({ type }) => type.startsWith('generation-')).map(({ body }) => body);
            return last.some((/** @type {any} */ { endTime }) => endTime);
          }, PATIENT)
          .toBe(true);
        return Object.assign({}, ...last);
      };
      return { ...staged, openai, recorded };
    });
  },
});

// The package has one client for the whole process, of the first call's settings.
const recording = startRecorder();
afterAll(async () => (await recording).close());

describe('a client observed by langfuse', () => {
  test('gives a completion of the fallback, and records it', async ({ observed }) => {
    const { openai, recorded } = await observed();
    const completion = await openai.chat.completions.create(REQUEST);
    expect(completion.choices[0].message.content).toBe(TEXT);
    expect(completion.openpipe.servedBy).toBe('fallback');
    const generation = await recorded();
    expect(generation.output).toMatchObject({ role: 'assistant', content: TEXT });
    expect(generation.usageDetails.total).toBeGreaterThan(0);
  });

  test('gives a stream of the fallback, and records all of it', async ({ observed }) => {
    const { openai, recorded } = await observed();
    const stream = await openai.chat.completions.create({ ...REQUEST, stream: true });
    expect(await textOfStream(stream)).toBe(TEXT);
    expect((await recorded()).output).toBe(TEXT);
  });

  test('throws the last error of all, and records it', async ({ observed }) => {
    const { openai, recorded } = await observed({ fallback: FAILING, maxRetries: 0 });
    const error = await rejection(openai.chat.completions.create(REQUEST));
    expect(error).toMatchObject({ status: 500, openpipe: { attempts: [{ status: 500 }, { status: 500 }] } });
    expect(await recorded()).toMatchObject({ level: 'ERROR', statusMessage: expect.stringContaining('500') });
  });
});
