'use strict';
// The CommonJS entry of the mock upstream for tests.

const { closedPort, startUpstream } = require('./lib/testing/upstream.js');
const { namedBehaviours } = require('./lib/testing/behaviour.js');

module.exports = { closedPort, namedBehaviours, startUpstream };
