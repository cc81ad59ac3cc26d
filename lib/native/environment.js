'use strict';
/**
 * Reads environment variables and Node.js's settings of connections. In JavaScript, because reading the environment on another thread
 * would race with writes by Node.js.
 */

/** A variable without surrounding white space; `undefined` where it is empty or not set. @param {string} name @returns {string | undefined} */
function readEnv(name) {
  return process.env[name]?.trim() || undefined;
}

/**
 * The settings with which Node.js itself would connect: its proxies, its additional root certificates, and whether certificates are
 * verified.
 * @param {NodeJS.ProcessEnv} env
 */
function transportSettings(env) {
  const from = proxyEnvironment(env);
  const either = (/** @type {string} */ name) => from?.[name.toLowerCase()] || from?.[name] || undefined;
  const acceptInvalidCerts = env.NODE_TLS_REJECT_UNAUTHORIZED === '0';
  if (acceptInvalidCerts) warnOfInsecurity();
  return {
    httpProxy: either('HTTP_PROXY'),
    httpsProxy: either('HTTPS_PROXY'),
    noProxy: either('NO_PROXY'),
    extraCaCerts: env.NODE_EXTRA_CA_CERTS || undefined,
    extraCaSetting: 'NODE_EXTRA_CA_CERTS',
    acceptInvalidCerts,
  };
}

/** The values from which the settings were made last. */
/** @type {{ verification: string | undefined, agent: unknown, dispatcher: unknown }} */
let last = { verification: undefined, agent: undefined, dispatcher: undefined };

/** Whether the settings of connections may have changed since this was called last. It runs for each call, so it compares three values. */
function hasTransportChanged() {
  const verification = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  const agent = globalAgent();
  const dispatcher = globalDispatcher();
  if (verification === last.verification && agent === last.agent && dispatcher === last.dispatcher) return false;
  last = { verification, agent, dispatcher };
  return true;
}

/**
 * The variables that name Node.js's proxies; `undefined` where it connects directly.
 * @param {NodeJS.ProcessEnv} env @returns {Record<string, string | undefined> | undefined}
 */
function proxyEnvironment(env) {
  // The argument of `http.setGlobalProxyFromEnv()`, or the environment at Node.js's start.
  const given = globalAgent()?.options?.proxyEnv;
  if (typeof given === 'object' && given !== null) return given;
  if (globalDispatcher()?.constructor?.name === 'EnvHttpProxyAgent') return env;
  return isProxyEnabled(env) ? env : undefined;
}

/** Whether this version of Node.js has the flag `--use-env-proxy`. */
function hasProxyFlag() {
  return process.allowedNodeEnvironmentFlags.has('--use-env-proxy');
}

/** Read once: each call needs it, and the look-up takes microseconds. */
const hasProxyAgent = hasProxyFlag();
/** The global under which undici keeps the dispatcher of `fetch`. */
const DISPATCHER = Symbol.for('undici.globalDispatcher.1');

/** @type {typeof import('node:http') | undefined} */
let http;

/** The global agent of `node:http`; `undefined`, without loading that module, where agents have no proxies. @returns {any} */
function globalAgent() {
  if (!hasProxyAgent) return undefined;
  http ??= require('node:http');
  return http.globalAgent;
}

/** The dispatcher of the global `fetch`; `undefined` until one is made. @returns {any} */
function globalDispatcher() {
  return /** @type {any} */ (globalThis)[DISPATCHER];
}

/** Whether Node.js was told to use proxies: by a flag, in `NODE_OPTIONS`, or by a variable. @param {NodeJS.ProcessEnv} env */
function isProxyEnabled(env) {
  if (hasProxyFlag()) {
    const given = [...(env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv];
    const last = given.findLast((flag) => /^--(no-)?use-env-proxy$/.test(flag));
    if (last !== undefined) return last === '--use-env-proxy';
  }
  return env.NODE_USE_ENV_PROXY === '1';
}

let hasWarned = false;

/** Emits Node.js's own warning, once. */
function warnOfInsecurity() {
  if (hasWarned) return;
  hasWarned = true;
  process.emitWarning(
    "Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to '0' makes TLS connections and HTTPS requests " +
      'insecure by disabling certificate verification.',
  );
}

module.exports = { hasTransportChanged, readEnv, transportSettings };
