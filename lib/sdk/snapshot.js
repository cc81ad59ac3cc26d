'use strict';
/** Detects changes of a client: its hooks, default headers and default query can be set at any time. */

/** The hooks of the SDK by which a subclass can change a request: one that does is called through the SDK. */
const HOOKS = [
  'prepareOptions', 'prepareRequest', 'buildRequest', 'buildHeaders', 'buildBody', 'authHeaders', 'bearerAuth',
  'makeRequest', 'fetchWithTimeout', 'fetchWithAuth', 'shouldRetry',
]; // prettier-ignore

/** What else the SDK asks for each request. A subclass's own may give another answer each time. */
const ANSWERS = ['getUserAgent', 'defaultQuery', 'buildURL', 'stringifyQuery', 'validateHeaders'];

const FUNCTIONS = [...HOOKS, ...ANSWERS];

/**
 * Whether a client has these functions still, every one of `FUNCTIONS`. Asked for each call: by their names, one by one, it
 * takes a fortieth of the time.
 * @param {any} client @param {Record<string, unknown> | undefined} seen
 */
function hasFunctions(client, seen) {
  return (
    seen !== undefined &&
    seen.prepareOptions === client.prepareOptions &&
    seen.prepareRequest === client.prepareRequest &&
    seen.buildRequest === client.buildRequest &&
    seen.buildHeaders === client.buildHeaders &&
    seen.buildBody === client.buildBody &&
    seen.authHeaders === client.authHeaders &&
    seen.bearerAuth === client.bearerAuth &&
    seen.makeRequest === client.makeRequest &&
    seen.fetchWithTimeout === client.fetchWithTimeout &&
    seen.fetchWithAuth === client.fetchWithAuth &&
    seen.shouldRetry === client.shouldRetry &&
    seen.getUserAgent === client.getUserAgent &&
    seen.defaultQuery === client.defaultQuery &&
    seen.buildURL === client.buildURL &&
    seen.stringifyQuery === client.stringifyQuery &&
    seen.validateHeaders === client.validateHeaders
  );
}

/** An option that was not given. @type {unknown[]} */
const NO_MEMBERS = [];

/**
 * The names and values in `defaultHeaders` or `defaultQuery`, which the SDK reads for each request; `undefined` where they
 * have to be read anew each time, because there is no telling whether they have changed.
 * @param {any} option @returns {unknown[] | undefined}
 */
function membersOf(option) {
  if (option === undefined || option === null) return NO_MEMBERS;
  if (typeof option !== 'object') return undefined;
  // As the SDK keeps what came from several places.
  const isNullable = option.values instanceof Headers && option.nulls instanceof Set;
  if (isNullable) return [...option.values].flat().concat(...option.nulls);
  if (option instanceof Headers) return [...option].flat();
  const prototype = Object.getPrototypeOf(option);
  const members = Object.getOwnPropertyDescriptors(option);
  const isPlain = prototype === Object.prototype || prototype === null;
  if (!isPlain || Object.values(members).some((member) => member.get ?? isObject(member.value))) return undefined;
  return Object.entries(option).flat();
}

/** Whether an option has these members still. @param {any} option @param {unknown[] | undefined} seen */
function hasMembers(option, seen) {
  if (option === undefined || option === null) return true;
  if (seen === undefined) return false;
  if (Object.getPrototypeOf(option) === Headers.prototype || typeof option.values === 'object') {
    const now = membersOf(option);
    return now?.length === seen.length && now.every((member, index) => member === seen[index]);
  }
  let index = 0;
  for (const name of Object.keys(option)) {
    if (seen[index] !== name || seen[index + 1] !== option[name]) return false;
    index += 2;
  }
  return index === seen.length;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

module.exports = { ANSWERS, FUNCTIONS, HOOKS, hasFunctions, hasMembers, membersOf };
