/** A client whose primary always fails, so that a wrapper gets the fallback's answers. */

import { MESSAGES } from './calls.mjs';
import { FALLBACK, PRIMARY, test as base } from './upstreams.mjs';

/** @import OpenAI from 'openpipe-native' */
/** @import { Doing, Stage } from './upstreams.mjs' */
/** @import { ClientOptions } from 'openpipe-native' */

export const REQUEST = { model: PRIMARY, messages: MESSAGES };
export const TEXT = `Answered by the fallback, with the model ${FALLBACK}.`;
export const FAILING = /** @type {const} */ ({ kind: 'status', status: 500 });

/** The time limit of `expect.poll`, enough for slow machines. */
export const PATIENT = { timeout: 15_000 };

/** @type {import('vitest').TestAPI<import('./upstreams.mjs').Fixtures & { fallingBack: (staging?: { fallback?: Doing, primary?: Doing } & ClientOptions) => Promise<Stage> }>} */
export const test = /** @type {any} */ (
  base.extend({
    fallingBack: async (/** @type {import('./upstreams.mjs').Fixtures} */ { stage }, /** @type {any} */ use) => {
      await use((/** @type {any} */ { openpipe, ...more } = {}) =>
        stage({ primary: FAILING, ...more, openpipe: { fallback: { model: FALLBACK }, ...openpipe } }),
      );
    },
  })
);

/** Reads a stream to its end. @param {AsyncIterable<any>} stream */
export async function textOfStream(stream) {
  let text = '';
  // langsmith removes the delta of the last chunk.
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
  return text;
}
