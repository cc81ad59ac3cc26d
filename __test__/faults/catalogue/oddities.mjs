/** Answers that look odd and are good: every one of them is what the caller gets, and no other target is asked. */

import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';

import { chunk, sseEvent } from '../../../demo/upstream/payload.mjs';
import { chunked, DONE, EVENTS_TYPE, head, JSON_TYPE } from '../server/exchange.mjs';

/** @import { Exchange } from '../server/exchange.mjs' */

/**
 * @typedef {object} Oddity
 * @property {string} name Follows "an upstream that".
 * @property {(x: Exchange) => unknown} serve
 * @property {boolean} [completion] It is one of completions.
 * @property {boolean} [stream]
 * @property {string} [notJs] Why not with the `openai` package.
 */

const BOTH = { completion: true, stream: true };

/** What the decoder of the `openai` package does not take as the standard says, or drops. */
const notDecoded = ['CR', 'a byte order mark', 'no blank line at the end, and no [DONE]'];

/** @type {Oddity[]} */
export const oddities = [
  { name: 'is healthy', ...BOTH, serve: (x) => x.answer() },

  // === heads ===
  ...[100, 102, 103].map((code) => ({
    name: `answers after 50 times ${code}`,
    ...BOTH,
    ...(code === 100 ? { notJs: 'undici wants no 100 that it has not asked for' } : {}),
    async serve(/** @type {Exchange} */ x) {
      for (let count = 0; count < 50; count += 1) await x.write(`HTTP/1.1 ${code} Wait\r\n\r\n`);
      await x.answer();
    },
  })),
  {
    name: 'speaks HTTP/1.0, and ends its body with the connection',
    ...BOTH,
    async serve(x) {
      const type = x.isStream ? EVENTS_TYPE : JSON_TYPE;
      await x.write(head(200, type).replace('HTTP/1.1', 'HTTP/1.0') + whole(x));
      x.close();
    },
  },
  {
    name: 'ends its body with the connection',
    ...BOTH,
    async serve(x) {
      await x.write(head(200, { ...(x.isStream ? EVENTS_TYPE : JSON_TYPE), connection: 'close' }) + whole(x));
      x.close();
    },
  },
  raw('gives no reason', (x) => `HTTP/1.1 200\r\n${fields(x)}\r\n${whole(x)}`),
  raw(
    'writes its header names in capitals',
    (x) => `HTTP/1.1 200 OK\r\n${fields(x).replace(/^[^:]+/gm, (name) => name.toUpperCase())}\r\n${whole(x)}`,
  ),
  {
    ...raw('has no content type', (x) => `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${whole(x)}`),
    notJs: 'it gives the caller a text',
  },
  raw('has 90 headers', (x) => `HTTP/1.1 200 OK\r\n${'x-many: 1\r\n'.repeat(90)}${fields(x)}\r\n${whole(x)}`),
  raw('has a header of 8 kB', (x) => `HTTP/1.1 200 OK\r\nx-l: ${'x'.repeat(8_000)}\r\n${fields(x)}\r\n${whole(x)}`),
  raw('has a header in Latin-1', (x) =>
    Buffer.from(`HTTP/1.1 200 OK\r\nx-name: caf\xe9\r\n${fields(x)}\r\n${whole(x)}`, 'latin1'),
  ),
  raw('repeats its content type', (x) => `HTTP/1.1 200 OK\r\n${fields(x)}${fields(x)}\r\n${whole(x)}`),
  {
    name: 'sends its answer a byte per packet',
    ...BOTH,
    async serve(x) {
      const type = x.isStream ? EVENTS_TYPE : JSON_TYPE;
      const text = whole(x);
      const bytes = head(200, { ...type, 'content-length': String(text.length) }) + text;
      for (const byte of bytes) if (!(await x.write(byte)) || !(await turn())) return;
      x.done();
    },
  },
  {
    name: 'sends chunks of one byte',
    ...BOTH,
    async serve(x) {
      await x.write(head(200, { ...(x.isStream ? EVENTS_TYPE : JSON_TYPE), 'transfer-encoding': 'chunked' }));
      await x.write(Buffer.concat([...whole(x)].map((byte) => chunked(byte))));
      await x.lastPiece();
    },
  },
  {
    name: 'sends chunks with extensions, and trailers',
    ...BOTH,
    async serve(x) {
      const type = x.isStream ? EVENTS_TYPE : JSON_TYPE;
      const text = whole(x);
      await x.write(head(200, { ...type, 'transfer-encoding': 'chunked', trailer: 'x-sum' }));
      await x.write(
        `${text.length.toString(16)};name=value;other="quoted"\r\n${text}\r\n0;last\r\nx-sum: 1\r\nx-more: 2\r\n\r\n`,
      );
      x.done();
    },
  },
  {
    name: 'closes its side as soon as it has answered',
    ...BOTH,
    async serve(x) {
      await x.answer();
      x.close();
    },
  },
  {
    name: 'sends more bytes than it announced',
    ...BOTH,
    async serve(x) {
      const text = whole(x);
      const type = x.isStream ? EVENTS_TYPE : JSON_TYPE;
      await x.write(`${head(200, { ...type, 'content-length': String(text.length) })}${text}more than that`);
    },
  },

  // === encodings ===
  ...Object.entries({ gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }).map(([encoding, pack]) => ({
    name: `sends ${encoding}`,
    ...BOTH,
    serve: (/** @type {Exchange} */ x) => packed(x, encoding, pack(whole(x))),
  })),
  { name: 'names the encoding identity', ...BOTH, serve: (x) => packed(x, 'identity', Buffer.from(whole(x))) },
  {
    name: 'names an unknown encoding',
    ...BOTH,
    serve: (x) => packed(x, 'aws-chunked', Buffer.from(whole(x))),
  },

  // === bodies ===
  ...[
    ['a byte order mark before its JSON', (/** @type {string} */ json) => `\ufeff${json}`],
    ['white space around its JSON', (/** @type {string} */ json) => ` \r\n\t${json}\n\n`],
    ['an error that is null', (/** @type {string} */ json) => json.replace('{', '{"error":null,')],
    ['members twice', (/** @type {string} */ json) => json.replace('{', '{"choices":null,')],
    ['1 MB of padding', (/** @type {string} */ json) => json.replace('{', `{"padding":"${'x'.repeat(1024 * 1024)}",`)],
    [
      'numbers that no number holds',
      (/** @type {string} */ json) => json.replace('{', '{"x":1e400,"y":12345678901234567890,'),
    ],
  ].map(([what, change]) => ({
    name: `answers with ${what}`,
    completion: true,
    serve: (/** @type {Exchange} */ x) =>
      x.json(/** @type {(json: string) => string} */ (change)(JSON.stringify(x.completion()))),
  })),
  ...[
    'text/plain',
    'application/octet-stream',
    'text/html',
    'application/vnd.api+json',
    'APPLICATION/JSON;CHARSET=utf-8',
  ].map((type) => ({
    name: `labels its JSON as ${type}`,
    completion: true,
    serve: (/** @type {Exchange} */ x) => x.respond(200, { 'content-type': type }, JSON.stringify(x.completion())),
    ...(/json/.test(type) ? {} : { notJs: 'it gives the caller a text, or knows small letters only' }),
  })),
  ...[201, 202, 203].map((code) => ({
    name: `answers with the status ${code}`,
    completion: true,
    serve: (/** @type {Exchange} */ x) => x.json(x.completion(), code),
  })),

  // === events ===
  ...[
    ['CRLF', (/** @type {string[]} */ events) => events.map((event) => event.replaceAll('\n', '\r\n'))],
    ['CR', (/** @type {string[]} */ events) => events.map((event) => event.replaceAll('\n', '\r'))],
    ['a byte order mark', (/** @type {string[]} */ [first, ...rest]) => [`\ufeff${first}`, ...rest]],
    ['comments', (/** @type {string[]} */ events) => events.map((event) => `: comment\n\n${event}:\n`)],
    ['ids and pauses', (/** @type {string[]} */ events) => events.map((event, id) => `id: ${id}\nretry: 10\n${event}`)],
    ['a name', (/** @type {string[]} */ events) => events.map((event) => `event: message\n${event}`)],
    [
      'no space after the colon',
      (/** @type {string[]} */ events) => events.map((event) => event.replace('data: ', 'data:')),
    ],
    [
      'data on several lines',
      (/** @type {string[]} */ events) => events.map((event) => event.replace('{', '{\ndata: ')),
    ],
    ['blank lines between them', (/** @type {string[]} */ events) => events.map((event) => `\n\n\n${event}\n\n`)],
    ['events without data between them', (/** @type {string[]} */ events) => events.map((event) => `event: ping\n\ndata\n\ndata:  \n\n${event}`)], // prettier-ignore
    ['unknown fields', (/** @type {string[]} */ events) => events.map((event) => `foo: bar\nbaz\n${event}`)],
    ['an empty error', (/** @type {string[]} */ events) => events.map((event) => event.replace('{', '{"error":{"message":"","code":null},'))], // prettier-ignore
    ['a quoted [DONE]', (/** @type {string[]} */ events) => [...events.slice(0, -1), 'data:  "[DONE]"\n\n']],
    ['no [DONE]', (/** @type {string[]} */ events) => events.slice(0, -1)],
    ['no blank line at the end', (/** @type {string[]} */ events) => [...events.slice(0, -1), 'data: [DONE]']],
    [
      'no blank line at the end, and no [DONE]',
      (/** @type {string[]} */ events) => [...events.slice(0, -2), (events.at(-2) ?? '').trimEnd()],
    ],
    ['[DONE] twice', (/** @type {string[]} */ events) => [...events, DONE]],
    ['garbage after [DONE]', (/** @type {string[]} */ events) => [...events, 'data: {"garb', 'age']],
    [
      'an error after [DONE]',
      (/** @type {string[]} */ events) => [...events, sseEvent({ error: { message: 'late' } })],
    ],
    [
      'no choices',
      (/** @type {string[]} */ events) => [sseEvent({ choices: [], prompt_filter_results: [] }), ...events],
    ],
  ].map(([what, change]) => ({
    name: `sends events with ${what}`,
    stream: true,
    async serve(/** @type {Exchange} */ x) {
      await x.openStream();
      for (const event of /** @type {(events: string[]) => string[]} */ (change)(x.events())) await x.piece(event);
      await x.lastPiece();
    },
    // The `openai` package does not treat CR as a line ending, and passes such events on.
    ...(notDecoded.includes(/** @type {string} */ (what)) ? { notJs: 'its decoder does not know it' } : {}),
  })),
  ...[
    'Text/Event-Stream; charset=UTF-8',
    'text/event-stream;',
    'text/plain',
    'application/octet-stream',
    'application/x-ndjson',
    '',
  ].map((type) => ({
    name: `labels its events as "${type}"`,
    stream: true,
    async serve(/** @type {Exchange} */ x) {
      await x.openStream({ 'content-type': type });
      for (const event of x.events()) await x.piece(event);
      await x.lastPiece();
    },
  })),
  {
    name: 'leaves the connection open after [DONE]',
    stream: true,
    async serve(x) {
      await x.openStream();
      for (const event of x.events()) await x.piece(event);
    },
  },
  {
    name: 'resets the connection after [DONE]',
    stream: true,
    async serve(x) {
      await x.openStream();
      for (const event of x.events()) await x.piece(event);
      await x.writeAndReset('');
    },
  },
  {
    name: 'sends keep-alives between its events',
    stream: true,
    async serve(x) {
      await x.openStream();
      for (const event of x.events()) for (const each of [': keep-alive\n\n', event]) await x.piece(each);
      await x.lastPiece();
    },
  },
  {
    name: 'sends unknown members in each choice',
    stream: true,
    async serve(x) {
      await x.openStream();
      const more = { logprobs: { content: [] }, provider: { name: 'x', nested: [[[{}]]] }, x_error: 1 };
      for (const event of x.events().slice(0, -1))
        await x.piece(event.replace('{', `{"more":${JSON.stringify(more)},`));
      await x.piece(sseEvent({ ...chunk(x.entry.model, {}), choices: [], usage: { total_tokens: 1 } }));
      await x.piece(DONE);
      await x.lastPiece();
    },
  },
];

/** The body of a good answer. @param {Exchange} x */
export function whole(x) {
  return x.isStream ? x.events().join('') : JSON.stringify(x.completion());
}

/** @param {Exchange} x */
function fields(x) {
  return `content-type: ${x.isStream ? 'text/event-stream' : 'application/json'}\r\nconnection: close\r\n`;
}

/** @param {string} name @param {(x: Exchange) => string | Uint8Array} bytes @returns {Oddity} */
function raw(name, bytes) {
  return {
    name,
    ...BOTH,
    async serve(x) {
      await x.write(bytes(x));
      x.close();
    },
  };
}

/** @param {Exchange} x @param {string} encoding @param {Uint8Array} bytes */
function packed(x, encoding, bytes) {
  return x.respond(200, { ...(x.isStream ? EVENTS_TYPE : JSON_TYPE), 'content-encoding': encoding }, bytes);
}

function turn() {
  return new Promise((/** @type {(next: true) => void} */ resolve) => setImmediate(() => resolve(true)));
}
