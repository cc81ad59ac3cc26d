/** `reportingFinished` settles, and never rejects (contract.md, section 7). */

import { describe, expect } from 'vitest';

import { MESSAGES, readAll } from '../support/calls.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { PRIMARY } from '../support/upstreams.mjs';
import { ends } from '../support/report-ends.mjs';
import { callToItsEnd, MODEL, TAKES, test } from '../support/reporting.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */
/** @import { Staging } from '../support/reporting.mjs' */

/** The limit for "at once" on a busy machine. A wait that times out takes five seconds. */
const MARGIN = 2_500;

/** A slow endpoint: a test that does not wait for it does not see its reports. @type {Behaviour} */
const SLOW = { ...TAKES, delayMs: 400 };

describe('reportingFinished settles when the report is delivered:', () => {
  for (const [name, body, staging] of ends) {
    test.concurrent(name, async ({ stageReports }) => {
      const { openai, openpipe, reports } = await stageReports({ ...staging, reports: SLOW });
      const info = await callToItsEnd(openai, body);
      const early = reports().length;
      expect(await info.reportingFinished).toBeUndefined();

      const outcomes = openpipe.requests.filter(({ path }) => path.endsWith('/report')).map(({ outcome }) => outcome);
      expect(early).toBe(0);
      expect(outcomes).toEqual(['answered']);
    });
  }

  test.concurrent('each of a call’s several reports', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({
      calls: { kind: 'status', status: 500 },
      reports: ({ body }) => (body.reqPayload.model === 'two' ? { ...TAKES, delayMs: 900 } : TAKES),
    });
    const info = await callToItsEnd(openai, { openpipe: { fallback: [{ model: 'two' }, { model: 'three' }] } });
    const started = performance.now();
    await info.reportingFinished;

    expect(performance.now() - started).toBeGreaterThan(600);
    expect(
      reports()
        .map(({ reqPayload }) => reqPayload.model)
        .sort(),
    ).toEqual([MODEL, 'three', 'two']);
  });
});

describe('reportingFinished settles', () => {
  test.concurrent('for every reader, however often and whenever it is read', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({ reports: SLOW });
    const { openpipe } = await openai.chat.completions.create({ model: MODEL, messages: MESSAGES });
    const early = [openpipe.reportingFinished, openpipe.reportingFinished, openpipe.reportingFinished];
    expect(await Promise.all(early)).toEqual([undefined, undefined, undefined]);
    expect(reports()).toHaveLength(1);
    expect(await Promise.all([openpipe.reportingFinished, openpipe.reportingFinished])).toEqual([undefined, undefined]);
  });

  test.concurrent('at the end of a stream, also for a reader that awaited it before', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({
      calls: { kind: 'answer', deltas: 4, paceMs: 100 },
      reports: SLOW,
    });
    const stream = await openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true });
    let settled = false;
    const finished = stream.openpipe.reportingFinished.then(() => (settled = true));
    await readAll(stream);
    expect(settled).toBe(false);
    await finished;
    expect(reports()).toHaveLength(1);
  });

  test.concurrent('when the reader leaves, also for a reader that awaited it before', async ({ stageReports }) => {
    const { openai, reports } = await stageReports({
      calls: { kind: 'answer', content: 'word '.repeat(500), deltas: 500, paceMs: 20 },
      reports: SLOW,
    });
    const stream = await openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true });
    const finished = stream.openpipe.reportingFinished;
    for await (const _ of stream) break;
    await finished;
    expect(reports()).toHaveLength(1);
  });

  for (const [name, body, staging] of /** @type {[string, any, Staging?][]} */ ([
    ['of what OpenPipe served', { model: PRIMARY }],
    ['of a stream that OpenPipe served', { model: PRIMARY, stream: true }],
    ['of a call with `logRequest: false`', { openpipe: { logRequest: false } }],
    ['of an error that is not to be logged', { model: PRIMARY }, { openpipeCalls: { kind: 'status', status: 400 } }],
  ])) {
    test.concurrent(`at once where there is nothing to report: ${name}`, async ({ stageReports }) => {
      const { openai } = await stageReports({ ...staging, reports: { kind: 'silence' } });
      const info = await callToItsEnd(openai, body);
      const started = performance.now();
      expect(await info.reportingFinished).toBeUndefined();
      expect(performance.now() - started).toBeLessThan(MARGIN);
    });
  }

  test.concurrent('at once where the report is refused', async ({ stageReports }) => {
    const { logger, warnings } = listeningLogger();
    const { openai, reports } = await stageReports({ reports: { kind: 'status', status: 401 }, logger });
    const info = await callToItsEnd(openai);
    const started = performance.now();
    expect(await info.reportingFinished).toBeUndefined();

    expect(performance.now() - started).toBeLessThan(MARGIN);
    expect(reports()).toHaveLength(1);
    expect(warnings.every((warning) => !/sk-|opk-/.test(warning))).toBe(true);
  });
});
