'use strict';
/** Wrappers around the SDK's promise of a request: one follows redirects within the origin, one removes secrets from errors. */

const { withoutSecret } = require('./own-upstream.js');

/** The same limit as for native requests. */
const MAX_REDIRECTS = 5;

/**
 * Wraps the SDK's promise of a request so that redirects within the origin that keep method and body (307, 308) are followed.
 * @param {(path: string) => any} send @param {string} path @param {() => string} urlOfFirst
 */
function following(send, path, urlOfFirst) {
  const first = send(path);
  // The promise is wrapped in an object, because an async function would wait for a bare promise, and that reads the body.
  const last = (async () => {
    let promise = first;
    let url;
    for (let redirects = 0; ; redirects += 1) {
      try {
        await promise.responsePromise;
        return { promise };
      } catch (/** @type {any} */ error) {
        if (error?.status !== 307 && error?.status !== 308) return { promise };
        url ??= urlOfFirst();
        /** @type {string | undefined} */
        const next = redirects < MAX_REDIRECTS ? within(url, error.headers?.get?.('location')) : undefined;
        if (next === undefined) return { promise };
        url = next;
        promise = send(next);
      }
    }
  })();
  return {
    asResponse: () => last.then(({ promise }) => promise.asResponse()),
    then: (/** @type {any} */ resolved, /** @type {any} */ rejected) =>
      // A plain thenable: zone.js reads the state of instances of its own `Promise` without calling `then`, and the SDK's promise
      // parses the response in its `then`.
      last.then(({ promise }) => promise.then(resolved, rejected)),
  };
}

/** The absolute URL of a `location` header, if it is on the same origin as `url`. @param {string} url @param {unknown} location */
function within(url, location) {
  if (typeof location !== 'string' || !URL.canParse(location, url)) return undefined;
  const next = new URL(location, url);
  return next.origin === new URL(url).origin ? next.href : undefined;
}

/** Wraps the SDK's promise of a request so that its rejection repeats no secret. @param {any} promise @param {any} client */
function keepingSecrets(promise, client) {
  return {
    asResponse: () => promise.asResponse(),
    then: (/** @type {any} */ resolved, /** @type {any} */ rejected) =>
      promise.then(resolved, rejected && ((/** @type {unknown} */ error) => rejected(withoutSecret(error, client)))),
  };
}

module.exports = { following, keepingSecrets };
