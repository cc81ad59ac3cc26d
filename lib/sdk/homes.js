'use strict';
/**
 * Requests about a response that an upstream keeps: `retrieve`, `cancel`, `delete` and `inputItems` go to its home, the upstream
 * that issued it, through the SDK's own client of that upstream (contract.md, section 9, "State").
 */

const { passOn, newPromise } = require('../call/promise.js');
const { isObject } = require('../options/checks.js');
const { callClients } = require('./call-clients.js');
const { stateOf } = require('./state-of.js');

/** A path that names a response. */
const OF_RESPONSE = /^\/responses\/([^/?#]+)(?:\/(?:cancel|input_items))?$/;

/**
 * The id of the response that a request is about; `undefined` where it is about none.
 * @param {unknown} method @param {unknown} path
 */
function responseIdOf(method, path) {
  if (typeof path !== 'string' || !['get', 'post', 'delete'].includes(String(method))) return undefined;
  const id = OF_RESPONSE.exec(path)?.[1];
  try {
    // The SDK writes ids into its paths percent-encoded.
    return id === undefined ? undefined : decodeURIComponent(id);
  } catch {
    return undefined;
  }
}

/**
 * Sends a request about a response to its home.
 * @param {any} client @param {string} id @param {any} given The SDK's options, perhaps a promise of them.
 * @param {(options: any) => any} send Sends it to the client's own upstream; gives the SDK's promise.
 */
function sendHome(client, id, given, send) {
  const state = stateOf(client);
  const answered = Promise.resolve(given).then(async (asked) => {
    const { home, options } = await homeOf(state, id, asked);
    if (!home) return passOn(send(options));
    return passOn(home.send(options));
  });
  return newPromise(state, answered);
}

/**
 * The same for a list, whose pages the SDK asks for by a method of its own.
 * @param {any} client @param {string} id @param {any} given @param {(options: any) => any} send Gives what the SDK's `makeRequest` does.
 */
async function listHome(client, id, given, send) {
  const { home, options } = await homeOf(stateOf(client), id, await given);
  return home ? home.list(options) : send(options);
}

/**
 * The upstream that stores a response, and the request without `openpipe`; no home where it is the client's own upstream.
 * @param {import('./state.js').State} state @param {string} id @param {any} asked
 */
async function homeOf(state, id, asked) {
  const { openpipe, ...options } = asked ?? {};
  const named = isObject(openpipe) ? openpipe.upstream : undefined;
  if (named !== undefined && named !== null) return { home: await state.sdkTransport.homeNamed(named), options };
  const { upstream, client } = await known(state, id);
  if (upstream !== undefined) return { home: await state.sdkTransport.homeNamed(upstream), options };
  return { home: client && state.sdkTransport.homeOfClient(client), options };
}

/**
 * The upstream or the custom client on which a response lives, as far as the process knows.
 * @param {import('./state.js').State} state @param {string} id @returns {Promise<{ upstream?: string, client?: object }>}
 */
async function known(state, id) {
  try {
    const others = callClients();
    const identities = others.map(({ identity }) => identity);
    const { upstream, client, other } = JSON.parse((await state.native(false)).home(id, identities));
    return { upstream, client: state.clients[client] ?? others[other]?.client };
  } catch {
    // A client that cannot be made is reported by the request itself.
    return {};
  }
}

module.exports = { listHome, responseIdOf, sendHome };
