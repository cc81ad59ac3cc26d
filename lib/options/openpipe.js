'use strict';
/** Where OpenPipe is, and what the instances of `OpenPipe` were made with: one of them may stand for the `openpipe` option. */

/** Where OpenPipe is, unless something else is said. */
const OPENPIPE_URL = 'https://api.openpipe.ai/api/v1';

/**
 * What the instances were made with; kept beside them, so that no key can be seen in one.
 * @type {WeakMap<object, { apiKey: string | undefined, baseUrl: string }>}
 */
const configs = new WeakMap();

/** What an instance was made with, where it is one of any copy. @param {unknown} value */
function configOf(value) {
  return typeof value === 'object' && value !== null ? configs.get(value) : undefined;
}

module.exports = { OPENPIPE_URL, configOf, configs };
