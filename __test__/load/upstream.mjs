/**
 * The upstream of the load test and of the soak, in a process of its own: what the model's name says happens to a request
 * (demo/upstream/behaviour.mjs), and a good answer names the request that it is for. It keeps no log, and lets go of idle
 * connections soon, so that the client's descriptors can be counted. Says its URL over IPC, and what it has counted when
 * it is asked.
 */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

import { behaviourOfModel } from '../../demo/upstream/behaviour.mjs';
import { perform } from '../../demo/upstream/perform.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

/** @type {Behaviour} */
const TAKES_REPORT = { kind: 'status', status: 200, body: { json: { status: 'ok' } } };

const counted = { reports: 0, open: 0 };

/** @param {string} path @param {any} body @returns {Behaviour} */
function behaviourFor(path, body) {
  if (path.endsWith('/report')) {
    counted.reports += 1;
    return TAKES_REPORT;
  }
  const behaviour = behaviourOfModel(body.model, {});
  return behaviour.kind === 'answer' ? { ...behaviour, content: `${body.user} by ${body.model}` } : behaviour;
}

const server = createServer({
  keepAliveTimeout: 1_000,
  // A connection that never brought a request goes as well: under load a client opens more of them than it needs.
  headersTimeout: 3_000,
  connectionsCheckingInterval: 1_000,
});
server.on('connection', (socket) => {
  // What a client does to its end of a connection is what this is about, not an error here.
  socket.on('error', () => {});
});
server.on('request', async (incoming, response) => {
  const leaving = new AbortController();
  counted.open += 1;
  response.once('close', () => {
    counted.open -= 1;
    leaving.abort();
  });
  const { socket } = incoming;
  try {
    const body = JSON.parse(await text(incoming));
    const request = /** @type {any} */ ({ body, eventsSent: 0 });
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

process.on('message', () => process.send?.(counted));
// The parent closed us, or has gone in whatever way: nobody is left to serve.
process.on('disconnect', () => process.exit(0));
process.send?.({ url: `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/v1` });
