'use strict';
// The CommonJS entry of `createFetch`. It needs no `openai` package.

const { createFetch } = require('./lib/fetch/create-fetch.js');

module.exports = { createFetch, default: createFetch };
