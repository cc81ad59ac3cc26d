// The types of `require("openpipe-native/fetch")`.

export * from './fetch-types.js';
export { createFetch, createFetch as default } from './fetch-types.js';
