/** A process that was stopped, past all its timeouts, and goes on (contract.md, section 4). */

import { once } from 'node:events';
import { createServer } from 'node:http';

import { describe, expect, test } from 'vitest';

import { runProgram } from '../support/programs.mjs';

/** @param {unknown} value */
const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
/** @param {string} content @param {string | null} [reason] */
const chunk = (content, reason = null) =>
  event({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: reason }] });

/** How each request begins to be answered before the stop, and goes on during it. */
const ANSWERS = {
  json: {
    begin: '',
    rest: JSON.stringify({
      id: 'c',
      choices: [{ index: 0, message: { role: 'assistant', content: 'whole' }, finish_reason: 'stop' }],
    }),
  },
  sse: { begin: chunk('who'), rest: `${chunk('le')}${chunk('', 'stop')}data: [DONE]\n\n` },
};

/** An upstream that sends the first half of an answer, and the second half when the test asks for it. */
async function halting(/** @type {number} */ expected) {
  /** @type {(() => void)[]} */
  const rests = [];
  /** @type {string[]} */
  const models = [];
  const server = createServer(async (req, res) => {
    let text = '';
    for await (const part of req) text += part;
    const { model, stream } = JSON.parse(text);
    models.push(model);
    const { begin, rest } = stream ? ANSWERS.sse : ANSWERS.json;
    res.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
    res.flushHeaders();
    if (begin) res.write(begin);
    rests.push(() => res.end(rest));
    if (rests.length === expected) server.emit('all');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { server, models, rests, url: `http://127.0.0.1:${port}/v1`, all: once(server, 'all') };
}

describe.concurrent('data that arrived while the process was stopped is read before a deadline is enforced', () => {
  test.each(['native', 'fetch'])('(%s)', async (transport) => {
    const upstream = await halting(4);
    /** @type {import('node:child_process').ChildProcess | undefined} */
    let child;
    const run = runProgram('process/programs/stopped', [upstream.url, transport], { started: (it) => (child = it) });
    await upstream.all;
    // The beginning of the streams has been read when the process stops: it is silence that they could die of.
    await new Promise((resolve) => setTimeout(resolve, 150));
    child?.kill('SIGSTOP');
    for (const rest of upstream.rests) rest();
    await new Promise((resolve) => setTimeout(resolve, 1_800));
    child?.kill('SIGCONT');

    const { stdout, stderr } = await run;
    upstream.server.close();
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(Array(4).fill('whole'));
    expect(upstream.models).not.toContain('fallback');
  });
});
