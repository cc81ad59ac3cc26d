'use strict';
/** Answers the core's questions during a call: requests to custom clients, headers, and functions of `reject`. */

const { HostRequest } = require('../host-client/host-request.js');
const { SDK_OPENAI, isSdkTransport } = require('../host-client/numbers.js');
const { answerErrorOf, keepMadeBySdk, streamErrorOf } = require('./errors.js');
const { answerFrom, answerOfClient, askJudge } = require('./judge.js');

/** @typedef {import('../host-client/host-request.js').Question} Question */
/** @typedef {import('../sdk/take-over.js').CallSetup} CallSetup */

class HostRequests {
  /** @param {CallSetup} setup @param {number} call */
  constructor(setup, call) {
    this.setup = setup;
    this.call = call;
    /** The open requests, by the core's number for each. @type {Map<number, HostRequest>} */
    this.running = new Map();
    /** The values that custom clients returned and threw, by ticket. @type {unknown[]} */
    this.kept = [];
  }

  /** Sends a request to a custom client. @param {number} ask @param {Question} question @param {string} body */
  start(ask, question, body) {
    const { setup } = this;
    const { client } = question;
    const request = this.#newRequest(ask);
    if (isSdkTransport(client)) {
      request.isTransport = true;
      request.streamError = (error) => streamErrorOf(setup.sdk, error);
      request.bodyError = (error) => answerErrorOf(setup.sdk, error);
      request.keepError = (error) => keepMadeBySdk(setup.sdk, setup.client, error);
    }
    // The method is looked up when it is called, so that an error of the look-up is a failure of the client like any other.
    const create = (/** @type {any} */ given, /** @type {any} */ options) => {
      const method = question.cancels === undefined ? setup.clientFunction(client) : setup.cancelFunction(client);
      return method(given, options);
    };
    request.start(create, question, body, () => setup.clientKeys(client));
  }

  /** Answers with the headers of a request that the core sends over HTTP. @param {number} ask @param {string} upstream */
  answerHeaders(ask, upstream) {
    const { setup } = this;
    this.#newRequest(ask).answerHeaders(
      () => setup.headersOf(upstream),
      () => (upstream === 'openai' ? setup.clientKeys(SDK_OPENAI) : []),
    );
  }

  /** Calls a function of `reject`. @param {number} ask @param {import('./judge.js').Judging} judging @param {string} text */
  judge(ask, judging, text) {
    const { setup } = this;
    const { ticket, requestId } = judging;
    askJudge(this.call, ask, judging, setup.judges[judging.function], () =>
      ticket === null
        ? answerFrom(text, requestId, setup)
        : answerOfClient(/** @type {any} */ (this.kept[ticket]).value, setup),
    );
  }

  /** The core consumed this many bytes of chunks. @param {number} ask @param {number} bytes */
  pull(ask, bytes) {
    this.running.get(ask)?.pull(bytes);
  }

  /** The core wants no more of a request. @param {number} ask */
  drop(ask) {
    this.running.get(ask)?.drop();
    this.running.delete(ask);
  }

  /** The call is over. */
  dropAll() {
    for (const request of this.running.values()) request.drop();
    this.running.clear();
  }

  /** @param {number} ask */
  #newRequest(ask) {
    const request = new HostRequest(this.call, ask, (value) => this.kept.push(value) - 1);
    this.running.set(ask, request);
    return request;
  }
}

module.exports = { HostRequests };
