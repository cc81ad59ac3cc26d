/** The ways in which a reported call can end. */

import { PRIMARY } from './upstreams.mjs';
import { MODEL } from './reporting.mjs';

/** @import { Staging } from './reporting.mjs' */

/** What it is, its body, and what the upstreams do. @type {[string, any, Staging?][]} */
export const ends = [
  ['a completion', {}],
  ['a stream', { stream: true }],
  ['an error', {}, { calls: { kind: 'status', status: 400 } }],
  ['the error of a stream', { stream: true }, { calls: { kind: 'answer', fault: { after: 2, how: 'reset' } } }],
  [
    'a fallback',
    { model: PRIMARY, openpipe: { fallback: { model: MODEL } } },
    { openpipeCalls: { kind: 'status', status: 500 } },
  ],
];
