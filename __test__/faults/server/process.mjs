/** The fault server's own process: its listeners, driven over IPC by `../server.mjs`. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

import { faultNamed } from '../catalogue/all.mjs';
import { serve } from './connection.mjs';

/** @import { AddressInfo, Server, Socket } from 'node:net' */
/** @import { Entry } from './exchange.mjs' */

/** @type {Entry[]} */
const log = [];
/** @type {Set<Socket>} */
const open = new Set();
const service = { log, fault: faultNamed };

const pem = (/** @type {string} */ name) => readFileSync(new URL(`../certificates/${name}.pem`, import.meta.url));
/** TLS over a socket of ours, which can still be reset below it. @param {string} certificate @param {import('node:tls').TLSSocketOptions} [more] */
const tls = (certificate, more) => {
  const secureContext = createSecureContext({ key: pem('key'), cert: pem(certificate), ca: pem('authority') });
  return tcp((raw) => {
    const socket = new TLSSocket(raw, { isServer: true, secureContext, ...more });
    // If a client refuses a certificate, the handshake fails here too, as expected.
    socket.on('error', () => {});
    serve(socket, service, raw);
  });
};
/** @param {(socket: Socket) => void} accept */
const tcp = (accept) => createServer(accept);
/** Does something with the first bytes that come, a client's hello. @param {(socket: Socket) => void} greeted */
const greeting = (greeted) => tcp((socket) => socket.once('data', () => greeted(socket)));

/** @type {Record<string, Server>} */
const listeners = {
  plain: tcp((socket) => serve(socket, service)),
  // Faults do not affect the connections of the healthy upstreams.
  healthy: tcp((socket) => serve(socket, service)),
  'reset at accept': tcp((socket) => socket.resetAndDestroy()),
  'closed at accept': tcp((socket) => socket.end()),
  silent: tcp((socket) => socket.resume()),
  deaf: tcp((socket) => socket.pause()),
  tls: tls('good'),
  expired: tls('expired'),
  'not yet valid': tls('not-yet-valid'),
  'wrong name': tls('wrong-name'),
  'self-signed': tls('self-signed'),
  'asks for a certificate': tls('good', { requestCert: true, rejectUnauthorized: true }),
  'handshake: half a record': greeting((socket) => socket.write(Buffer.from([22, 3, 3, 0, 100, 2, 0, 0]))),
  'handshake: garbage': greeting((socket) => socket.write(Buffer.alloc(512, 'garbage '))),
  'handshake: alert': greeting((socket) => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, 40]))),
  'handshake: closed': greeting((socket) => socket.end()),
  'handshake: reset': greeting((socket) => socket.resetAndDestroy()),
};

for (const server of Object.values(listeners)) {
  server.on('connection', (/** @type {Socket} */ socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => {});
  });
}

process.on(
  'message',
  async (/** @type {{ id: number, ask: string, key: string, fault: string, ms: number }} */ question) => {
    try {
      process.send?.({ id: question.id, value: await answer(question) });
    } catch (error) {
      process.send?.({ id: question.id, error });
    }
  },
);
// The parent has closed this server or has ended.
process.on('disconnect', () => process.exit(0));

/** @param {{ ask: string, key: string, fault: string, ms: number }} question @returns {Promise<unknown>} */
async function answer({ ask, key, fault, ms }) {
  switch (ask) {
    case 'start':
      return start();
    case 'listen apart':
      return listenApart();
    case 'requests':
      return log.filter((entry) => entry.key === key);
    case 'closed':
      return closed(key, fault, ms);
    case 'open connections':
      return open.size;
    default:
      throw new Error(`the fault server is not asked for ${ask}`);
  }
}

/** Another port of plain HTTP, whose connections are not shared with other tests. */
async function listenApart() {
  const server = tcp((socket) => serve(socket, service));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return /** @type {AddressInfo} */ (server.address()).port;
}

/** @returns {Promise<Record<string, number>>} The port of each listener. */
async function start() {
  await Promise.all(Object.values(listeners).map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  return Object.fromEntries(
    Object.entries(listeners).map(([name, server]) => [name, /** @type {AddressInfo} */ (server.address()).port]),
  );
}

/**
 * Whether every connection on which a key met a fault is closed, after a time at most.
 * @param {string} key @param {string} fault @param {number} ms
 */
async function closed(key, fault, ms) {
  const until = performance.now() + ms;
  const met = () => log.filter((entry) => entry.key === key && entry.fault === fault);
  const isClosed = () => met().length > 0 && met().every(({ closedAt }) => closedAt !== undefined);
  while (!isClosed() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  return isClosed();
}
