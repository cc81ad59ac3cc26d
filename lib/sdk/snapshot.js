'use strict';
/** Detects whether a client's hooks, default headers or default query have changed since its last call. */

/** The SDK's methods by which a subclass can change a request. A client that overrides one sends its requests through the SDK. */
const HOOKS = [
  'prepareOptions', 'prepareRequest', 'buildRequest', 'buildHeaders', 'buildBody', 'authHeaders', 'bearerAuth',
  'makeRequest', 'fetchWithTimeout', 'fetchWithAuth', 'shouldRetry',
]; // prettier-ignore

/** The SDK's methods that return a part of each request. A subclass's override may return another value each time. */
const GETTERS = ['getUserAgent', 'defaultQuery', 'buildURL', 'stringifyQuery', 'validateHeaders'];

const FUNCTIONS = [...HOOKS, ...GETTERS];

/**
 * Whether all `FUNCTIONS` of a client are still those in `seen`. It runs for each call, so the names are written out: a loop over them
 * takes 40 times as long.
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

/** The members of an option that was not given. @type {unknown[]} */
const NO_MEMBERS = [];

/**
 * The names and values in `defaultHeaders` or `defaultQuery`, which the SDK reads for each request; `undefined` where a change cannot
 * be detected (accessors, nested objects, classes), so that they have to be read for each call.
 * @param {any} option @returns {unknown[] | undefined}
 */
function membersOf(option) {
  if (option === undefined || option === null) return NO_MEMBERS;
  if (typeof option !== 'object') return undefined;
  // The SDK's own form of merged headers.
  const isNullable = option.values instanceof Headers && option.nulls instanceof Set;
  if (isNullable) return [...option.values].flat().concat(...option.nulls);
  if (option instanceof Headers) return [...option].flat();
  const prototype = Object.getPrototypeOf(option);
  const members = Object.getOwnPropertyDescriptors(option);
  const isPlain = prototype === Object.prototype || prototype === null;
  if (!isPlain || Object.values(members).some((member) => member.get ?? isObject(member.value))) return undefined;
  return Object.entries(option).flat();
}

/** Whether the members of an option are still those in `seen`. @param {any} option @param {unknown[] | undefined} seen */
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

module.exports = { FUNCTIONS, GETTERS, HOOKS, hasFunctions, hasMembers, membersOf };
