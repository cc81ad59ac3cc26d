/** A local substitute for the service of a tracing package: records the requests. */

import { once } from 'node:events';
import { createServer } from 'node:http';

/** @typedef {{ method: string, path: string, body: any }} Received */

/** @returns {Promise<{ url: string, received: Received[], close(): Promise<void> }>} */
export async function startRecorder() {
  /** @type {Received[]} */
  const received = [];
  const server = createServer(async (incoming, response) => {
    /** @type {Buffer[]} */
    const parts = [];
    for await (const part of incoming) parts.push(part);
    const text = Buffer.concat(parts).toString();
    received.push({
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      body: text ? JSON.parse(text) : undefined,
    });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"successes":[],"errors":[]}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
