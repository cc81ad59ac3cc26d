/** Clients between a fault and a healthy upstream, and calls by them; for every way in which a target is called. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import OpenAISdk from 'openai';
import OpenAI from 'openpipe-native';
import { Agent, fetch as undiciFetch } from 'undici';
import { afterAll, beforeAll } from 'vitest';

import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { startFaultServer } from './server.mjs';

/** @import { ClientOptions, OpenPipeCallOptions, OpenPipeOptions } from 'openpipe-native' */
/** @import { Asking } from '../support/calls.mjs' */
/** @import { Fault } from './catalogue/fault.mjs' */
/** @import { FaultServer } from './server.mjs' */

export const PRIMARY = 'openpipe:primary';
export const CLIENTS_MODEL = 'model-of-a-client';
export const FALLBACK = 'fallback-model';
export const CLIENT_KEY = 'fk-known-to-the-custom-client-only-c04d';

/**
 * How the target is called that meets the fault: natively; through the `openai` package as `transport: "fetch"` does it; or
 * as a client that is handed in, which can only be a fallback: the primary before it is refused.
 */
export const VIAS = /** @type {const} */ (['native', 'fetch', 'client']);
/** @typedef {(typeof VIAS)[number]} Via */

/** What must come, and does not, is a failure after this, and not a hang. Far more than it takes on a busy machine. */
export const PATIENCE_MS = 16_000;

const authority = fileURLToPath(new URL('./certificates/authority.pem', import.meta.url));

/** One fault server for the tests of a file. @returns {FaultServer} */
export function useFaultServer() {
  /** @type {FaultServer} */
  const server = /** @type {any} */ ({});
  beforeAll(async () => {
    // Read when a client is made. Node.js itself reads it at its start, so its `fetch` is configured below.
    process.env.NODE_EXTRA_CA_CERTS = authority;
    Object.assign(server, await startFaultServer());
  });
  afterAll(async () => {
    delete process.env.NODE_EXTRA_CA_CERTS;
    await server.close();
  });
  return server;
}

let lastKey = 0;

/** A key that no other test has. @param {string} what */
export function newKey(what) {
  lastKey += 1;
  return `${what}-${process.pid}-${lastKey}`;
}

/** A custom client of the `openai` package. @param {string} baseURL @param {Record<string, unknown>} [more] */
export function sdkClient(baseURL, more) {
  return new OpenAISdk({ apiKey: CLIENT_KEY, baseURL, logLevel: 'off', ...trusting(baseURL), ...more });
}

/** An agent that trusts our authority, where there is TLS. @param {string} url */
function trusting(url) {
  if (!url.startsWith('https:')) return {};
  const dispatcher = new Agent({ connect: { ca: readFileSync(authority) } });
  /** @type {any} */
  const fetch = (/** @type {any} */ input, /** @type {any} */ init) => undiciFetch(input, { ...init, dispatcher });
  return { fetch };
}

/**
 * @typedef {object} Scene
 * @property {OpenAI} openai
 * @property {Asking} asking Of a call whose target meets the fault, and, where there is one, the fallback after it.
 * @property {number} at The number of that target's attempt, from 0.
 */

/**
 * A call whose target meets a fault.
 * @param {FaultServer} server @param {Fault} fault @param {string} key
 * @param {{ via: Via, endpoint?: Asking['endpoint'], stream: boolean, followed: boolean, openpipe?: OpenPipeCallOptions, maxRetries?: number }} how
 *   `followed`: a healthy target follows it.
 * @returns {Scene}
 */
export function scene(server, fault, key, { via, endpoint, stream, followed, openpipe, maxRetries }) {
  const faultUrl = server.url(fault, key);
  const healthyUrl = server.urlNamed('is healthy', key);
  const refusedUrl = server.url({ name: 'refuses connections', at: 'nobody' }, key);
  const time = fault.timeout ?? PATIENCE_MS;
  const vectors = endpoint === 'embeddings' ? { sameVectors: true } : {};
  const after = followed ? [{ model: FALLBACK, timeout: PATIENCE_MS, ...vectors }] : [];
  const client = via === 'client' ? sdkClient(faultUrl, maxRetries === undefined ? {} : { maxRetries }) : undefined;
  const options = clientOptions(via === 'client' ? refusedUrl : faultUrl, healthyUrl, {
    transport: via === 'fetch' ? 'fetch' : undefined,
    ...fault.openpipe,
    ...openpipe,
  });
  const openai = new OpenAI({ ...options, ...(maxRetries === undefined ? {} : { maxRetries }) });
  const fallback = client ? [{ model: CLIENTS_MODEL, client, timeout: time, ...vectors }, ...after] : after;
  return {
    openai,
    asking: {
      endpoint,
      stream,
      model: PRIMARY,
      openpipe: { fallback },
      options: { timeout: via === 'client' ? PATIENCE_MS : time },
    },
    at: via === 'client' ? 1 : 0,
  };
}

/**
 * The client of a test: OpenPipe's models go to the one, all others to the other; nothing is reported.
 * @param {string} openpipeUrl @param {string} openaiUrl @param {OpenPipeOptions} [openpipe]
 * @returns {ClientOptions}
 */
export function clientOptions(openpipeUrl, openaiUrl, openpipe) {
  const { logger } = listeningLogger();
  const given = Object.fromEntries(Object.entries(openpipe ?? {}).filter(([, value]) => value !== undefined));
  return {
    apiKey: OPENAI_KEY,
    baseURL: openaiUrl,
    logger,
    openpipe: { apiKey: OPENPIPE_KEY, baseUrl: openpipeUrl, logRequest: false, ...given },
  };
}
