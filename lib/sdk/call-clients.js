'use strict';
/**
 * Custom clients that were given to single calls and may keep a response that a later request is about (contract.md, section 9,
 * "State"). Held weakly: their owner decides how long they live.
 */

const { identityOf } = require('../host-client/identity.js');

/** The most clients that are remembered; the least recently used one is dropped. */
const MOST = 1000;

/** In the order of their last use. @type {Set<WeakRef<object>>} */
const known = new Set();
/** @type {WeakMap<object, WeakRef<object>>} */
const references = new WeakMap();

/** Remembers a client that was called for a response. @param {object} client */
function remember(client) {
  let reference = references.get(client);
  if (!reference) references.set(client, (reference = new WeakRef(client)));
  known.delete(reference);
  known.add(reference);
  if (known.size > MOST) known.delete(/** @type {WeakRef<object>} */ (known.values().next().value));
}

/** Those that still exist, with what the core knows them by. @returns {{ client: object, identity: string }[]} */
function callClients() {
  const clients = [];
  for (const reference of known) {
    const client = reference.deref();
    if (client) clients.push({ client, identity: identityOf(client) ?? '' });
    else known.delete(reference);
  }
  return clients;
}

module.exports = { callClients, remember };
