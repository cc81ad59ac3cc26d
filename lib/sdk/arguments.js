'use strict';
/** Reads the arguments of `create`: writes the body once as JSON text, and checks the request options. */

const { isObject, refuse, shown } = require('../options/checks.js');
const { asWritten } = require('../options/writer.js');

/** The second argument of `create`. @param {unknown} options */
function checkOptions(options) {
  if (!isObject(options)) refuse('options', 'an object', options);
}

/** @param {unknown} signal @returns {AbortSignal | undefined} */
function readSignal(signal) {
  if (signal === undefined || signal === null) return undefined;
  if (typeof (/** @type {any} */ (signal).addEventListener) !== 'function')
    refuse('options.signal', 'an AbortSignal', signal);
  return /** @type {AbortSignal} */ (signal);
}

/**
 * The request as JSON text, serialized at once: later changes of the object have no effect.
 * @param {unknown} body @param {import('../options/endpoints.js').Endpoint} endpoint
 * @returns {{ text: string, openpipe: unknown }}
 */
function readBody(body, { result }) {
  if (!isObject(body)) throw new TypeError(`the body of ${result} must be an object, got ${shown(body)}`);
  const { model, prompt } = body;
  // A stored prompt may name the model.
  const isNamedElsewhere = model === undefined && prompt !== undefined && prompt !== null;
  if (!isNamedElsewhere && (typeof model !== 'string' || model === '')) refuse('model', 'a non-empty string', model);
  try {
    let openpipe;
    let request = asWritten(body);
    // Only an own member counts: an inherited one may be prototype pollution.
    if (isObject(request) && Object.hasOwn(request, 'openpipe')) ({ openpipe, ...request } = request);
    if (openpipe === undefined && Object.hasOwn(body, 'openpipe')) openpipe = body.openpipe;
    return { text: JSON.stringify(request) ?? 'null', openpipe };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TypeError(`the body of ${result} must be JSON: ${reason}`, { cause: error });
  }
}

module.exports = { checkOptions, readBody, readSignal };
