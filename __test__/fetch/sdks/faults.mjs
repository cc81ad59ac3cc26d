/** What goes wrong with the first target, and how its attempt is called. */

import { sseEvent } from '../../../demo/upstream/payload.mjs';

/** @import { Behaviour } from '../../../demo/upstream.mjs' */

/** @typedef {{ name: string, behaviour: Behaviour, outcome: string, onlyStreams?: boolean }} Fault */

/** @type {Fault[]} */
export const FAULTS = [
  { name: '429', behaviour: { kind: 'status', status: 429 }, outcome: 'rate_limit' },
  { name: '500', behaviour: { kind: 'status', status: 500 }, outcome: 'server_error' },
  { name: 'silence', behaviour: { kind: 'silence' }, outcome: 'timeout' },
  { name: 'a connection that breaks', behaviour: { kind: 'reset' }, outcome: 'connection' },
  {
    name: 'an answer that is none',
    behaviour: { kind: 'status', status: 200, body: 'html' },
    outcome: 'invalid_response',
  },
  {
    name: 'an error under a good status',
    behaviour: { kind: 'status', status: 200, body: { json: { error: { message: 'overloaded' } } } },
    outcome: 'invalid_response',
  },
  {
    name: 'a stream that is cut before its content',
    behaviour: { kind: 'answer', fault: { after: 'role', how: 'cut' } },
    outcome: 'stream',
    onlyStreams: true,
  },
  {
    name: 'a stream that is silent before its content',
    behaviour: { kind: 'answer', fault: { after: 'role', how: 'keep-alive' } },
    outcome: 'timeout',
    onlyStreams: true,
  },
  {
    name: 'an error in the stream before its content',
    behaviour: { kind: 'sse', sse: [sseEvent({ error: { message: 'overloaded', type: 'server_error' } })] },
    outcome: 'stream',
    onlyStreams: true,
  },
];

/** What goes wrong with a stream after its content has begun. @type {{ name: string, behaviour: Behaviour }[]} */
export const LATE_FAULTS = [
  { name: 'is cut', behaviour: { kind: 'answer', fault: { after: 2, how: 'cut' } } },
  { name: 'falls silent', behaviour: { kind: 'answer', fault: { after: 2, how: 'stall' } } },
  { name: 'carries an error', behaviour: { kind: 'answer', fault: { after: 2, how: 'error-event' } } },
];
