/** Faults of a stream: where it dies or stalls, how it ends, and what its events say. */

import { sseEvent } from '../../../demo/upstream/payload.mjs';
import { DONE } from '../server/exchange.mjs';
import { badStream, brokenStream, invalid, STALL_TIMEOUT, timeout } from './fault.mjs';

/** @import { Exchange } from '../server/exchange.mjs' */
/** @import { Fault } from './fault.mjs' */

/** The openings of a stream, each with what has been sent by then; none of them commits it. */
const OPENINGS = /** @type {[string, (x: Exchange) => string[]][]} */ ([
  ['its headers', () => []],
  ['a comment', () => [': processing\n\n']],
  ['the role event', (x) => [x.role]],
  ['empty deltas', (x) => [x.role, x.event({ content: '' }), x.event({}), x.event({ tool_calls: [] })]],
  ['half an event', (x) => [x.role, x.event({ content: 'Half' }).slice(0, -30)]],
]);

/** Longer than a good answer may pause on a busy machine. */
const IDLE_TIMEOUT = 1_000;

/** @type {Fault[]} */
export const streamFaults = [
  ...OPENINGS.flatMap(([where, events]) => endings(where, events)),
  ...[
    ['nothing at all', []],
    ['nothing but comments', [': one\n\n', ': two\n\n']],
    ['nothing but [DONE]', [DONE]],
    ['a role and [DONE]', ['role', DONE]],
    ['an error event', ['role', 'event: error\ndata: {"message":"overloaded"}\n\n']],
    ['an error event whose data is not JSON', ['role', 'event: error\ndata: overloaded\n\n']],
    ['an error', ['role', sseEvent({ error: { message: 'overloaded', type: 'server_error' } })]],
    ['an error beside choices', ['role', sseEvent({ choices: [], error: { message: 'overloaded' } })]],
    ['an event that is half of its JSON', ['role', 'data: {"choices":[{"index":0,"delta":{"cont\n\n']],
    ['an event that is not JSON', ['role', 'data: processing\n\n']],
    ['an event without data', ['role', 'data:\n\n']],
    ['an event with NUL', ['role', 'data: {"choices":[],"x":"\0"}\n\n']],
    ['NUL where an event should be', ['role', '\0\0\0\0\n\n']],
    ['events that are null', ['role', 'data: null\n\n']],
    ['events that are numbers', ['role', 'data: 42\n\n']],
    ['events that are arrays', ['role', 'data: [{"choices":[]}]\n\n']],
    ['bytes that are not UTF-8', ['role', Buffer.from('data: \xff\xfe\xfd\n\n', 'latin1')]],
    ['one JSON after the other, without events', ['{"choices":[{"delta":{"content":"x"}}]}\n', '{"choices":[]}\n']],
    ['unknown fields', ['role', 'date: {"choices":[]}\n\n', 'choices: []\n\n']],
  ].map(([what, events]) => ({
    name: `sends ${what}`,
    async serve(/** @type {Exchange} */ x) {
      await x.openStream();
      for (const event of /** @type {any[]} */ (events)) await x.piece(event === 'role' ? x.role : event);
      await x.lastPiece();
    },
    stream: badStream(),
  })),
  {
    name: 'sends an event without end',
    async serve(x) {
      await x.openStream();
      await x.piece('data: {"choices":[{"delta":{"content":"');
      while (await x.piece('x'.repeat(64 * 1024)));
    },
    stream: invalid(),
    openpipe: { maxResponseBytes: 4 * 1024 * 1024 },
    notJs: 'it takes all of an event that comes before its time is up',
  },
  {
    name: 'sends nothing but keep-alives',
    async serve(x) {
      await x.openStream();
      while (await x.piece(': keep-alive\n\n')) if (!(await x.pause(20))) return;
    },
    stream: timeout(),
    timeout: STALL_TIMEOUT,
  },
];

/** Faults after the caller has read content, so that no fallback is possible, except with `holdUntil: "finish"`. @type {Fault[]} */
export const midStreamFaults = [
  ['the first content', (/** @type {Exchange} */ x) => x.events().slice(0, 2)],
  ['some content', (/** @type {Exchange} */ x) => x.events().slice(0, 4)],
  // Everything but the finish reason: the text is complete, but the reader cannot know.
  ['the last content', (/** @type {Exchange} */ x) => x.events().slice(0, -2)],
].flatMap(([where, events]) =>
  [
    ...endings(/** @type {string} */ (where), /** @type {(x: Exchange) => string[]} */ (events)),
    ...[
      ['an error event', () => 'event: error\ndata: {"message":"overloaded"}\n\n'],
      ['an error line', () => 'error: {"message":"overloaded"}\n\n'],
      ['a line of JSON', () => '{"error":{"message":"overloaded"}}\n\n'],
      ['an error', () => sseEvent({ error: { message: 'overloaded' } })],
      ['an event that is not JSON', () => 'data: {"choices":[{"delta":{"content": \n\n'],
      ['NUL', () => 'data: \0\n\n'],
    ].map(([what, event]) => ({
      name: `sends ${what} after ${where}`,
      async serve(/** @type {Exchange} */ x) {
        await x.openStream();
        for (const each of /** @type {(x: Exchange) => string[]} */ (events)(x)) await x.piece(each);
        await x.piece(/** @type {() => string} */ (event)());
        await x.piece(x.finish);
        await x.piece(DONE);
        await x.lastPiece();
      },
      stream: badStream(),
    })),
  ].map((/** @type {Fault} */ fault) =>
    // The silence after content is the idle timeout's.
    fault.timeout
      ? {
          ...fault,
          timeout: undefined,
          stream: { ...timeout(), kind: /** @type {const} */ ('stream') },
          openpipe: { idleTimeout: IDLE_TIMEOUT },
        }
      : fault,
  ),
);

/**
 * The four ways in which a stream ends too early.
 * @param {string} where @param {(x: Exchange) => string[]} events
 * @returns {Fault[]}
 */
function endings(where, events) {
  const start = async (/** @type {Exchange} */ x) => {
    await x.openStream();
    for (const event of events(x)) await x.piece(event);
  };
  return [
    {
      name: `resets the stream after ${where}`,
      serve: (x) => start(x).then(() => x.writeAndReset('')),
      stream: brokenStream({ cause: 'ECONNRESET' }),
    },
    { name: `closes the stream after ${where}`, serve: (x) => start(x).then(() => x.close()), stream: brokenStream() },
    {
      name: `ends the stream after ${where}`,
      serve: (x) => start(x).then(() => x.lastPiece()),
      stream: badStream(),
    },
    { name: `stalls the stream after ${where}`, serve: start, stream: timeout(), timeout: STALL_TIMEOUT },
  ];
}
