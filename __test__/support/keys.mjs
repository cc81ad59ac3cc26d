/** Invented keys, each unlike any other text, so that a leaked one can be found by a search. */

export const OPENAI_KEY = 'sk-known-to-the-client-only-5f1c';
export const OPENPIPE_KEY = 'opk-known-to-openpipe-only-9e2d';

// Keys of the developer's environment must not affect the tests.
for (const name of Object.keys(process.env)) if (/^(OPENAI|OPENPIPE)_/.test(name)) delete process.env[name];
