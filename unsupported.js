'use strict';
// The entry for the conditions `browser`, `edge-light` and `workerd`. A test runner with a DOM resolves to it as well, in Node.js:
// there it exports the real module, by a name that bundlers do not follow.

const isNode = typeof process === 'object' && typeof process?.versions?.node === 'string' && !process.versions.workerd;
const load = isNode && typeof module === 'object' ? module['req' + 'uire'] : undefined;

if (typeof load !== 'function') {
  throw new Error(
    'openpipe-native is a native addon of Node.js and does not run in browsers or on edge runtimes: call it on a Node.js server, and import the package `openai` here.',
  );
}
module.exports = load.call(module, './index.js');
