// The types of `require("openpipe-native/testing")`.

export * from './testing-types.js';
export { closedPort, namedBehaviours, startUpstream } from './testing-types.js';
