'use strict';
/**
 * What the ESM entry imports. Node.js looks for the names of the exports in every letter of a CommonJS file that ESM imports, by
 * code that is not yet compiled: in `client.js` itself that took 3 ms, in this file it takes next to nothing.
 */

const { defineClient } = require('./client.js');

module.exports = { defineClient };
