'use strict';
// The CommonJS entry of OpenPipe's own API, with the errors of the CommonJS copy of `openai`.

const sdk = require('openai');
const { openPipeClass } = require('./lib/openpipe-client/openpipe-client.js');

const OpenPipe = openPipeClass({ ...sdk, Stream: undefined });

module.exports = OpenPipe;
module.exports.OpenPipe = OpenPipe;
module.exports.default = OpenPipe;
