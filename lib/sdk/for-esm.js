'use strict';
/**
 * The CommonJS file that the ESM entry imports. Node.js scans the whole text of such a file for the names of its exports, by a lexer
 * that is not yet compiled then: that took 3 ms for `client.js`, and takes next to nothing for this short file.
 */

const { defineClient } = require('./client.js');

module.exports = { defineClient };
