/** Every fault that the server knows, by its name. */

import { connectionFaults } from './connections.mjs';
import { failover } from './failover.mjs';
import { oddities } from './oddities.mjs';
import { responseFaults, statusFaults } from './responses.mjs';
import {
  goesOn,
  goesSilent,
  keptAlive,
  largeStreams,
  offersMuch,
  redirects,
  splits,
  unasked,
  uploads,
} from './sequences.mjs';
import { midStreamFaults, streamFaults } from './streams.mjs';

/** @import { Fault } from './fault.mjs' */

/** @type {Map<string, Fault>} */
const faults = new Map();
for (const fault of [
  ...connectionFaults,
  ...responseFaults,
  ...statusFaults,
  failover,
  ...keptAlive,
  ...unasked,
  goesSilent,
  ...uploads,
  ...redirects,
  ...largeStreams,
  offersMuch,
  goesOn,
  splits,
  ...streamFaults,
  ...midStreamFaults,
  ...oddities.map(({ name, serve }) => ({ name, serve })),
]) {
  if (faults.has(fault.name)) throw new Error(`two faults are named "${fault.name}"`);
  faults.set(fault.name, fault);
}

/** @param {string} name @returns {Fault} */
export function faultNamed(name) {
  return faults.get(name) ?? { name, serve: (x) => x.json({ error: { message: `no fault is named "${name}"` } }, 404) };
}
