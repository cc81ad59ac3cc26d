/** A report endpoint that accepts no report delays no call (contract.md, section 7). */

import { describe, expect } from 'vitest';

import { ends } from '../support/report-ends.mjs';
import { callToItsEnd, NOWHERE, test } from '../support/reporting.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */
/** @import { Staging } from '../support/reporting.mjs' */

/** After so long `reportingFinished` is settled, delivered or not. */
const PATIENCE = 5_000;
/** The least that a call would take that waited for its report. */
const IF_IT_WAITED = PATIENCE - 500;
/** A try without an answer takes twice the patience: so long would take what waited for one. */
const IF_IT_TRIED = 2 * PATIENCE;

/** @type {[string, Behaviour | 'refused'][]} */
const endpoints = [
  ['is unreachable', 'refused'],
  ['resets every connection', { kind: 'reset' }],
  ['is broken', { kind: 'status', status: 500 }],
  ['asks for a pause', { kind: 'status', status: 429, headers: { 'retry-after': '20' } }],
  ['never answers', { kind: 'silence' }],
  ['answers by half', { kind: 'stall-body' }],
  ['speaks no HTTP', { kind: 'garbage' }],
];

/** @param {Behaviour | 'refused'} does @returns {Staging} */
function staging(does) {
  const quiet = /** @type {const} */ ({ logLevel: 'off' });
  // If OpenPipe does not listen, the primary fails too; the fallback is reported nevertheless.
  if (does === 'refused') return { ...quiet, openpipe: { baseUrl: NOWHERE } };
  return { ...quiet, reports: does };
}

// All at once, and before the others: a report that finds every place on the way taken by those of another would not be tried.
test('reportingFinished settles after five seconds', async ({ stageReports }) => {
  const cases = endpoints.flatMap(([endpoint, does]) => ends.map((end) => ({ endpoint, does, end })));
  const waits = await Promise.all(
    cases.map(async ({ endpoint, does, end: [end, body, more] }) => {
      const { openai } = await stageReports({ ...more, ...staging(does) });
      const started = performance.now();
      const info = await callToItsEnd(openai, body);
      const answered = performance.now();
      const settled = await info.reportingFinished.then(
        (/** @type {unknown} */ value) => ({ value }),
        (/** @type {unknown} */ error) => ({ error }),
      );
      const finished = performance.now();
      return { endpoint, end, settled, call: answered - started, all: finished - started, wait: finished - answered };
    }),
  );

  expect(waits).toHaveLength(endpoints.length * ends.length);
  for (const { endpoint, end, settled, call, all, wait } of waits) {
    const which = `${end}, where the endpoint ${endpoint}`;
    expect(settled, which).toEqual({ value: undefined });
    expect(call, which).toBeLessThan(IF_IT_WAITED);
    // The call was over some time before this busy thread heard of it.
    expect(all, which).toBeGreaterThan(PATIENCE - 100);
    expect(wait, which).toBeLessThan(IF_IT_TRIED);
  }
});

describe('calls are not slowed down where the endpoint', () => {
  for (const [endpoint, does] of endpoints) {
    test(endpoint, async ({ stageReports }) => {
      const { openai } = await stageReports(staging(does));
      const started = performance.now();
      for (let turn = 0; turn < 40; turn += 1) await callToItsEnd(openai, { stream: turn % 2 === 0 });
      // One that waited for its report, or for room in a queue, would alone take longer than all of them may.
      expect(performance.now() - started).toBeLessThan(IF_IT_WAITED);
    });
  }
});
