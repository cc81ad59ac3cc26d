'use strict';
/**
 * The codes by which JavaScript's programs know the failures of connections for which neither POSIX nor OpenSSL has a name
 * (`Fault` in crates/core/src/failure/network.rs, with which a test compares this list): those of Node.js, its parser and undici.
 */

/** @type {Record<string, string>} */
const CODES = Object.freeze({
  connect_timeout: 'UND_ERR_CONNECT_TIMEOUT',
  closed: 'UND_ERR_SOCKET',
  no_http: 'HPE_INVALID_CONSTANT',
  no_chunk: 'HPE_INVALID_CHUNK_SIZE',
  no_tls: 'ERR_SSL_WRONG_VERSION_NUMBER',
  certificate_name: 'ERR_TLS_CERT_ALTNAME_INVALID',
  handshake_refused: 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
  tls_version: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
});

/** The code of a failure, where it has one. @param {import('./errors.js').Failure | undefined} failure @returns {string | undefined} */
function codeOf(failure) {
  return failure?.code ?? CODES[failure?.fault ?? ''];
}

module.exports = { codeOf };
