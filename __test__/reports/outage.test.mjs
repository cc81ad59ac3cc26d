/** Reports of an outage arrive when it is over, each exactly once (contract.md, section 7). */

import OpenAI from 'openpipe-native';
import { expect } from 'vitest';

import { closedPort } from '../../demo/upstream.mjs';
import { MESSAGES } from '../support/calls.mjs';
import { clientOptions, test } from '../support/upstreams.mjs';
import { MODEL, reportsAt, TAKES } from '../support/reporting.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

/**
 * So few that the endpoint, in this process as well, answers each try in its ten seconds on any machine: what has no answer by
 * then is rightly sent again. That thousands arrive once is proved in the core, where the time is paused.
 */
const CALLS = 300;
const OUTAGE_MS = 1_000;
/** An address of this machine where no other test listens, so that a port which was free stays free. */
const HOST = '127.0.0.2';

/** In what way the endpoint is out, for the first second. @type {[string, Behaviour | 'refused'][]} */
const outages = [
  ['nobody listens', 'refused'],
  ['it breaks every connection', { kind: 'close' }],
  ['it is overloaded', { kind: 'status', status: 503, body: 'html' }],
];

for (const [name, does] of outages) {
  test(`${CALLS} calls while ${name}`, async ({ serve }) => {
    const upstream = await serve();
    const port = await closedPort(HOST);
    const options = clientOptions(`http://${HOST}:${port}/v1`, upstream.url, { openpipe: { logRequest: true } });
    const openai = new OpenAI(options);
    const { delivered, dropped } = await openai.flush();

    const began = performance.now();
    const isOut = () => performance.now() - began < OUTAGE_MS;
    let refusals = 0;
    const endpoint = async () => {
      if (does === 'refused') await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
      const behaviour = () => {
        if (!isOut() || does === 'refused') return TAKES;
        refusals += 1;
        return does;
      };
      return serve(behaviour, { host: HOST, port });
    };
    const started = endpoint();
    await Promise.all(Array.from({ length: 50 }, (_, lane) => callAgainAndAgain(openai, lane, 50)));
    const { requests } = await started;
    expect(await openai.flush({ timeout: 30_000 })).toEqual({ delivered: delivered + CALLS, dropped, pending: 0 });

    const failed = refusals;
    if (does !== 'refused') expect(failed).toBeGreaterThan(0);
    const markers = reportsAt({ requests: requests.slice(failed) }).map(({ reqPayload }) => reqPayload.user);
    expect(markers).toHaveLength(CALLS);
    expect(new Set(markers).size).toBe(CALLS);
  }, 40_000);
}

/** The calls of one lane, each with a unique marker. @param {OpenAI} openai @param {number} lane @param {number} lanes */
async function callAgainAndAgain(openai, lane, lanes) {
  for (let number = lane; number < CALLS; number += lanes) {
    const { choices } = await openai.chat.completions.create({
      model: MODEL,
      messages: MESSAGES,
      user: `call ${number}`,
    });
    expect(choices).toHaveLength(1);
  }
}
