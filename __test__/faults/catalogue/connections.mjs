/** Faults of the connection itself: names, TCP, TLS, and a connection that ends or stalls where it should not. */

import { DONE, JSON_TYPE, chunked, head } from '../server/exchange.mjs';
import { badStream, both, brokenStream, connection, invalid, STALL_TIMEOUT, timeout } from './fault.mjs';

/** @import { Exchange } from '../server/exchange.mjs' */
/** @import { Fault } from './fault.mjs' */

/** undici and Node.js name the same end of a connection in two ways. */
const CLOSED = /^(UND_ERR_SOCKET|ECONNRESET)$/;
const HELD_UP = { timeout: STALL_TIMEOUT, ...both(timeout()) };

/** @type {Fault[]} */
export const connectionFaults = [
  { name: 'refuses connections', at: 'nobody', requests: 0, ...both(connection({ cause: 'ECONNREFUSED' })) },
  // Without a DNS server the look-up is slow, and its error differs.
  { name: 'has a name that does not resolve', host: 'nx.invalid', requests: 0, ...both(connection()) },
  { name: 'resets at accept', at: 'reset at accept', requests: 0, ...both(connection({ cause: 'ECONNRESET' })) },
  { name: 'closes at accept', at: 'closed at accept', requests: 0, ...both(connection({ cause: CLOSED })) },
  { name: 'accepts the request and never answers', at: 'silent', requests: 0, ...HELD_UP },
  { name: 'does not read', at: 'deaf', requests: 0, ...HELD_UP },

  // === before and within the head ===
  { name: 'resets after the request', serve: (x) => x.reset(), ...both(connection({ cause: 'ECONNRESET' })) },
  { name: 'closes after the request', serve: (x) => x.close(), ...both(connection({ cause: CLOSED })) },
  { name: 'never answers', serve: () => {}, ...HELD_UP },
  ...[
    ['the status line', 'HTTP/1.1 20'],
    ['the head', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-len'],
    ['an early hint', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'],
  ].flatMap(([where, bytes]) => cutOff(`within ${where}`, (x) => x.write(/** @type {string} */ (bytes)))),
  { name: 'sends its head a byte per second', serve: (x) => drip(x, head(200, JSON_TYPE)), ...HELD_UP },

  // === within the body ===
  ...cutOff('within its body', async (x) => {
    if (x.isStream) return x.openStream().then(() => x.piece(x.role));
    const body = JSON.stringify(x.completion());
    return x.write(head(200, { ...JSON_TYPE, 'content-length': String(body.length) }) + body.slice(0, body.length / 2));
  }).map((fault) => withBrokenStream(fault)),
  ...cutOff('within a chunk of its body', async (x) => {
    if (x.isStream) return x.openStream().then(() => x.write(chunked(x.role).subarray(0, 40)));
    await x.write(head(200, { ...JSON_TYPE, 'transfer-encoding': 'chunked' }));
    return x.write(chunked(JSON.stringify(x.completion())).subarray(0, 40));
  }).map((fault) => withBrokenStream(fault)),
  ...cutOff('after its headers', (x) =>
    x.isStream ? x.openStream() : x.write(head(200, { ...JSON_TYPE, 'content-length': '300' })),
  ).map((fault) => withBrokenStream(fault)),
  {
    // The text is complete, but nothing confirms it.
    name: 'closes after a whole body whose last chunk is missing',
    async serve(x) {
      await x.write(head(200, { ...JSON_TYPE, 'transfer-encoding': 'chunked' }));
      await x.piece(JSON.stringify(x.completion()));
      x.close();
    },
    completion: connection({ cause: CLOSED }),
  },
  {
    name: 'sends its body a byte per second',
    async serve(x) {
      if (x.isStream) await x.openStream();
      else await x.write(head(200, JSON_TYPE));
      await drip(x, x.isStream ? chunked(x.role).toString() : JSON.stringify(x.completion()));
    },
    ...HELD_UP,
  },
  {
    name: 'keeps the connection open after half of a body without length',
    serve: (x) => x.write(head(200, JSON_TYPE) + '{"choices":['),
    completion: timeout(),
    timeout: STALL_TIMEOUT,
  },
  {
    name: 'announces more bytes than it sends, and waits',
    async serve(x) {
      const body = JSON.stringify(x.completion());
      await x.write(head(200, { ...JSON_TYPE, 'content-length': String(body.length + 1) }) + body);
    },
    completion: timeout(),
    timeout: STALL_TIMEOUT,
  },

  // === while the request is still being sent ===
  {
    name: 'resets at the head of the request',
    early: true,
    serve: (x) => x.reset(),
    ...both(connection({ cause: /^(ECONNRESET|EPIPE)$/ })),
  },
  { name: 'closes at the head of the request', early: true, serve: (x) => x.close(), ...both(connection()) },

  // === TLS ===
  ...[
    ['shows a certificate that has expired', 'expired', 'CERT_HAS_EXPIRED'],
    ['shows a certificate that is not valid yet', 'not yet valid', /CERT|VERIFY/],
    ['shows a certificate that is for another name', 'wrong name', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['shows a certificate that is its own', 'self-signed', /SELF_SIGNED|UNABLE_TO/],
    ['requires a client certificate', 'asks for a certificate'],
    ['speaks plain HTTP on a TLS port', 'plain'],
    ['speaks garbage in its handshake', 'handshake: garbage'],
    ['refuses the handshake', 'handshake: alert'],
    ['closes in its handshake', 'handshake: closed'],
    ['resets in its handshake', 'handshake: reset', 'ECONNRESET'],
  ].map(([name, at, cause]) =>
    overTls(/** @type {string} */ (name), /** @type {string} */ (at), connection({ cause })),
  ),
  ...[
    ['does not answer its handshake', 'silent'],
    ['stops in its handshake', 'handshake: half a record'],
  ].map(([name = '', at = '']) => ({ ...overTls(name, at, timeout()), timeout: STALL_TIMEOUT })),
  { name: 'speaks TLS on a plain HTTP port', at: 'tls', requests: 0, ...both(connection()) },
  ...[
    ['resets', 'reset'],
    // Without `close_notify`: an attacker may have cut the connection.
    ['cuts the connection', 'destroy'],
  ].map(([name, how]) => ({
    name: `${name} within its body over TLS`,
    at: 'tls',
    scheme: /** @type {const} */ ('https'),
    host: 'localhost',
    async serve(/** @type {Exchange} */ x) {
      if (x.isStream) await x.openStream().then(() => x.piece(x.role));
      else await x.write(head(200, { ...JSON_TYPE, 'content-length': '300' }) + '{"choices":[');
      await x.pause(50);
      if (how === 'reset') x.reset();
      else x.cut();
    },
    completion: connection(),
    stream: brokenStream(),
  })),
  {
    name: 'cuts the TLS connection just before the end of a stream without length',
    at: 'tls',
    scheme: 'https',
    host: 'localhost',
    async serve(x) {
      await x.write(head(200, { 'content-type': 'text/event-stream', connection: 'close' }));
      await x.write(x.role);
      await x.pause(50);
      x.cut();
    },
    // Node.js makes nothing of a missing `close_notify`, so its stream has just ended.
    stream: { ...brokenStream(), error: 'APIConnectionError' },
  },
];

/** What happens to the stream is another kind where its head was good. @param {Fault} fault @returns {Fault} */
function withBrokenStream(fault) {
  const { stream } = fault;
  if (stream?.kind !== 'connection') return fault;
  return { ...fault, stream: brokenStream({ cause: stream.cause }) };
}

/**
 * The three ways in which an answer breaks off.
 * @param {string} where @param {(x: Exchange) => Promise<unknown>} start
 * @returns {Fault[]}
 */
function cutOff(where, start) {
  return [
    {
      name: `resets ${where}`,
      serve: (x) => start(x).then(() => x.writeAndReset('')),
      ...both(connection({ cause: 'ECONNRESET' })),
    },
    { name: `closes ${where}`, serve: (x) => start(x).then(() => x.close()), ...both(connection()) },
    { name: `stalls ${where}`, serve: start, ...HELD_UP },
  ];
}

/** @param {Exchange} x @param {string} text */
async function drip(x, text) {
  for (const byte of text) if (!(await x.write(byte)) || !(await x.pause(1_000))) return;
}

/** @param {string} name @param {string} at @param {import('./fault.mjs').Expected} expected @returns {Fault} */
function overTls(name, at, expected) {
  return { name, at, scheme: 'https', host: 'localhost', requests: 0, ...both(expected) };
}
