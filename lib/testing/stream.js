'use strict';
/** Sends a stream of server-sent events at a pace, and fails at the point that a fault names. */

const { bodyWriter, cutOff, pause, resetAfterDelivery } = require('./exchange.js');
const { sseEvent } = require('./payload.js');

/**
 * @import { Answer, StreamFault } from "./behaviour.js"
 * @import { BodyWriter, Exchange } from "./exchange.js"
 * @import { Endpoint } from "./answers.js"
 * @import { StreamEvent } from "./payload.js"
 */

const MALFORMED_EVENT = sseEvent('{"choices": [{"index": 0, "delta": {"content": "no end');

/**
 * Sends the events. The response's head must have been sent.
 *
 * @param {Answer} behaviour
 * @param {Exchange} exchange
 * @param {Endpoint} endpoint Whose stream it is.
 * @param {StreamEvent[]} events
 */
async function playStream({ fault, paceMs, encoding }, exchange, endpoint, events) {
  const points = ['headers', ...events.flatMap(pointsOf)];
  if (fault && !points.includes(fault.after))
    throw new RangeError(`this stream has no point ${fault.after}, only ${points.join(', ')}`);

  const body = bodyWriter(exchange, encoding);
  if (fault?.after === 'headers' && (await goWrong(fault, exchange, endpoint, body)) === 'over') return;
  for (const [index, event] of events.entries()) {
    if (index > 0) await pause(exchange, paceMs);
    await body.write(event.text);
    exchange.request.eventsSent += 1;
    if (fault && pointsOf(event).includes(fault.after) && (await goWrong(fault, exchange, endpoint, body)) === 'over')
      return;
  }
  body.end();
}

/** @param {StreamEvent} event */
const pointsOf = ({ point }) => (point === undefined ? [] : [point].flat());

/**
 * @param {StreamFault} fault
 * @param {Exchange} exchange
 * @param {Endpoint} endpoint
 * @param {BodyWriter} body
 * @returns {Promise<"over" | "goes on">} Whether the rest of the stream follows.
 */
async function goWrong({ how, everyMs = 50 }, exchange, endpoint, body) {
  switch (how) {
    case 'reset':
      await resetAfterDelivery(exchange);
      return 'over';
    case 'cut':
      cutOff(exchange);
      return 'over';
    case 'end':
      body.end();
      return 'over';
    case 'stall':
      return 'over';
    case 'error-event':
      await body.write(endpoint.errorEvent('The model broke down.'));
      body.end();
      return 'over';
    case 'malformed-event':
      await body.write(MALFORMED_EVENT);
      return 'goes on';
    case 'keep-alive':
      return repeatForever(': keep-alive\n\n', everyMs, exchange, body);
    case 'empty-deltas':
      return repeatForever(endpoint.emptyDelta(String(exchange.request.body?.model)), everyMs, exchange, body);
    default:
      throw new TypeError(`no such stream failure: ${how}`);
  }
}

/**
 * Sends a text again and again until the client closes the connection: then the pause rejects.
 *
 * @param {string} text
 * @param {number} everyMs
 * @param {Exchange} exchange
 * @param {BodyWriter} body
 * @returns {Promise<never>}
 */
async function repeatForever(text, everyMs, exchange, body) {
  for (;;) {
    await body.write(text);
    await pause(exchange, everyMs);
  }
}

module.exports = { playStream };
