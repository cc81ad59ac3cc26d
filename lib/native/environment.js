'use strict';
/**
 * Reads environment variables. In JavaScript, because no other thread may read them while Node.js writes.
 */

/** The variable, without white space around it; `undefined` where it is not set, or empty. */
/** @param {string} name @returns {string | undefined} */
function readEnv(name) {
  return process.env[name]?.trim() || undefined;
}

/**
 * How connections are made, as Node.js itself would: by a proxy if Node.js goes by one, with its further roots, with its switch
 * against the verification of certificates.
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
    acceptInvalidCerts,
  };
}

/** What the settings were made of last. */
/** @type {{ verification: string | undefined, agent: unknown, dispatcher: unknown }} */
let last = { verification: undefined, agent: undefined, dispatcher: undefined };

/** Whether the settings of connections have changed since the last call of this function. Cheap, as each call asks. */
function hasTransportChanged() {
  const verification = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  const agent = globalAgent();
  const dispatcher = globalDispatcher();
  if (verification === last.verification && agent === last.agent && dispatcher === last.dispatcher) return false;
  last = { verification, agent, dispatcher };
  return true;
}

/**
 * The variables from which Node.js takes its proxies; `undefined` where it connects directly.
 * @param {NodeJS.ProcessEnv} env @returns {Record<string, string | undefined> | undefined}
 */
function proxyEnvironment(env) {
  // What `http.setGlobalProxyFromEnv()` was given, or what Node.js took at its start.
  const given = globalAgent()?.options?.proxyEnv;
  if (typeof given === 'object' && given !== null) return given;
  if (globalDispatcher()?.constructor?.name === 'EnvHttpProxyAgent') return env;
  return asksForProxies(env) ? env : undefined;
}

/** Whether this Node.js has a switch for proxies at all. */
function knowsSwitch() {
  return process.allowedNodeEnvironmentFlags.has('--use-env-proxy');
}

/** Kept, since each call needs it, and the question takes microseconds. */
const hasProxyAgent = knowsSwitch();
/** Where the dispatcher of the global `fetch` is. */
const DISPATCHER = Symbol.for('undici.globalDispatcher.1');

/** @type {typeof import('node:http') | undefined} */
let http;

/** The agent of `node:http`, which is not loaded where it says nothing of proxies. @returns {any} */
function globalAgent() {
  if (!hasProxyAgent) return undefined;
  http ??= require('node:http');
  return http.globalAgent;
}

/** The dispatcher of the global `fetch`, where one was made. @returns {any} */
function globalDispatcher() {
  return /** @type {any} */ (globalThis)[DISPATCHER];
}

/** The switch of Node.js: on the command line, else in `NODE_OPTIONS`, else the variable alone. @param {NodeJS.ProcessEnv} env */
function asksForProxies(env) {
  if (knowsSwitch()) {
    const given = [...(env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv];
    const asked = given.filter((flag) => /^--(no-)?use-env-proxy$/.test(flag)).pop();
    if (asked !== undefined) return asked === '--use-env-proxy';
  }
  return env.NODE_USE_ENV_PROXY === '1';
}

let hasWarned = false;

/** As Node.js warns, once. */
function warnOfInsecurity() {
  if (hasWarned) return;
  hasWarned = true;
  process.emitWarning(
    "Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to '0' makes TLS connections and HTTPS requests " +
      'insecure by disabling certificate verification.',
  );
}

module.exports = { hasTransportChanged, readEnv, transportSettings };
