'use strict';
/** The endpoints of the engine (crates/core/src/endpoint/mod.rs): the one table of them in JavaScript, which a test compares with the core's. */

/**
 * @typedef {object} Endpoint
 * @property {string} name Its name in the core.
 * @property {string} path Below the base URL.
 * @property {string} result What error messages call its result.
 * @property {(client: any) => any} resource The resource of an SDK's client whose `create` calls it.
 * @property {(Sdk: any) => any} classOf The class of that resource, from the SDK's class of clients.
 * @property {boolean} namesEvents The events of its streams have names on the wire, and no `[DONE]` ends them.
 * @property {boolean} hasStreams Its answers can be streamed.
 */

/** The first is the default. A path that ends in another one's stands before it. @type {readonly Endpoint[]} */
const ENDPOINTS = Object.freeze([
  {
    name: 'chat',
    path: '/chat/completions',
    result: 'a chat completion',
    resource: (client) => client.chat?.completions,
    classOf: (Sdk) => Sdk.Chat.Completions,
    namesEvents: false,
    hasStreams: true,
  },
  {
    name: 'completions',
    path: '/completions',
    result: 'a completion',
    resource: (client) => client.completions,
    classOf: (Sdk) => Sdk.Completions,
    namesEvents: false,
    hasStreams: true,
  },
  {
    name: 'responses',
    path: '/responses',
    result: 'a response',
    resource: (client) => client.responses,
    classOf: (Sdk) => Sdk.Responses,
    namesEvents: true,
    hasStreams: true,
  },
  {
    name: 'embeddings',
    path: '/embeddings',
    result: 'embeddings',
    resource: (client) => client.embeddings,
    classOf: (Sdk) => Sdk.Embeddings,
    namesEvents: false,
    hasStreams: false,
  },
]);

const BY_PATH = new Map(ENDPOINTS.map((endpoint) => [endpoint.path, endpoint]));

/** The endpoint with exactly this path. @param {any} path @returns {Endpoint | undefined} */
function endpointAt(path) {
  return BY_PATH.get(path);
}

/** The endpoint of a URL's path, which begins with that of any base URL. @param {string} path @returns {Endpoint | undefined} */
function endpointBelow(path) {
  return ENDPOINTS.find((endpoint) => path.endsWith(endpoint.path));
}

module.exports = { ENDPOINTS, endpointAt, endpointBelow };
