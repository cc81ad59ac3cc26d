'use strict';
// The CommonJS entry: the class on top of the CommonJS copy of `openai`, with everything else that `openai` exports.

const { missingSdk } = require('./lib/sdk/sdk.js');
const sdk = requireSdk();
const { Stream } = require('openai/streaming');
const { defineClient } = require('./lib/sdk/client.js');

const OpenAI = defineClient({ ...sdk, OpenAI: sdk.OpenAI, Stream });

for (const name of Object.keys(sdk)) {
  if (name !== 'default' && name !== 'OpenAI' && !Object.hasOwn(OpenAI, name)) {
    Object.defineProperty(OpenAI, name, { enumerable: true, configurable: true, get: () => Reflect.get(sdk, name) });
  }
}

function requireSdk() {
  try {
    return require('openai');
  } catch (error) {
    throw missingSdk(error, () => require.resolve('openai'));
  }
}

module.exports = OpenAI;
module.exports.OpenAI = OpenAI;
module.exports.default = OpenAI;
