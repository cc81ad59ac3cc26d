'use strict';
/**
 * Custom clients of single calls that may store a response which a later request names (contract.md, section 9, "State"). They are
 * held weakly, so that remembering one does not keep it alive.
 */

const { identityOf } = require('../host-client/identity.js');

/** How many clients are remembered; beyond that the least recently used one is dropped. */
const MAX_CLIENTS = 1000;

/** The clients in the order of their last use. @type {Set<WeakRef<object>>} */
const known = new Set();
/** @type {WeakMap<object, WeakRef<object>>} */
const references = new WeakMap();

/** Remembers a client that was called for a response. @param {object} client */
function remember(client) {
  let reference = references.get(client);
  if (!reference) references.set(client, (reference = new WeakRef(client)));
  known.delete(reference);
  known.add(reference);
  if (known.size > MAX_CLIENTS) known.delete(/** @type {WeakRef<object>} */ (known.values().next().value));
}

/** The clients that still exist, with the identity that the core has for each. @returns {{ client: object, identity: string }[]} */
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
