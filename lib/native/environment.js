'use strict';
/**
 * What the environment variables say. Read here, in JavaScript: another thread must not read them while Node.js writes.
 */

/** The variable, without white space around it; `undefined` where it is not set, or empty. */
/** @param {string} name @returns {string | undefined} */
function readEnv(name) {
  return process.env[name]?.trim() || undefined;
}

/**
 * How connections are made, as Node.js itself would: proxies only with its own switch, its further roots, its switch
 * against the verification of certificates.
 * @param {NodeJS.ProcessEnv} env
 */
function transportSettings(env) {
  const proxied = env.NODE_USE_ENV_PROXY === '1';
  const either = (/** @type {string} */ name) =>
    proxied ? env[name.toLowerCase()] || env[name] || undefined : undefined;
  return {
    httpProxy: either('HTTP_PROXY'),
    httpsProxy: either('HTTPS_PROXY'),
    noProxy: either('NO_PROXY'),
    extraCaCerts: env.NODE_EXTRA_CA_CERTS || undefined,
    acceptInvalidCerts: env.NODE_TLS_REJECT_UNAUTHORIZED === '0',
  };
}

module.exports = { readEnv, transportSettings };
