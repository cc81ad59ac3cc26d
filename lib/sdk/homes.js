'use strict';
/**
 * Sends requests about a stored response (`retrieve`, `cancel`, `delete`, `inputItems`) to its home, the upstream that stores it,
 * through the SDK's own client of that upstream (contract.md, section 9, "State").
 */

const { passOn, newPromise } = require('../call/promise.js');
const { isObject } = require('../options/checks.js');
const { callClients } = require('./call-clients.js');
const { stateOf } = require('./state-of.js');

/** A path that names a response. */
const OF_RESPONSE = /^\/responses\/([^/?#]+)(?:\/(?:cancel|input_items))?$/;

/**
 * The id of the response that a request names; `undefined` for other requests.
 * @param {unknown} method @param {unknown} path
 */
function responseIdOf(method, path) {
  if (typeof path !== 'string' || !['get', 'post', 'delete'].includes(String(method))) return undefined;
  const id = OF_RESPONSE.exec(path)?.[1];
  try {
    // The SDK percent-encodes ids in its paths.
    return id === undefined ? undefined : decodeURIComponent(id);
  } catch {
    return undefined;
  }
}

/**
 * Sends a request about a response to its home.
 * @param {any} client @param {string} id @param {any} given The SDK's options, or a promise of them.
 * @param {(options: any) => any} send Sends the request to the client's own upstream and returns the SDK's promise.
 */
function sendHome(client, id, given, send) {
  const state = stateOf(client);
  const answered = Promise.resolve(given).then(async (resolved) => {
    const { home, options } = await homeOf(state, id, resolved);
    if (!home) return passOn(send(options));
    return passOn(home.send(options));
  });
  return newPromise(state, answered);
}

/**
 * Sends a request for a page of a list that belongs to a response, such as its input items, to the response's home.
 * @param {any} client @param {string} id @param {any} given @param {(options: any) => any} send The SDK's `makeRequest`.
 */
async function listHome(client, id, given, send) {
  const { home, options } = await homeOf(stateOf(client), id, await given);
  return home ? home.list(options) : send(options);
}

/**
 * The upstream that stores a response, and the request without `openpipe`; no home for the client's own upstream.
 * @param {import('./state.js').State} state @param {string} id @param {any} request
 */
async function homeOf(state, id, request) {
  const { openpipe, ...options } = request ?? {};
  const named = isObject(openpipe) ? openpipe.upstream : undefined;
  if (named !== undefined && named !== null) return { home: await state.sdkTransport.homeNamed(named), options };
  const { upstream, client } = await known(state, id);
  if (upstream !== undefined) return { home: await state.sdkTransport.homeNamed(upstream), options };
  return { home: client && state.sdkTransport.homeOfClient(client), options };
}

/**
 * The upstream or the custom client that stores a response; neither where this process did not see it being made.
 * @param {import('./state.js').State} state @param {string} id @returns {Promise<{ upstream?: string, client?: object }>}
 */
async function known(state, id) {
  try {
    const others = callClients();
    const identities = others.map(({ identity }) => identity);
    const { upstream, client, other } = JSON.parse((await state.native(false)).home(id, identities));
    return { upstream, client: state.clients[client] ?? others[other]?.client };
  } catch {
    // Where the native side cannot be made, the request itself fails with the reason.
    return {};
  }
}

module.exports = { listHome, responseIdOf, sendHome };
