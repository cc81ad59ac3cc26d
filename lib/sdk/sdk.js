'use strict';
/**
 * The parts of the user's copy of the `openai` package that the class is built on. The CJS and the ESM build of that package have
 * different classes, so each entry (index.js, index.mjs) passes its own.
 */

/** A class of the SDK: which members it has depends on the version. */
/** @typedef {{ new (...args: any[]): any, [member: string]: any }} SdkClass */
/**
 * @typedef {object} Sdk
 * @property {SdkClass} OpenAI
 * @property {SdkClass} Base The SDK's own class; `OpenAI` may be an instrumentation's replacement of it.
 * @property {any} APIPromise
 * @property {any} Stream
 * @property {any} OpenAIError
 * @property {any} APIError
 * @property {any} APIConnectionError
 * @property {any} APIConnectionTimeoutError
 * @property {any} APIUserAbortError
 * @property {number} [major] The major version.
 */

/** The major version of a copy of the SDK, from its `User-Agent`. @param {SdkClass} OpenAI */
function majorOf(OpenAI) {
  const agent = OpenAI.prototype.getUserAgent?.call({ constructor: OpenAI });
  return Number(/\/JS (\d+)/.exec(agent)?.[1] ?? 0);
}

/**
 * The SDK's own class of clients. An instrumentation may have replaced the package's export by a function, a proxy or a subclass. The
 * SDK's class is then on the prototype chain of the replacement, or on that of `AzureOpenAI`.
 * @param {{ OpenAI: SdkClass, AzureOpenAI?: SdkClass }} exports @returns {SdkClass}
 */
function baseOf({ OpenAI, AzureOpenAI }) {
  return innermost(OpenAI) ?? (AzureOpenAI && innermost(AzureOpenAI)) ?? OpenAI;
}

/** The last class on a prototype chain that defines `makeRequest`. @param {SdkClass} Class @returns {SdkClass | undefined} */
function innermost(Class) {
  let found;
  for (let prototype = Class.prototype; prototype; prototype = Object.getPrototypeOf(prototype)) {
    if (Object.hasOwn(prototype, 'makeRequest') && prototype.constructor?.prototype === prototype) {
      found = prototype.constructor;
    }
  }
  return found;
}

/** Whether `Class` is `Base`, or has it on its prototype chain. @param {SdkClass} Class @param {SdkClass} Base */
function leadsTo(Class, Base) {
  return Class === Base || Object.prototype.isPrototypeOf.call(Base.prototype, Class.prototype ?? null);
}

const NEEDED = 'openpipe-native needs the package `openai` in version 5, 6 or 7';

/**
 * The error to throw where `openai` could not be loaded: one that says what to install, or the same error where it is installed.
 * @param {unknown} error @param {() => unknown} resolve Throws where the package is not installed.
 */
function missingSdk(error, resolve) {
  try {
    resolve();
    return error;
  } catch {
    return new Error(`${NEEDED}, and it is not installed: npm install openai@6`, { cause: error });
  }
}

/** Refuses a version that is too old, or too new. @param {SdkClass} Base */
function checkVersion(Base) {
  const major = majorOf(Base);
  if (major === 0 || (major >= 5 && major <= 7)) return;
  throw new Error(`${NEEDED}, and found version ${major}: npm install openai@6`);
}

module.exports = { baseOf, checkVersion, missingSdk, leadsTo, majorOf };
