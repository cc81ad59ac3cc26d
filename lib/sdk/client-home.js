'use strict';
/**
 * A custom client as the home of a response: `retrieve`, `cancel`, `delete` and `inputItems` call the client's own methods, and
 * what they return is put into the form in which the SDK keeps a response (contract.md, section 9, "State").
 */

const { responseOf } = require('../call/response.js');
const { wireBody } = require('../call/stream.js');

/** The path of a request about a response: the response's id and, optionally, a part or an action of it. */
const PATH = /^\/responses\/([^/?#]+)(?:\/(cancel|input_items))?$/;

/**
 * The method of a custom client for each request, by HTTP method and part. `takesQuery`: its second argument is the query.
 * @type {Record<string, { name: string, of: (responses: any) => any, takesQuery: boolean }>}
 */
const METHODS = {
  get: { name: 'retrieve', of: (responses) => responses, takesQuery: true },
  'get input_items': { name: 'list', of: (responses) => responses?.inputItems, takesQuery: true },
  'post cancel': { name: 'cancel', of: (responses) => responses, takesQuery: false },
  delete: { name: 'delete', of: (responses) => responses, takesQuery: false },
};

/**
 * Sends a request about a response to the custom client that keeps it.
 * @param {import('./sdk.js').Sdk} sdk @param {any} client @param {any} options The SDK's.
 * @returns {Promise<any>} What the SDK's `makeRequest` gives.
 */
async function sendToClientHome(sdk, client, options) {
  const { method, path, query, signal, timeout, maxRetries, headers } = options;
  const [, id = '', what] = PATH.exec(path) ?? [];
  const target = METHODS[what ? `${method} ${what}` : method];
  const resource = target?.of(client?.responses);
  if (!target || typeof resource?.[target.name] !== 'function')
    throw new sdk.OpenAIError(`the custom client that keeps this response has no method for ${method} ${path}`);
  const given = Object.entries({ signal, timeout, maxRetries, headers }).filter(([, value]) => value !== undefined);
  const own = Object.fromEntries(given);
  const args = target.takesQuery ? [query ?? {}, own] : [own];
  const value = await resource[target.name](decodeURIComponent(id), ...args);
  return {
    ...{ response: responseTo(value), options, controller: new AbortController() },
    ...{ requestLogID: 'log_000000', retryOfRequestLogID: undefined, startTime: Date.now() },
  };
}

/** The `Response` with a client's value: server-sent events for a stream, JSON for all else. @param {any} value */
function responseTo(value) {
  const iterator = value?.[Symbol.asyncIterator]?.();
  if (!iterator || Array.isArray(value.data))
    return responseOf(null, JSON.stringify(value ?? null), 'application/json');
  const reader = { next: () => iterator.next(), close: () => iterator.return?.(), left: false };
  return responseOf(null, wireBody(reader, true), 'text/event-stream');
}

module.exports = { sendToClientHome };
