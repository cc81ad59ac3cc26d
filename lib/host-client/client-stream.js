'use strict';
/** Opens and closes the stream that a custom client returned. */

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { read } = require('./untrusted.js');

/**
 * A loop that breaks out of a client's stream waits for its iterator's `return()`, in milliseconds: so long for the chunk that
 * was asked for ahead of the loop, and then so long for the iterator's `finally`. One that never settles must not hold the loop.
 */
const RETURN_TIME = { chunk: 1000, cleanup: 4000 };

/** @param {any} value */
function isIterable(value) {
  try {
    return typeof value?.[Symbol.asyncIterator] === 'function';
  } catch {
    return false;
  }
}

/** Whether a client's stream is one of an SDK of this family: it opens its iterator by a function that can be replaced. @param {any} stream */
function isSdkStream(stream) {
  return (
    typeof stream.iterator === 'function' &&
    typeof stream.tee === 'function' &&
    typeof stream.controller?.signal?.addEventListener === 'function' &&
    Object.isExtensible(stream)
  );
}

/**
 * What a stream's iterator is opened on. A generator holds that object for as long as it runs, and an SDK's stream is to be
 * the caller's alone, who may drop it: where it is none but an instance of the SDK's class, it is opened on a copy. So a
 * proxy around it (of a tracing package) is not asked now, but once, when the caller reads it.
 * @param {any} stream
 */
function openedOn(stream) {
  const isPlain = read(
    () =>
      isSdkStream(stream) &&
      typeof stream.constructor.fromSSEResponse === 'function' &&
      !Object.hasOwn(stream, Symbol.asyncIterator),
  );
  if (!isPlain) return stream;
  return Object.create(Object.getPrototypeOf(stream), Object.getOwnPropertyDescriptors(stream));
}

/** @param {any} stream */
function controllerOf(stream) {
  return read(() => stream.controller);
}

/**
 * Ends a client's stream: by its controller, and by its iterator's `return()` or its own `cancel()`.
 * @param {any} stream @param {AsyncIterator<any> | undefined} iterator @param {any} controller
 * @returns {Promise<void>} Settles when it is closed. Never rejects.
 */
function closeStream(stream, iterator, controller) {
  // Errors while a stream is being closed are ignored.
  quietly(() => controller?.abort?.());
  if (iterator) return quietly(() => iterator.return?.());
  return quietly(() =>
    typeof stream.cancel === 'function' ? stream.cancel() : stream[Symbol.asyncIterator]().return?.(),
  );
}

/** @param {() => unknown} action @returns {Promise<void>} Settles with what it returns. Never rejects. */
async function quietly(action) {
  try {
    await action();
  } catch {
    // see above
  }
}

/** @param {Promise<unknown> | undefined} reading The chunk that was asked for last. @param {Promise<void>} returned */
async function afterReturn(reading, returned) {
  if (await settlesWithin(RETURN_TIME.chunk, reading)) await settlesWithin(RETURN_TIME.cleanup, returned);
}

/** @param {number} milliseconds @param {Promise<unknown> | undefined} promise */
async function settlesWithin(milliseconds, promise) {
  let cancel = () => {};
  const late = new Promise((resolve) => (cancel = clock.after(milliseconds, () => resolve(false))));
  // The loop that waits may be all that there is left to do.
  native.holdProcess();
  const hasSettled = await Promise.race([quietly(() => promise).then(() => true), late]);
  native.releaseProcess();
  cancel();
  return hasSettled === true;
}

module.exports = { afterReturn, closeStream, controllerOf, isIterable, isSdkStream, openedOn };
