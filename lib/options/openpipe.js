'use strict';
/** Where OpenPipe is, and what the instances of `OpenPipe` were made with: one of them may stand for the `openpipe` option. */

/** OpenPipe's base URL by default. */
const OPENPIPE_URL = 'https://api.openpipe.ai/api/v1';

/**
 * The options of each instance; in a table beside them, so that printing an instance shows no key.
 * @type {WeakMap<object, { apiKey: string | undefined, baseUrl: string }>}
 */
const configs = new WeakMap();

/** What an instance was made with, where it is one of any copy. @param {unknown} value */
function configOf(value) {
  return typeof value === 'object' && value !== null ? configs.get(value) : undefined;
}

module.exports = { OPENPIPE_URL, configOf, configs };
