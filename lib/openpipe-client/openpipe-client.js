'use strict';
/** The class `OpenPipe`: a client of OpenPipe's own API for reports, datasets, models and criteria. */

const { readEnv } = require('../native/environment.js');
const { errorOf } = require('../call/errors.js');
const native = require('../native/native.js');
const { OPENPIPE_URL, configs } = require('../options/openpipe.js');
const { request } = require('../reports/api-request.js');
const reports = require('../reports/reports.js');

/** The timeout of a request, in milliseconds, as in the SDK. */
const TIMEOUT = 600_000;

/**
 * The endpoints: HTTP method and path, in which `{}` stands for the first argument; the body is the next one.
 * @type {Record<string, [method: string, path: string]>}
 */
const ENDPOINTS = {
  report: ['POST', '/report'],
  reportAnthropic: ['POST', '/report-anthropic'],
  updateLogMetadata: ['POST', '/logs/update-metadata'],
  updateLogTags: ['POST', '/logs/update-tags'],
  getCriterionJudgement: ['POST', '/criteria/judge'],
  createDataset: ['POST', '/datasets'],
  listDatasets: ['GET', '/datasets'],
  deleteDataset: ['DELETE', '/datasets/{}'],
  createDatasetEntries: ['POST', '/datasets/{}/entries'],
  createModel: ['POST', '/models'],
  listModels: ['GET', '/models'],
  getModel: ['GET', '/models/{}'],
  deleteModel: ['DELETE', '/models/{}'],
};

/** An option that must be a string. @param {string} name @param {unknown} value @returns {string | undefined} */
function text(name, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new TypeError(`\`${name}\` must be a string, got a ${typeof value}`);
  return value.trim() || undefined;
}

/**
 * Makes the class for a copy of the `openai` package, whose errors it throws.
 * @param {import('../sdk/sdk.js').Sdk} sdk
 */
function openPipeClass(sdk) {
  class OpenPipe {
    /** @param {{ apiKey?: string, baseUrl?: string }} [config] */
    constructor(config = {}) {
      if (typeof config !== 'object' || config === null) {
        throw new TypeError('the argument of OpenPipe must be an object: { apiKey, baseUrl }');
      }
      const { apiKey, baseUrl, baseURL } = /** @type {Record<string, unknown>} */ (config);
      configs.set(this, {
        apiKey: text('apiKey', apiKey) ?? readEnv('OPENPIPE_API_KEY'),
        baseUrl: (text('baseUrl', baseUrl ?? baseURL) ?? readEnv('OPENPIPE_BASE_URL') ?? OPENPIPE_URL).replace(
          /\/+$/,
          '',
        ),
      });
    }
  }

  for (const [name, [method, path]] of Object.entries(ENDPOINTS)) {
    Object.defineProperty(OpenPipe.prototype, name, {
      configurable: true,
      writable: true,
      /** @this {OpenPipe} @param {unknown[]} args */
      async value(...args) {
        const config = configs.get(this);
        if (!config) throw new TypeError(`${name} was called on an object that is not an OpenPipe client`);
        return send(sdk, config, name, method, path, args);
      },
    });
  }
  return OpenPipe;
}

/**
 * @param {import('../sdk/sdk.js').Sdk} sdk
 * @param {{ apiKey: string | undefined, baseUrl: string }} config
 * @param {string} name @param {string} method @param {string} path @param {unknown[]} args
 */
async function send(sdk, config, name, method, path, args) {
  if (!config.apiKey) {
    throw new sdk.OpenAIError(
      'there is no OpenPipe key: set the environment variable OPENPIPE_API_KEY, or the option `apiKey`, as in new OpenPipe({ apiKey })',
    );
  }
  const rest = [...args];
  const filled = path.replace('{}', () => {
    const id = rest.shift();
    if (typeof id !== 'string' || id === '')
      throw new TypeError(`the first argument of ${name} must be a non-empty string`);
    // In a URL these are relative path segments, also when encoded: the request would go to another path.
    if (id === '.' || id === '..') throw new TypeError(`the first argument of ${name} must be an id, got "${id}"`);
    return encodeURIComponent(id);
  });
  /** @type {[string, string][]} */
  const headers = [
    ['accept', 'application/json'],
    ['user-agent', `openpipe-native/${native.version()}`],
  ];
  let body = '';
  if (method === 'POST') {
    if (typeof rest[0] !== 'object' || rest[0] === null) throw new TypeError(`the body of ${name} must be an object`);
    body = JSON.stringify(rest[0]);
    headers.push(['content-type', 'application/json']);
  }
  reports.start();
  const url = config.baseUrl + filled;
  const sent = request(method, url, config.apiKey, headers, body, TIMEOUT);
  // The addon refuses a malformed URL, and a key that no header can carry.
  const {
    head,
    failure,
    text: answer,
  } = await sent.catch((/** @type {unknown} */ error) => {
    throw native.refusalOf(error);
  });
  return read(sdk, head, failure, answer);
}

/** @param {import('../sdk/sdk.js').Sdk} sdk @param {any} head @param {any} failure @param {string} answer */
function read(sdk, head, failure, answer) {
  if (failure) throw errorOf(sdk, { makeStatusError: sdk.APIError.generate }, failure, () => undefined);
  let json;
  try {
    json = answer === '' ? undefined : JSON.parse(answer);
  } catch {
    json = undefined;
  }
  const headers = new Headers(head.headers);
  if (head.status >= 200 && head.status < 300) {
    if (json !== undefined || answer === '') return json;
    throw new sdk.APIError(undefined, undefined, 'the response is not JSON', headers);
  }
  // OpenPipe's errors have `message` at the top level; the SDK reads it from a member `error`.
  const error = json && typeof json === 'object' ? { error: json.error ?? json } : undefined;
  throw sdk.APIError.generate(head.status, error, error ? undefined : answer, headers);
}

module.exports = { openPipeClass };
