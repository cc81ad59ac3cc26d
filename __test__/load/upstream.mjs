/**
 * The upstream of the load test and of the soak, in a process of its own: what the model's name says happens to a request
 * (demo/upstream/behaviour.mjs), and a good answer names the request that it is for. It keeps no log. Says its URL over IPC,
 * and what it has counted when it is asked; and lets go of idle connections when it is told to, so that the client's
 * descriptors can be counted.
 */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

import { behaviourOfModel } from '../../demo/upstream/behaviour.mjs';
import { perform } from '../../lib/testing/perform.js';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

/** @type {Behaviour} */
const TAKES_REPORT = { kind: 'status', status: 200, body: { json: { status: 'ok' } } };

const counted = { reports: 0, open: 0 };
/** Whose reports have come. One that took too long comes again. */
const reported = new Set();

/** @param {string} path @param {any} body @returns {Behaviour} */
function behaviourFor(path, body) {
  if (path.endsWith('/report')) {
    reported.add(body.reqPayload.user);
    counted.reports = reported.size;
    return TAKES_REPORT;
  }
  const behaviour = behaviourOfModel(body.model, {});
  return behaviour.kind === 'answer' ? { ...behaviour, content: `${body.user} by ${body.model}` } : behaviour;
}

// Node.js's own default. A shorter one runs out while this busy process has requests in its sockets that it has not read yet, and
// then resets them, after a time that depends on the machine.
const server = createServer({ keepAliveTimeout: 5_000 });
/** Connections without a request: under load a client opens more of them than it needs, and keeps them. */
const idle = new Set();
server.on('connection', (socket) => {
  idle.add(socket);
  // What a client does to its end of a connection is what this is about, not an error here.
  socket.on('error', () => {});
  socket.once('close', () => idle.delete(socket));
});
server.on('request', async (incoming, response) => {
  const leaving = new AbortController();
  const { socket } = incoming;
  counted.open += 1;
  idle.delete(socket);
  response.once('close', () => {
    counted.open -= 1;
    if (!socket.destroyed) idle.add(socket);
    leaving.abort();
  });
  try {
    const body = JSON.parse(await text(incoming));
    const request = /** @type {any} */ ({ body, path: incoming.url ?? '', eventsSent: 0 });
    const exchange = { request, response, socket, gone: leaving.signal, upstreamName: 'upstream' };
    await perform(behaviourFor(incoming.url ?? '', body), exchange);
  } catch (error) {
    // A client that leaves is no mistake; any other ends the process, and so the test.
    if (!leaving.signal.aborted && !incoming.errored) throw error;
  }
});
// Thousands connect at once.
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
await once(server, 'listening');

process.on('message', (asked) => {
  if (asked === 'let go') for (const socket of idle) socket.destroy();
  process.send?.(counted);
});
// The parent has closed this upstream or has ended.
process.on('disconnect', () => process.exit(0));
process.send?.({ url: `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/v1` });
