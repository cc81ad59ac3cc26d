'use strict';
/** Answers one request by a {@link Behaviour}. */

const { CHAT, endpointOf } = require('./answers.js');
const { bodyWriter, destroyAfterDelivery, pause, resetAfterDelivery, send } = require('./exchange.js');
const { errorBody, htmlPage, newId } = require('./payload.js');
const { playStream } = require('./stream.js');

/**
 * @import { Answer, Behaviour, Bytes, Raw, Sse, Status } from "./behaviour.js"
 * @import { Exchange } from "./exchange.js"
 */

const NOT_HTTP = '\u0000\u0001\u0002 this is not HTTP \u0003\r\n\r\n';

/**
 * Resolves when the behaviour is complete; rejects when the client leaves before that.
 *
 * @param {Behaviour} behaviour
 * @param {Exchange} exchange
 * @returns {Promise<void>}
 */
async function perform(behaviour, exchange) {
  await pause(exchange, behaviour.delayMs);
  switch (behaviour.kind) {
    case 'answer':
      return wantsStream(exchange) ? stream(behaviour, exchange) : answer(behaviour, exchange);
    case 'status':
      return status(behaviour, exchange);
    case 'silence':
      return;
    case 'reset':
      exchange.socket.resetAndDestroy();
      return;
    case 'close':
      exchange.socket.end();
      return;
    case 'half-body':
      await halfOfTheBody(exchange);
      return destroyAfterDelivery(exchange);
    case 'stall-body':
      return halfOfTheBody(exchange);
    case 'garbage':
      return raw({ kind: 'raw', bytes: NOT_HTTP }, exchange);
    case 'raw':
      return raw(behaviour, exchange);
    case 'sse':
      return sse(behaviour, exchange);
    default:
      throw new TypeError(`no such behaviour: ${JSON.stringify(behaviour)}`);
  }
}

/** @param {Answer} behaviour @param {Exchange} exchange */
async function answer(behaviour, exchange) {
  const { response } = exchange;
  const headers = { ...encodingHeader(behaviour), ...behaviour.headers };
  response.writeHead(behaviour.status ?? 200, jsonHeaders(headers));
  const body = bodyWriter(exchange, behaviour.encoding);
  await body.write(JSON.stringify(endpointFor(exchange).whole(question(exchange, behaviour))));
  body.end();
}

/** @param {Answer} behaviour @param {Exchange} exchange */
async function stream(behaviour, exchange) {
  const { response } = exchange;
  const headers = { ...encodingHeader(behaviour), ...behaviour.headers };
  response.writeHead(behaviour.status ?? 200, sseHeaders(headers));
  response.flushHeaders();
  await playStream(behaviour, exchange, endpointFor(exchange), eventsFor(exchange, behaviour));
}

/** @param {Status} behaviour @param {Exchange} exchange */
async function status(behaviour, { response }) {
  const { body = 'error' } = behaviour;
  if (body === 'html') {
    const type = { 'content-type': 'text/html; charset=utf-8' };
    response.writeHead(behaviour.status, { ...type, ...behaviour.headers });
    response.end(htmlPage);
  } else if (body === 'empty') {
    response.writeHead(behaviour.status, behaviour.headers);
    response.end();
  } else if (typeof body === 'object' && 'bytes' in body) {
    response.writeHead(behaviour.status, behaviour.headers);
    response.end(body.bytes);
  } else {
    const json = body === 'error' ? errorBody(behaviour.status, behaviour.error) : body.json;
    response.writeHead(behaviour.status, jsonHeaders(behaviour.headers));
    response.end(JSON.stringify(json));
  }
}

/**
 * Announces the length of a good answer and sends its first half.
 *
 * @param {Exchange} exchange
 */
async function halfOfTheBody(exchange) {
  const streamed = wantsStream(exchange);
  const text = streamed
    ? eventsFor(exchange)
        .map((event) => event.text)
        .join('')
    : JSON.stringify(endpointFor(exchange).whole(question(exchange)));
  const bytes = Buffer.from(text);
  const length = { 'content-length': String(bytes.length) };
  exchange.response.writeHead(200, streamed ? sseHeaders(length) : jsonHeaders(length));
  await send(exchange, exchange.response, bytes.subarray(0, bytes.length >> 1));
}

/** @param {Raw} behaviour @param {Exchange} exchange */
async function raw(behaviour, exchange) {
  const chunks = Array.isArray(behaviour.bytes) ? behaviour.bytes : [behaviour.bytes];
  const write = (/** @type {Bytes} */ bytes) => send(exchange, exchange.socket, bytes);
  await writeAll(chunks, write, exchange, behaviour.paceMs);
  if (behaviour.then === 'reset') await resetAfterDelivery(exchange);
  else if (behaviour.then !== 'hang') exchange.socket.end();
}

/** @param {Sse} behaviour @param {Exchange} exchange */
async function sse(behaviour, exchange) {
  exchange.response.writeHead(200, sseHeaders(behaviour.headers));
  exchange.response.flushHeaders();
  const write = async (/** @type {Bytes} */ bytes) => {
    await send(exchange, exchange.response, bytes);
    exchange.request.eventsSent += 1;
  };
  await writeAll(behaviour.sse, write, exchange, behaviour.paceMs);
  if (behaviour.then === 'reset') await resetAfterDelivery(exchange);
  else if (behaviour.then !== 'hang') exchange.response.end();
}

/**
 * @param {Bytes[]} chunks
 * @param {(bytes: Bytes) => Promise<void>} write
 * @param {Exchange} exchange
 * @param {number} [paceMs]
 */
async function writeAll(chunks, write, exchange, paceMs) {
  for (const [index, bytes] of chunks.entries()) {
    if (index > 0) await pause(exchange, paceMs);
    await write(bytes);
  }
}

/** The endpoint of a request; chat for any other path, since a behaviour may be given for any path. @param {Exchange} exchange */
const endpointFor = ({ request }) => endpointOf(request.path) ?? CHAT;

/** @param {Exchange} exchange */
function wantsStream(exchange) {
  return exchange.request.body?.stream === true && endpointFor(exchange).events !== undefined;
}

/**
 * @param {Exchange} exchange
 * @param {{ content?: string, deltas?: number }} [behaviour]
 */
function question({ request: { body }, upstreamName }, { content, deltas = 4 } = {}) {
  const model = typeof body?.model === 'string' ? body.model : 'no-model';
  return { model, body, deltas, content: content ?? `Answered by ${upstreamName}, with the model ${model}.` };
}

/**
 * @param {Exchange} exchange
 * @param {{ content?: string, deltas?: number }} [behaviour]
 */
function eventsFor(exchange, behaviour) {
  return endpointFor(exchange).events?.(question(exchange, behaviour)) ?? [];
}

/** @param {Answer} behaviour @returns {Record<string, string>} */
function encodingHeader({ encoding }) {
  return encoding ? { 'content-encoding': encoding } : {};
}

/** @param {Record<string, string>} [more] */
function jsonHeaders(more) {
  return { 'content-type': 'application/json', 'x-request-id': newId('req_'), ...more };
}

/** @param {Record<string, string>} [more] */
function sseHeaders(more) {
  const type = 'text/event-stream; charset=utf-8';
  return { 'content-type': type, 'x-request-id': newId('req_'), ...more };
}

module.exports = { perform };
