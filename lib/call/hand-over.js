'use strict';
/** Ends the call of a stream that was handed over, without a reference to the stream, so that a dropped stream can be collected. */

const { isSdkStream } = require('../host-client/client-stream.js');
const native = require('../native/native.js');
const { offAbort } = require('./abort.js');

/** @typedef {import('../host-client/host-request.js').HostRequest} HostRequest */

/**
 * Ends a stream that its reader leaves, or drops. Must not hold the reader.
 * @param {number} id @param {HostRequest | undefined} clientStream @param {AbortSignal | undefined} signal
 * @param {import('./abort.js').Waiter | undefined} waiter
 * @returns {() => Promise<void> | undefined}
 */
function closerOf(id, clientStream, signal, waiter) {
  return () => {
    native.cancel(id);
    if (waiter) offAbort(signal, waiter);
    return clientStream?.drop();
  };
}

/** What the caller's signal does to a stream. Must not hold it. @param {AbortController} controller */
function aborterOf(controller) {
  const weak = new WeakRef(controller);
  return () => weak.deref()?.abort();
}

/**
 * Hands the very stream of a client through: its chunks come by way of the reader, because some were read already.
 * @param {HostRequest} clientStream @param {() => AsyncIterator<any>} open @param {AbortController} controller
 * @returns {any} `undefined` where the stream does not let itself be changed.
 */
function adopt(clientStream, open, controller) {
  const stream = clientStream.stream;
  try {
    if (!isSdkStream(stream)) return undefined;
    // Its own iterator is open by now.
    stream.iterator = open;
    // openai 7 sets an own iterator on each stream, other SDKs define one in a subclass: those have read the chunks already. What an
    // instrumentation puts in the place of `iterator` later is asked, as in the SDK.
    Object.defineProperty(stream, Symbol.asyncIterator, { value: iterated, writable: true, configurable: true });
    // An SDK's iterator aborts its own controller when it fails, before it says so; the reader's is the caller's alone.
    stream.controller = controller;
  } catch {
    return undefined;
  }
  clientStream.handedThrough();
  return stream;
}

/** As the SDK's stream is iterated. @this {any} */
function iterated() {
  return this.iterator();
}

module.exports = { aborterOf, adopt, closerOf };
