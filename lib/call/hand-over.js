'use strict';
/**
 * The parts of handing over a stream that outlive it. They stand in a file of their own so that their closures cannot refer to the stream
 * or its reader: a stream that the caller drops must be garbage-collected.
 */

const { isSdkStream } = require('../host-client/client-stream.js');
const native = require('../native/native.js');
const { offAbort } = require('./abort.js');

/** @typedef {import('../host-client/host-request.js').HostRequest} HostRequest */

/**
 * The function that ends a stream which the caller stops reading or drops. It must not refer to the reader.
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

/** The function by which the caller's signal aborts a stream. It must not keep the stream alive. @param {AbortController} controller */
function aborterOf(controller) {
  const weak = new WeakRef(controller);
  return () => weak.deref()?.abort();
}

/**
 * Makes a custom client's own stream the one that the caller gets. It is iterated through the reader, because some chunks were read already.
 * @param {HostRequest} clientStream @param {() => AsyncIterator<any>} open @param {AbortController} controller
 * @returns {any} `undefined` where the stream cannot be changed.
 */
function adopt(clientStream, open, controller) {
  const stream = clientStream.stream;
  try {
    if (!isSdkStream(stream)) return undefined;
    // The stream's own iterator has been opened already.
    stream.iterator = open;
    // Replaces the iterator method that openai 7 sets on each stream, and other SDKs in a subclass. As in the SDK it reads `iterator`
    // when it is called, since an instrumentation may replace that.
    Object.defineProperty(stream, Symbol.asyncIterator, { value: iterated, writable: true, configurable: true });
    // An SDK's iterator aborts the stream's controller before it throws: the caller gets another controller, which only the caller aborts.
    stream.controller = controller;
  } catch {
    return undefined;
  }
  clientStream.handedThrough();
  return stream;
}

/** The SDK's own `Symbol.asyncIterator`. @this {any} */
function iterated() {
  return this.iterator();
}

module.exports = { aborterOf, adopt, closerOf };
