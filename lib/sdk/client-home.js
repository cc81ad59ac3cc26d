'use strict';
/**
 * A custom client as the home of a response: asks it for `retrieve`, `cancel`, `delete` and `inputItems` by its own methods, and
 * puts what it returns in the form in which the SDK has a response (contract.md, section 9, "State").
 */

const { responseOf } = require('../call/response.js');
const { wireBody } = require('../call/stream.js');

/** The path of a request about a response: its id, and what of it. */
const PATH = /^\/responses\/([^/?#]+)(?:\/(cancel|input_items))?$/;

/**
 * The method of a custom client that a request is for. `takesQuery`: its second argument is the query.
 * @type {Record<string, { name: string, of: (responses: any) => any, takesQuery: boolean }>}
 */
const METHODS = {
  get: { name: 'retrieve', of: (responses) => responses, takesQuery: true },
  'get input_items': { name: 'list', of: (responses) => responses?.inputItems, takesQuery: true },
  'post cancel': { name: 'cancel', of: (responses) => responses, takesQuery: false },
  delete: { name: 'delete', of: (responses) => responses, takesQuery: false },
};

/**
 * Asks a custom client about a response that it keeps.
 * @param {import('./sdk.js').Sdk} sdk @param {any} client @param {any} options The SDK's.
 * @returns {Promise<any>} What the SDK's `makeRequest` gives.
 */
async function askedOfClient(sdk, client, options) {
  const { method, path, query, signal, timeout, maxRetries, headers } = options;
  const [, id = '', what] = PATH.exec(path) ?? [];
  const asked = METHODS[what ? `${method} ${what}` : method];
  const resource = asked?.of(client?.responses);
  if (!asked || typeof resource?.[asked.name] !== 'function')
    throw new sdk.OpenAIError(`the custom client that keeps this response has no method for ${method} ${path}`);
  const given = Object.entries({ signal, timeout, maxRetries, headers }).filter(([, value]) => value !== undefined);
  const own = Object.fromEntries(given);
  const args = asked.takesQuery ? [query ?? {}, own] : [own];
  const value = await resource[asked.name](decodeURIComponent(id), ...args);
  return {
    ...{ response: responseTo(value), options, controller: new AbortController() },
    ...{ requestLogID: 'log_000000', retryOfRequestLogID: undefined, startTime: Date.now() },
  };
}

/** A stream as its events, all else as JSON. @param {any} value */
function responseTo(value) {
  const iterator = value?.[Symbol.asyncIterator]?.();
  if (!iterator || Array.isArray(value.data))
    return responseOf(null, JSON.stringify(value ?? null), 'application/json');
  const reader = { next: () => iterator.next(), close: () => iterator.return?.(), left: false };
  return responseOf(null, wireBody(reader, 'responses'), 'text/event-stream');
}

module.exports = { askedOfClient };
