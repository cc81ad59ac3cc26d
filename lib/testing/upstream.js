'use strict';
/**
 * A small OpenAI-compatible upstream that fails on request: `openpipe-native/testing`, which the demo and the tests use too.
 *
 * It answers a request by a {@link Behaviour}: the one that the function `behaviour` returns, else the one for the request's model (see
 * behaviour.js).
 */

const { EventEmitter, once } = require('node:events');
const { createServer } = require('node:http');
const { createServer: createTcpServer } = require('node:net');

const { isObject, refuse, shown } = require('../options/checks.js');
const { endpointOf } = require('./answers.js');
const { behaviourOfModel } = require('./behaviour.js');
const { perform } = require('./perform.js');

/**
 * @import { IncomingMessage, ServerResponse } from "node:http"
 * @import { AddressInfo, Server, Socket } from "node:net"
 */

/** @typedef {import("./behaviour.js").Behaviour} Behaviour */

/**
 * A request as it arrived. It is logged when its body is complete.
 *
 * @typedef {object} LoggedRequest
 * @property {string} method
 * @property {string} path With the query.
 * @property {import("node:http").IncomingHttpHeaders} headers
 * @property {string[]} rawHeaders Names and values in turn, as they were sent.
 * @property {any} body The parsed JSON; undefined where the body is not JSON.
 * @property {string} rawBody
 * @property {number} at When its head arrived, in ms since the epoch.
 * @property {number} connection The number of its connection, from 1: equal where one was reused.
 * @property {number} eventsSent How many events of a stream have been written to the socket.
 * @property {Outcome | "open"} outcome
 * @property {Promise<Outcome>} closed Settles when the response or its connection has closed.
 */

/**
 * `broken off`: either side closed the connection before the response was complete. The outcome of raw
 * bytes, whose end is not known, is always `broken off`.
 *
 * @typedef {"answered" | "broken off"} Outcome
 */

/**
 * @typedef {object} UpstreamOptions
 * @property {number} [port] Default: one that is free.
 * @property {string} [host] Default 127.0.0.1.
 * @property {string} [name] The name in the text of its answers. Default `upstream`.
 * @property {number} [keepAliveMs] How long an idle connection is kept, in ms. Default 5000.
 * @property {Readonly<Record<string, Behaviour>>} [behaviours] By model, for all endpoints; takes precedence over the built-in ones.
 * @property {(request: LoggedRequest) => Behaviour | undefined} [behaviour] Called first, once for
 *   each request on any path.
 */

/**
 * @typedef {object} Upstream
 * @property {string} url The base URL for a client: `http://HOST:PORT/v1`.
 * @property {number} port
 * @property {LoggedRequest[]} requests Always the same array.
 * @property {number} connections How many are open now.
 * @property {number} totalConnections How many there have been since the start.
 * @property {(count: number) => Promise<LoggedRequest>} arrival Resolves with the request
 *   of that number in the log (1 = the first) as soon as it is there.
 * @property {() => void} reset Empties the log, and `failFirst` counts anew. Connections stay.
 * @property {() => Promise<void>} close Destroys all connections and stops listening.
 */

/**
 * @param {UpstreamOptions} [options]
 * @returns {Promise<Upstream>}
 */
async function startUpstream(options = {}) {
  checkOptions(options);
  const { port: wantedPort = 0, host = '127.0.0.1', name = 'upstream', keepAliveMs = 5_000 } = options;
  /** @type {LoggedRequest[]} */
  const requests = [];
  const chooseBehaviour = behaviourChooser(options);
  const arrivals = new EventEmitter().setMaxListeners(0);

  const server = createServer({ keepAliveTimeout: keepAliveMs });
  const sockets = trackSockets(server);
  server.on('request', async (incoming, response) => {
    const request = await readRequest(incoming, response, sockets.numberOf(incoming.socket));
    if (!request) return;
    requests.push(request);
    arrivals.emit('request');
    await answerRequest(request, incoming.socket, response, name, () => chooseBehaviour.next(request));
  });
  const port = await listen(server, wantedPort, host);

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}/v1`,
    port,
    requests,
    get connections() {
      return sockets.open();
    },
    get totalConnections() {
      return sockets.total();
    },
    async arrival(count) {
      for (;;) {
        const request = requests[count - 1];
        if (request) return request;
        await once(arrivals, 'request');
      }
    },
    reset() {
      requests.length = 0;
      chooseBehaviour.reset();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      sockets.destroyAll();
      await closed;
    },
  };
}

/** The check of each option: with a misspelt or malformed one a test could pass for the wrong reason. @type {Record<string, [takes: string, fits: (value: any) => boolean]>} */
const OPTIONS = {
  port: ['a port number from 0 to 65535', (value) => Number.isInteger(value) && value >= 0 && value <= 65_535],
  host: ['a non-empty string', (value) => typeof value === 'string' && value !== ''],
  name: ['a non-empty string', (value) => typeof value === 'string' && value !== ''],
  keepAliveMs: ['a number of milliseconds from 0', (value) => Number.isFinite(value) && value >= 0],
  behaviours: ['an object of behaviours by model', isObject],
  behaviour: ['a function', (value) => typeof value === 'function'],
};

/** @param {unknown} options @throws {TypeError} Names the first option that is malformed or not known. */
function checkOptions(options) {
  if (!isObject(options)) throw new TypeError(`the options of startUpstream must be an object, got ${shown(options)}`);
  for (const [option, value] of Object.entries(options)) {
    const row = Object.hasOwn(OPTIONS, option) ? OPTIONS[option] : undefined;
    if (!row)
      throw new TypeError(
        `startUpstream has no option ${JSON.stringify(option)}: it has ${Object.keys(OPTIONS).join(', ')}.`,
      );
    if (value !== undefined && !row[1](value)) refuse(option, row[0], value);
  }
}

/**
 * A port of this machine without a listener: connections to it are refused. It is below the range of ephemeral ports (from 32768 on
 * Linux, 49152 on macOS and Windows), from which another server could get it at any time.
 *
 * @param {string} [host]
 * @returns {Promise<number>}
 */
async function closedPort(host = '127.0.0.1') {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const server = createTcpServer();
    try {
      await listen(server, port, host);
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/**
 * @param {Server} server
 * @param {number} port
 * @param {string} host
 */
async function listen(server, port, host) {
  server.listen(port, host);
  await once(server, 'listening');
  return /** @type {AddressInfo} */ (server.address()).port;
}

/** @param {Server} server */
function trackSockets(server) {
  /** @type {Map<Socket, number>} */
  const numbers = new Map();
  let total = 0;
  server.on('connection', (/** @type {Socket} */ socket) => {
    numbers.set(socket, ++total);
    // A client that resets a connection is a normal case for tests, not an error here.
    socket.on('error', () => {});
    socket.once('close', () => numbers.delete(socket));
  });
  return {
    open: () => numbers.size,
    total: () => total,
    numberOf: (/** @type {Socket} */ socket) => numbers.get(socket) ?? 0,
    destroyAll() {
      for (const socket of numbers.keys()) socket.destroy();
    },
  };
}

/** @param {UpstreamOptions} options */
function behaviourChooser({ behaviour, behaviours = {} }) {
  /** @type {Map<unknown, number>} Requests so far, by model. */
  const seen = new Map();
  return {
    /** @param {LoggedRequest} request @returns {Behaviour} */
    next(request) {
      const chosen = behaviour?.(request) ?? usualBehaviour(request, behaviours);
      const model = request.body?.model;
      const before = seen.get(model) ?? 0;
      seen.set(model, before + 1);
      if (before >= (chosen.failFirst ?? 0)) return chosen;
      return chosen.failWith ?? { kind: 'status', status: 500 };
    },
    reset: () => seen.clear(),
  };
}

/**
 * @param {LoggedRequest} request
 * @param {Readonly<Record<string, Behaviour>>} behaviours
 * @returns {Behaviour}
 */
function usualBehaviour({ method, path, body }, behaviours) {
  const { pathname } = new URL(path, 'http://upstream');
  if (method === 'POST' && endpointOf(path)) return behaviourOfModel(String(body?.model), behaviours);
  const given = Object.hasOwn(behaviours, String(body?.model)) ? behaviours[body.model] : undefined;
  if (method === 'POST' && given) return given;
  if (method === 'POST' && pathname.endsWith('/report'))
    return { kind: 'status', status: 200, body: { json: { status: 'ok' } } };
  const message = `Unknown request URL: ${method} ${pathname}.`;
  return { kind: 'status', status: 404, error: { message, code: 'unknown_url' } };
}

/**
 * @param {IncomingMessage} incoming
 * @param {ServerResponse} response
 * @param {number} connection
 * @returns {Promise<LoggedRequest | undefined>} undefined where the client left in the middle.
 */
async function readRequest(incoming, response, connection) {
  const at = Date.now();
  const rawBody = await readText(incoming);
  if (rawBody === undefined) return undefined;
  /** @type {LoggedRequest} */
  const request = {
    method: incoming.method ?? '',
    path: incoming.url ?? '',
    headers: incoming.headers,
    rawHeaders: incoming.rawHeaders,
    body: parseJson(rawBody),
    rawBody,
    at,
    connection,
    eventsSent: 0,
    outcome: 'open',
    closed: new Promise((resolve) => {
      response.once('close', () => {
        request.outcome = response.writableFinished ? 'answered' : 'broken off';
        resolve(request.outcome);
      });
    }),
  };
  return request;
}

/** @param {IncomingMessage} incoming */
async function readText(incoming) {
  /** @type {Buffer[]} */
  const chunks = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** @param {string} text @returns {unknown} */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Answers a request. An error in a behaviour becomes an unhandled rejection, which fails a test run; that a client closes the connection is
 * not an error.
 *
 * @param {LoggedRequest} request
 * @param {Socket} socket
 * @param {ServerResponse} response
 * @param {string} upstreamName
 * @param {() => Behaviour} chooseBehaviour
 */
async function answerRequest(request, socket, response, upstreamName, chooseBehaviour) {
  const leaving = new AbortController();
  const gone = leaving.signal;
  response.once('close', () => leaving.abort());
  try {
    await perform(chooseBehaviour(), { request, response, socket, gone, upstreamName });
  } catch (error) {
    if (gone.aborted) return;
    socket.destroy();
    throw error;
  }
}

module.exports = { startUpstream, closedPort };
