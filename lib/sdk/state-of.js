'use strict';
/**
 * The state of a client. It is kept beside the client and not in it, so that wrappers, proxies and shallow clones of a client or of
 * its parts still find it.
 */

/** @typedef {import('./state.js').State} State */

/** @type {WeakMap<object, State>} */
const states = new WeakMap();

/** Every state: what gives one may be of somebody else's making. @type {WeakSet<object>} */
const all = new WeakSet();

/**
 * What gives a client's state, on the client itself: proxies that hand out proxies of all that they reach (Sentry's) hand this
 * on as the function that it is.
 */
const stateKey = Symbol('openpipe-native.state');

/** @param {object} client @param {State} state */
function keepState(client, state) {
  states.set(client, state);
  all.add(state);
  Object.defineProperty(client, stateKey, { value: () => state, enumerable: false });
}

/**
 * The state of a client, also by what stands for one: a proxy around it, or an object made from it.
 * @param {any} client @returns {State}
 */
function stateOf(client) {
  const state = findState(client);
  if (!state) throw new TypeError('this was called on an object that is not a client of openpipe-native');
  return state;
}

/** @param {any} client @returns {State | undefined} */
function findState(client) {
  return (
    states.get(client) ??
    stateBehind(client) ??
    states.get(client?.chat?.completions?._client) ??
    states.get(Object.getPrototypeOf(client ?? {}))
  );
}

/** By what a client carries itself; whatever stands in its place may answer to every name. @param {any} client @returns {State | undefined} */
function stateBehind(client) {
  const tell = client?.[stateKey];
  const state = typeof tell === 'function' ? tell() : undefined;
  return all.has(state) ? state : undefined;
}

/** Whether a custom client is one of this package, or stands for one. @param {any} custom */
function isOurs(custom) {
  try {
    return findState(custom) !== undefined;
  } catch {
    // It is not to be looked at, only to be called.
    return false;
  }
}

module.exports = { isOurs, keepState, stateOf };
