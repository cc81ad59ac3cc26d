'use strict';
/**
 * What the facade needs of the user's copy of the `openai` package. The CJS and the ESM build of that package have
 * different classes, so each entry (index.js, index.mjs) hands in its own.
 */

/** A class of the SDK: which members it has depends on the version. */
/** @typedef {{ new (...args: any[]): any, [member: string]: any }} SdkClass */
/**
 * @typedef {object} Sdk
 * @property {SdkClass} OpenAI
 * @property {any} APIPromise
 * @property {any} Stream
 * @property {any} OpenAIError
 * @property {any} APIError
 * @property {any} APIConnectionError
 * @property {any} APIConnectionTimeoutError
 * @property {any} APIUserAbortError
 * @property {number} [major] The version; made of the class.
 */

/** The major version of a copy of the SDK, by what it tells servers of itself. @param {SdkClass} OpenAI */
function majorOf(OpenAI) {
  const agent = OpenAI.prototype.getUserAgent?.call({ constructor: OpenAI });
  return Number(/\/JS (\d+)/.exec(agent)?.[1] ?? 0);
}

module.exports = { majorOf };
