/** The clients that the demo compares, each made as its documentation says. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { openpipeOf } from './call.mjs';
import { targets } from './targets.mjs';

/**
 * @import { CallSpec } from "./call.mjs"
 * @import { Situation } from "./situations.mjs"
 */

/** @typedef {"openai" | "openpipe" | "openpipe-native"} ClientName */

/** The clients that this package is compared with. @type {Exclude<ClientName, "openpipe-native">[]} */
export const peerNames = ['openai', 'openpipe'];

const require = createRequire(import.meta.url);

/** @param {ClientName} name @returns {string} With its version. */
export function titleOf(name) {
  if (name === 'openpipe-native') return name;
  // Neither package exports its package.json.
  const folder = require.resolve.paths(name)?.find((path) => existsSync(`${path}/${name}/package.json`));
  return `${name} ${JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')).version}`;
}

/**
 * @param {ClientName} name
 * @param {{ primary: { url: string }, fallback: { url: string } }} stage
 */
export async function makeClient(name, { primary, fallback }) {
  const silent = { logLevel: /** @type {const} */ ('off') };
  if (name === 'openai') {
    const { default: OpenAI } = await import('openai');
    // It has one upstream: the primary's.
    return new OpenAI({ apiKey: targets.primary.key, baseURL: primary.url, ...silent });
  }
  const { default: OpenAI } = await import(name === 'openpipe' ? 'openpipe/openai' : 'openpipe-native');
  return new OpenAI({
    apiKey: targets.fallback.key,
    baseURL: fallback.url,
    // No server of the demo receives reports.
    openpipe: { apiKey: targets.primary.key, baseUrl: primary.url, logRequest: false },
    ...silent,
  });
}

/** @param {ClientName} name @param {Situation} situation @returns {CallSpec} */
export function specFor(name, situation) {
  const { stream = false, timeout } = situation;
  const own = name === 'openai' ? {} : { openpipe: openpipeOf(situation, targets.fallback.model) };
  const spec = { stream, model: targets.primary.model, isInBody: name === 'openpipe', ...own };
  return timeout === undefined ? spec : { ...spec, timeout };
}
