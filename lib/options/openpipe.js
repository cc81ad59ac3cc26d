'use strict';
/** OpenPipe's base URL, and the options of `OpenPipe` instances: an instance can be given as the `openpipe` option. */

/** OpenPipe's default base URL. */
const OPENPIPE_URL = 'https://api.openpipe.ai/api/v1';

/**
 * The options of each instance, in a WeakMap so that printing an instance shows no key.
 * @type {WeakMap<object, { apiKey: string | undefined, baseUrl: string }>}
 */
const configs = new WeakMap();

/** The options that an instance of `OpenPipe` was made with; `undefined` for any other value. @param {unknown} value */
function configOf(value) {
  return typeof value === 'object' && value !== null ? configs.get(value) : undefined;
}

module.exports = { OPENPIPE_URL, configOf, configs };
