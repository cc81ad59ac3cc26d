/** Each endpoint in a separate process: calls do not keep it alive after their end, and answers take bounded memory. */

import { describe, expect } from 'vitest';

import { ENDPOINTS } from '../support/endpoints.mjs';
import { runProgram } from '../support/programs.mjs';
import { eventsOf, GOOD_TEXT, goodAnswer } from '../support/shapes.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { LoggedRequest } from '../../demo/upstream.mjs' */

/** What a busy machine may take to end a process. */
const EXIT_MS = 4_000;
const MB = 1024 * 1024;

/** @param {LoggedRequest} request @returns {any} */
function byModel(request) {
  const { model } = request.body;
  if (model === 'failing') return { kind: 'status', status: 500 };
  if (model === 'silent') return { kind: 'silence' };
  if (model === 'open') return { kind: 'sse', sse: eventsOf(request.path, model, GOOD_TEXT).slice(0, 3), then: 'hang' };
  return goodAnswer(request);
}

describe.concurrent('a process ends by itself after calls of', () => {
  for (const endpoint of Object.keys(ENDPOINTS)) {
    test(endpoint, async ({ serve }) => {
      const upstream = await serve(byModel);
      const { exitedAt, stdout, ...ended } = await runProgram('process/programs/endpoints', [endpoint, upstream.url]);

      expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
      expect(exitedAt - Number(/^done at (\d+)\n$/.exec(stdout)?.[1])).toBeLessThan(EXIT_MS);
    });
  }
});

test('vectors as long as `maxResponseBytes` allows take at most four times as much memory', async ({ serve }) => {
  const numbers = 1024;
  const vector = Array.from({ length: numbers }, (_, index) => ((index - 512) / 12_345).toFixed(12)).join(',');
  const upstream = await serve(({ body }) => {
    const inputs = [body.input].flat();
    const data = inputs.map((_, index) => `{"object":"embedding","index":${index},"embedding":[${vector}]}`);
    return { kind: 'status', status: 200, body: { bytes: `{"object":"list","data":[${data.join(',')}]}` } };
  });
  const inputs = 1_000;
  const bytes = inputs * (vector.length + 60);
  const { stdout } = await runProgram('process/programs/vectors', [upstream.url, String(inputs), String(bytes)]);
  const { grown, ...told } = JSON.parse(stdout);

  expect(told).toEqual({ vectors: inputs, numbers });
  expect(bytes).toBeGreaterThan(14 * MB);
  expect(grown).toBeLessThan(4 * bytes);
  // A build without optimisation takes long to read so many numbers.
}, 60_000);
