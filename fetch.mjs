// The ESM entry of `createFetch`. It needs no `openai` package.

import library from './lib/fetch/create-fetch.js';

export const { createFetch } = library;
export default createFetch;
