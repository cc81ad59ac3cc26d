// The types of `import { createFetch } from "openpipe-native/fetch"`.

export * from './fetch-types.js';
export { createFetch, createFetch as default } from './fetch-types.js';
