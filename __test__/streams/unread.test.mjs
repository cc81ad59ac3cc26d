/** Streams that are not being read: their buffered memory is bounded, for any kind of events (contract.md, section 5). */

import { once } from 'node:events';
import { createServer } from 'node:http';

import { expect, test } from 'vitest';

import { runProgram } from '../support/programs.mjs';

const MIB = 1024 * 1024;
const STREAMS = 20;
/** The window of a stream, in bytes of the core's count. */
const WINDOW = 256 * 1024;
/** Buffers of a connection, and what the allocators and the collector have not given back yet. */
const CONNECTION = MIB / 2;

const EVENTS = {
  tiny: 'data:{}\n\n',
  ordinary: `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content: 'word ' } }] })}\n\n`,
};
const END = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'a' }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`;

/** An upstream whose streams never end, but for the model `short`. @param {string} event */
async function endless(event) {
  const piece = event.repeat(Math.ceil((64 * 1024) / event.length));
  const server = createServer(async (req, res) => {
    let text = '';
    for await (const part of req) text += part;
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    if (text.includes('"short"')) return res.end(END);
    const more = () => {
      while (!res.destroyed && res.write(piece));
    };
    res.on('drain', more);
    more();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { server, url: `http://127.0.0.1:${port}/v1` };
}

test.each(['tiny', 'ordinary'])('an unread stream of %s events takes no more than four times its window', async (kind) => {
  const { server, url } = await endless(EVENTS[/** @type {keyof typeof EVENTS} */ (kind)]);
  const run = await runProgram('streams/programs/unread', [url, 'native', String(STREAMS)], { flags: ['--expose-gc'] });
  server.closeAllConnections();
  server.close();
  expect(run.code, run.stderr).toBe(0);
  expect(Number(run.stdout) / MIB).toBeLessThan((STREAMS * (4 * WINDOW + CONNECTION)) / MIB);
}); // prettier-ignore
