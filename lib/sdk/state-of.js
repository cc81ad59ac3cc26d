'use strict';
/**
 * Finds the state of a client. It is kept in a WeakMap and not in a member of the client, and is also found from a proxy, a wrapper or
 * a shallow clone of the client or of its resources.
 */

/** @typedef {import('./state.js').State} State */

/** @type {WeakMap<object, State>} */
const states = new WeakMap();

/** Every state that this module made known: an object that a foreign proxy returns may be none. @type {WeakSet<object>} */
const all = new WeakSet();

/**
 * The name of a client's function that returns its state. It is a function because a proxy that wraps every object it returns
 * (Sentry's) would return a proxy of the state, but returns functions as they are.
 */
const stateKey = Symbol('openpipe-native.state');

/** @param {object} client @param {State} state */
function keepState(client, state) {
  states.set(client, state);
  all.add(state);
  Object.defineProperty(client, stateKey, { value: () => state, enumerable: false });
}

/**
 * The state of a client, or of the client behind a proxy or an object made from it.
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

/** The state that a client's own function returns, if it is one: a mock may return something for every name. @param {any} client @returns {State | undefined} */
function stateBehind(client) {
  const getState = client?.[stateKey];
  const state = typeof getState === 'function' ? getState() : undefined;
  return all.has(state) ? state : undefined;
}

/** Whether a custom client is a client of this package, or a proxy of one. @param {any} custom */
function isOurs(custom) {
  try {
    return findState(custom) !== undefined;
  } catch {
    // A member that cannot be read says nothing about what the client is.
    return false;
  }
}

module.exports = { isOurs, keepState, stateOf };
