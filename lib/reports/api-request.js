'use strict';
/** Sends requests of OpenPipe's own API (`OpenPipe`'s methods) through the core. */

const native = require('../native/native.js');

/** @typedef {{ head: any, failure: any, text: string }} ApiResponse */

/** The open requests, by number. @type {Map<number, (response: ApiResponse) => void>} */
const requests = new Map();

/**
 * @param {string} method @param {string} url @param {string} key @param {[string, string][]} headers @param {string} body
 * @param {number} milliseconds The timeout.
 * @returns {Promise<ApiResponse>}
 */
function request(method, url, key, headers, body, milliseconds) {
  return new Promise((resolve) => {
    const number = native.request(method, url, key, headers, body, milliseconds);
    native.holdProcess();
    requests.set(number, resolve);
  });
}

/** Settles the request that the core has a response for. @param {number} number @param {ApiResponse} response */
function respond(number, response) {
  const resolve = requests.get(number);
  if (!resolve) return;
  requests.delete(number);
  native.releaseProcess();
  resolve(response);
}

module.exports = { request, respond };
