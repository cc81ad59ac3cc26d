/** Faults of the response: a malformed head, an unexpected status, a body that is not a completion. */

import { brotliCompressSync, gzipSync } from 'node:zlib';

import { errorBody, htmlPage } from '../../../demo/upstream/payload.mjs';
import { EVENTS_TYPE, head, JSON_TYPE } from '../server/exchange.mjs';
import { badStream, both, brokenStream, connection, invalid, STALL_TIMEOUT, timeout } from './fault.mjs';

/** @import { Exchange } from '../server/exchange.mjs' */
/** @import { Fault, Expected } from './fault.mjs' */

const MB = 1024 * 1024;
const JSON_HEAD = 'content-type: application/json\r\n';

/** @type {Fault[]} */
export const responseFaults = [
  // === no HTTP ===
  ...[
    ['garbage', Buffer.from([0, 255, 13, 10, 13, 10, 7, 1, 2, 3, 200, 13, 10, 13, 10])],
    ['bytes that are not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['a body without a head', '{"choices":[]}\r\n\r\n'],
    ['a record of TLS', Buffer.from([21, 3, 1, 0, 2, 2, 40])],
    ['HTTP/2', Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100])],
    ['a status that is not a number', `HTTP/1.1 OK\r\n${JSON_HEAD}\r\n`],
    ['a status of two digits', `HTTP/1.1 99 Low\r\n${JSON_HEAD}\r\n`],
    ['a status of four digits', `HTTP/1.1 2000 High\r\n${JSON_HEAD}\r\n`],
    ['a protocol other than HTTP', `ICY 200 OK\r\n${JSON_HEAD}\r\n`],
    ['a version that does not exist', `HTTP/9.9 200 OK\r\n${JSON_HEAD}\r\n`],
    ['a header without a name', `HTTP/1.1 200 OK\r\n: value\r\n\r\n`],
    ['a header with a space in its name', `HTTP/1.1 200 OK\r\nbad name: value\r\n\r\n`],
    ['a header with NUL in its value', `HTTP/1.1 200 OK\r\nx-bad: a\0b\r\n\r\n`],
    ['a header of 1 MB', `HTTP/1.1 200 OK\r\nx-large: ${'x'.repeat(MB)}\r\n\r\n`],
    ['1 MB of headers', `HTTP/1.1 200 OK\r\n${'x-many: 0123456789\r\n'.repeat(MB / 20)}\r\n`],
    ['a length that is not a number', `HTTP/1.1 200 OK\r\n${JSON_HEAD}content-length: many\r\n\r\n{}`],
    ['a negative length', `HTTP/1.1 200 OK\r\n${JSON_HEAD}content-length: -1\r\n\r\n{}`],
    ['a length of 40 digits', `HTTP/1.1 200 OK\r\n${JSON_HEAD}content-length: ${'9'.repeat(40)}\r\n\r\n{}`],
    [
      'two lengths',
      `HTTP/1.1 200 OK\r\n${JSON_HEAD}content-length: 2\r\ncontent-length: 20\r\n\r\n{"choices":[]}      `,
    ],
  ].map(([what, bytes]) => writing(`sends ${what}`, /** @type {string} */ (bytes), both(connection()))),
  // Node.js takes a reason of any length, and what comes after it was no completion.
  writing('sends a reason of 1 MB', `HTTP/1.1 200 ${'x'.repeat(MB)}\r\n\r\n`, {
    completion: connection({ js: 'invalid_response' }),
    stream: connection({ js: 'stream' }),
  }),
  // In the body the head was good, so that a stream has begun.
  ...[
    ['a chunk whose size is not a number', 'zz\r\n{}\r\n0\r\n\r\n'],
    ['a chunk whose size is negative', '-2\r\n{}\r\n0\r\n\r\n'],
    ['a chunk whose size has 17 digits', `${'F'.repeat(17)}\r\n{}\r\n0\r\n\r\n`],
    ['a chunk that is longer than its size', '2\r\n{"choices":[]}\r\n0\r\n\r\n'],
    ['a chunk with an extension of 1 MB', `e;x=${'y'.repeat(MB)}\r\n{"choices":[]}\r\n0\r\n\r\n`],
  ].map(([what = '', body = '']) => ({
    name: `sends ${what}`,
    async serve(/** @type {Exchange} */ x) {
      await x.write(head(200, { ...(x.isStream ? EVENTS_TYPE : JSON_TYPE), 'transfer-encoding': 'chunked' }) + body);
      x.done();
    },
    completion: connection(what.includes('extension') ? { js: 'ok' } : {}),
    stream: brokenStream(),
  })),
  {
    name: 'sends an endless head',
    async serve(x) {
      await x.write('HTTP/1.1 200 OK\r\n');
      while (await x.write(`x-more: ${'x'.repeat(1000)}\r\n`));
    },
    ...both(connection()),
  },
  {
    name: 'sends early hints for ever',
    async serve(x) {
      while (await x.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n')) if (!(await x.pause(5))) return;
    },
    ...both(timeout()),
    timeout: STALL_TIMEOUT,
  },
  writing('switches protocols', 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n', {
    ...both(invalid({ js: 'connection', status: 101 })),
  }),
  writing('says nothing but to continue, and closes', 'HTTP/1.1 100 Continue\r\n\r\n', both(connection())),

  // === statuses ===
  ...[202, 204, 205].map((status) => ({
    name: `answers ${status} with nothing`,
    async serve(/** @type {Exchange} */ x) {
      await x.write(`HTTP/1.1 ${status} Whatever\r\n${status === 204 ? '' : 'content-length: 0\r\n'}\r\n`);
      x.done();
    },
    completion: invalid(),
    // To the SDK it is a stream that ends without any content.
    stream: invalid({ js: 'stream' }),
  })),
  status(304, ''),
  status(300, ''),
  ...[301, 302, 303].map((code) => ({ ...redirecting(code, 'elsewhere'), ...both(invalid({ status: code })) })),
  ...[301, 302, 303, 307, 308].map((code) => ({
    name: `redirects to nowhere (${code})`,
    serve: (/** @type {Exchange} */ x) => x.respond(code, { location: 'http://:::/' }),
    ...both(invalid({ status: code, client: 'connection' })),
  })),
  ...[307, 308].map((code) => ({
    name: `redirects for ever (${code})`,
    serve: (/** @type {Exchange} */ x) =>
      x.respond(code, { location: `/${encodeURIComponent(x.entry.fault)}/${x.entry.key}/v1/chat/completions` }),
    ...both(invalid({ status: code, client: 'connection' })),
    requests: 5,
  })),
  {
    name: 'answers 429 with a Retry-After of an hour',
    serve: (x) => x.respond(429, { ...JSON_TYPE, 'retry-after': '3600' }, JSON.stringify(errorBody(429))),
    ...both({ kind: 'rate_limit', error: 'RateLimitError', status: 429 }),
  },
  {
    name: 'answers 503 with a Retry-After in the year 2999',
    serve: (x) =>
      x.respond(503, { ...JSON_TYPE, 'retry-after': 'Fri, 01 Nov 2999 00:00:00 GMT' }, JSON.stringify(errorBody(503))),
    ...both({ kind: 'server_error', error: 'InternalServerError', status: 503 }),
  },
  {
    name: 'answers 500 with a body that never ends',
    async serve(x) {
      await x.write(head(500, { ...JSON_TYPE, 'transfer-encoding': 'chunked' }));
      while (await x.piece('x'.repeat(64 * 1024)));
    },
    ...both({ kind: 'server_error', error: 'InternalServerError', status: 500 }),
    notJs: 'it keeps all of an error body that comes before its time is up',
  },
  {
    name: 'answers 500 and cuts the body',
    async serve(x) {
      await x.write(head(500, { ...JSON_TYPE, 'content-length': '500' }) + '{"error":{"message":"half');
      await x.pause(50);
      x.reset();
    },
    ...both({ kind: 'server_error', error: 'InternalServerError', status: 500 }),
  },

  // === bodies ===
  ...[
    ['nothing', ''],
    ['white space', ' \r\n\t '],
    ['null', 'null'],
    ['true', 'true'],
    ['a number', '42'],
    ['a text', '"choices"'],
    ['an array', '[{"choices":[]}]'],
    ['an empty object', '{}'],
    ['choices that are null', '{"choices":null}'],
    ['choices that are an object', '{"choices":{"0":{}}}'],
    ['choices that are a text', '{"choices":"[]"}'],
    ['choices one level down', '{"data":{"choices":[]}}'],
    ['an error', '{"error":{"message":"overloaded","code":"overloaded"}}'],
    ['an error beside choices', '{"choices":[],"error":{"message":"overloaded"}}'],
    ['an error that is a text', '{"choices":[],"error":"overloaded"}'],
    ['half of its JSON', '{"choices":[{"index":0,"message":{"content":"Half a'],
    ['JSON with more behind it', '{"choices":[]}{"choices":[]}'],
    ['JSON with single quotes', "{'choices':[]}"],
    ['JSON with NUL in it', '{"choices":[],"x":"\0"}'],
    ['JSON with NUL behind it', '{"choices":[]}\0'],
    ['JSON in UTF-16', Buffer.from('\ufeff{"choices":[]}', 'utf16le')],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x80, 0xc0, 0xed, 0xa0, 0x80])],
    ['100,000 brackets', '['.repeat(100_000)],
    ['a stream of events', 'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n'],
  ].map(([what, body]) => ({
    name: `answers 200 with ${what}`,
    serve: (/** @type {Exchange} */ x) => x.json(body),
    completion: invalid(),
    // An SDK that is a custom client reads it as a stream that ends without any content.
    stream: what === 'a stream of events' ? invalid({ js: 'ok' }) : invalid({ client: 'stream' }),
  })),
  {
    name: 'answers 200 with a page of HTML',
    serve: (x) => x.respond(200, { 'content-type': 'text/html; charset=utf-8' }, htmlPage),
    completion: invalid(),
    stream: invalid({ client: 'stream' }),
  },
  {
    name: 'answers 200 with HTML that is labelled as the requested type',
    serve: (x) => x.respond(200, x.isStream ? EVENTS_TYPE : JSON_TYPE, htmlPage),
    completion: invalid(),
    stream: badStream(),
  },
  {
    name: 'answers a stream with a completion',
    serve: (x) => x.json(x.completion()),
    stream: invalid({ client: 'stream' }),
  },
  {
    name: 'answers a completion with a stream',
    async serve(x) {
      await x.openStream();
      for (const event of x.events()) await x.piece(event);
      await x.lastPiece();
    },
    completion: invalid(),
  },

  // === encodings ===
  ...['gzip', 'br', 'deflate'].map((encoding) => ({
    name: `labels a plain body as ${encoding}`,
    serve: (/** @type {Exchange} */ x) => encoded(x, encoding, Buffer.from(plain(x))),
    completion: invalid(),
    stream: invalid(),
  })),
  {
    name: 'sends half of its gzip',
    serve: (x) => encoded(x, 'gzip', gzipSync(plain(x)).subarray(0, 60)),
    // To `fetch` it is a body that has ended.
    completion: invalid(),
    stream: invalid({ js: 'stream' }),
  },
  {
    name: 'sends gzip whose sum is wrong',
    async serve(x) {
      const bytes = gzipSync(x.isStream ? x.role : plain(x));
      bytes[bytes.length - 8] = ~(bytes[bytes.length - 8] ?? 0) & 0xff;
      await encoded(x, 'gzip', bytes);
    },
    completion: invalid(),
    stream: invalid(),
  },
  {
    name: 'does not say that it sends gzip',
    serve: (x) => x.respond(200, x.isStream ? EVENTS_TYPE : JSON_TYPE, gzipSync(plain(x))),
    completion: invalid(),
    stream: badStream(),
  },
  {
    name: 'does not say that it sends brotli',
    serve: (x) => x.respond(200, x.isStream ? EVENTS_TYPE : JSON_TYPE, brotliCompressSync(plain(x))),
    completion: invalid(),
    stream: badStream(),
  },
  {
    name: 'sends a gzip bomb',
    // 64 MB of one letter are 64 kB on the wire.
    serve: (x) => encoded(x, 'gzip', bomb(x.isStream)),
    completion: invalid(),
    stream: invalid({ js: 'stream' }),
    openpipe: { maxResponseBytes: MB },
    notJs: 'what its `fetch` unpacks is its own affair',
  },
];

/** Every status that is an error, with each of the bodies that come with them. */
export const STATUS_BODIES = /** @type {const} */ (['json', 'html', 'empty']);

/** @type {Fault[]} */
export const statusFaults = STATUS_BODIES.map((body) => ({
  name: `answers with any status, and ${body}`,
  // The test asks for the status by the model's name: there are two hundred of them.
  async serve(x) {
    const code = Number(/\d{3}$/.exec(x.entry.model)?.[0]);
    if (body === 'json') await x.json(errorBody(code), code);
    else if (body === 'html') await x.respond(code, { 'content-type': 'text/html' }, htmlPage);
    else await x.respond(code, {});
  },
}));

/** @param {string} name @param {string | Uint8Array} bytes @param {Pick<Fault, 'completion' | 'stream'>} expected @returns {Fault} */
function writing(name, bytes, expected) {
  return {
    name,
    async serve(x) {
      await x.write(bytes);
      await x.pause(20);
      x.close();
    },
    ...expected,
  };
}

/** @param {number} code @param {string} body @returns {Fault} */
function status(code, body) {
  return {
    name: `answers ${code}`,
    async serve(x) {
      await x.write(head(code, code === 304 ? {} : { 'content-length': '0' }) + body);
      x.done();
    },
    ...both(invalid({ status: code })),
  };
}

/** To another origin: its own port by another name. @param {number} code @param {string} path @returns {Fault} */
function redirecting(code, path) {
  return {
    name: `redirects within its origin (${code})`,
    serve: (x) => x.respond(code, { location: `/nothing/${x.entry.key}/${path}` }),
    notJs: 'its `fetch` follows',
  };
}

/** What a good answer is made of. @param {Exchange} x */
function plain(x) {
  return x.isStream ? x.events().join('') : JSON.stringify(x.completion());
}

/** @param {Exchange} x @param {string} encoding @param {Uint8Array} bytes */
function encoded(x, encoding, bytes) {
  const type = x.isStream ? EVENTS_TYPE : JSON_TYPE;
  return x.respond(200, { ...type, 'content-encoding': encoding }, bytes);
}

/** @type {Map<boolean, Uint8Array>} */
const bombs = new Map();

/** Made once: it takes a while. @param {boolean} stream */
function bomb(stream) {
  const [start, end] = stream ? ['data: "', '"\n\n'] : ['{"choices":[],"x":"', '"}'];
  const bytes =
    bombs.get(stream) ??
    gzipSync(Buffer.concat([Buffer.from(start), Buffer.alloc(64 * MB, 'x'), Buffer.from(end)]), { level: 1 });
  bombs.set(stream, bytes);
  return bytes;
}
