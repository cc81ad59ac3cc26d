/** What shows only from one request to the next, in a long request, or in a long stream. */

import { errorBody } from '../../../demo/upstream/payload.mjs';
import { chunked, DONE, EVENTS_TYPE, head, JSON_TYPE } from '../server/exchange.mjs';
import { both, invalid } from './fault.mjs';
import { whole } from './oddities.mjs';

/** @import { Exchange } from '../server/exchange.mjs' */
/** @import { Fault } from './fault.mjs' */

const MB = 1024 * 1024;
/** What no caller may ever read. */
export const POISON = 'an answer that nobody asked for';

/** Kept-alive connections that have changed when the next request is sent. @type {Fault[]} */
export const keptAlive = [
  ...[
    ['closes', (/** @type {Exchange} */ x) => x.close()],
    ['resets', (/** @type {Exchange} */ x) => x.reset()],
  ].flatMap(([what, then]) => [
    {
      name: `answers, and ${what} at once`,
      async serve(/** @type {Exchange} */ x) {
        await x.answer();
        await /** @type {(x: Exchange) => unknown} */ (then)(x);
      },
    },
    {
      name: `answers, and ${what} later`,
      async serve(/** @type {Exchange} */ x) {
        await x.answer();
        if (await x.pause(50)) await /** @type {(x: Exchange) => unknown} */ (then)(x);
      },
    },
  ]),
  {
    name: 'closes every connection at its second request',
    serve: (x) => (x.entry.reused ? x.close() : x.answer()),
  },
  {
    name: 'resets every connection at its second request',
    serve: (x) => (x.entry.reused ? x.reset() : x.answer()),
  },
];

/** What comes on an idle connection is no answer to the next request. @type {Fault[]} */
export const unasked = [
  ...[
    ['says 408', () => 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n'],
    ['sends another answer', poison],
    ['sends half of another answer', (/** @type {Exchange} */ x) => poison(x).slice(0, 30)],
    ['sends garbage', () => 'garbage\r\n\r\n'],
  ].map(([what, bytes]) => ({
    name: `answers, and ${what} later`,
    async serve(/** @type {Exchange} */ x) {
      await x.answer();
      if (await x.pause(50)) await x.write(/** @type {(x: Exchange) => string} */ (bytes)(x));
    },
  })),
  {
    // One packet, so that it is there before anybody can look whether the connection is idle.
    name: 'sends two answers in one packet',
    async serve(x) {
      const type = x.isStream ? EVENTS_TYPE : JSON_TYPE;
      const body = whole(x);
      await x.write(head(200, { ...type, 'content-length': String(body.length) }) + body + poison(x));
      x.done();
    },
  },
];

/** @type {Fault} */
export const goesSilent = {
  name: 'says nothing more on a connection that has served',
  serve: (x) => (x.entry.reused ? undefined : x.answer()),
};

/** Faults while a request of some megabytes is being sent. @type {(Fault & { kinds: string[] })[]} */
export const uploads = [
  {
    name: 'resets within the request',
    early: true,
    kinds: ['connection'],
    serve: (x) => x.pause(20).then(() => x.reset()),
  },
  {
    name: 'closes within the request',
    early: true,
    kinds: ['connection'],
    serve: (x) => x.pause(20).then(() => x.close()),
  },
  {
    name: 'does not read the request',
    early: true,
    kinds: ['timeout'],
    timeout: 1_000,
    serve: (x) => x.socket.pause(),
  },
  {
    name: 'answers 413 within the request, and reads on',
    early: true,
    kinds: ['bad_request'],
    serve: (x) => x.respond(413, { ...JSON_TYPE, connection: 'close' }, JSON.stringify(errorBody(413))),
  },
  {
    // The answer may be lost: what has not been read makes a reset of the close.
    name: 'answers 413 within the request, and resets',
    early: true,
    kinds: ['bad_request', 'connection'],
    async serve(x) {
      await x.respond(413, { ...JSON_TYPE, connection: 'close' }, JSON.stringify(errorBody(413)));
      await x.pause(20);
      x.reset();
    },
  },
];

/** Redirects away from the origin: the same server by another name. @type {Fault[]} */
export const redirects = [301, 302, 303, 307, 308].map((code) => ({
  name: `redirects to another origin (${code})`,
  serve: (/** @type {Exchange} */ x) => {
    const port = x.entry.headers.host?.split(':')[1];
    return x.respond(code, { location: `http://localhost:${port}/elsewhere/${x.entry.key}/v1/chat/completions` });
  },
  ...both(invalid({ status: code })),
}));

/** Streams that are larger than a caller wants. @type {Fault[]} */
export const largeStreams = [
  {
    name: 'sends an event of 4 MB',
    async serve(x) {
      await x.openStream();
      for (const event of [x.role, x.event({ content: 'x'.repeat(4 * MB) }), x.finish, DONE]) await x.piece(event);
      await x.lastPiece();
    },
  },
  {
    name: 'sends an event of 4 MB in pieces of 1 kB',
    notJs: 'it copies all of an event with each piece of it, which takes minutes',
    async serve(x) {
      await x.openStream();
      const event = x.event({ content: 'x'.repeat(4 * MB) });
      for (let at = 0; at < event.length; at += 1024) await x.piece(event.slice(at, at + 1024));
      await x.piece(x.finish + DONE);
      await x.lastPiece();
    },
  },
  ...[10_000, 100_000].map((count) => ({
    name: `sends ${count} small events at once`,
    async serve(/** @type {Exchange} */ x) {
      await x.openStream();
      await x.piece(x.role);
      const hundred = chunked(x.event({ content: 'x' }).repeat(100));
      for (let sent = 0; sent < count; sent += 100) await x.write(hundred);
      await x.piece(x.finish + DONE);
      await x.lastPiece();
    },
    ...(count > 10_000 ? { notJs: 'it takes long for nothing new' } : {}),
  })),
];

/** @type {Fault} */
export const offersMuch = {
  name: 'offers 500 MB',
  async serve(x) {
    await x.openStream();
    await x.piece(x.role);
    const event = x.event({ content: 'x'.repeat(64 * 1024) });
    for (let sent = 0; sent < 500 * MB; sent += event.length) if (!(await x.piece(event))) return;
    await x.piece(x.finish + DONE);
    await x.lastPiece();
  },
};

/** @type {Fault} */
export const goesOn = {
  name: 'goes on for ever',
  async serve(x) {
    await x.openStream();
    await x.piece(x.role);
    while (await x.piece(x.event({ content: 'and ' }))) if (!(await x.pause(20))) return;
  },
};

/** Splits its bytes in two, where the model's name says. The text is not ASCII, and the lines end in CRLF. @type {Fault} */
export const splits = {
  name: 'splits its stream',
  async serve(x) {
    const at = Number(/\d+$/.exec(x.entry.model)?.[0]);
    await x.openStream();
    await x.piece(SPLIT_STREAM.subarray(0, at));
    await x.pause(5);
    await x.piece(SPLIT_STREAM.subarray(at));
    await x.lastPiece();
  },
};
export const SPLIT_TEXT = 'é😀\u2028';
export const SPLIT_STREAM = Buffer.from(
  [
    `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"${SPLIT_TEXT}"}}]}`,
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    'data: [DONE]',
  ].join('\r\n\r\n') + '\r\n\r\n',
);

/** @param {Exchange} x */
function poison(x) {
  const event = x.events(POISON).join('');
  const body = x.isStream ? event : JSON.stringify(x.completion(POISON));
  return head(200, { ...(x.isStream ? EVENTS_TYPE : JSON_TYPE), 'content-length': String(body.length) }) + body;
}
