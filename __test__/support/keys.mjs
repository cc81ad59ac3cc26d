/** Keys that open nothing, each unlike any other text, so that one which leaks can be searched for. */

export const OPENAI_KEY = 'sk-known-to-the-client-only-5f1c';
export const OPENPIPE_KEY = 'opk-known-to-openpipe-only-9e2d';

// What the developer has in the environment is not what the tests are about.
for (const name of Object.keys(process.env)) if (/^(OPENAI|OPENPIPE)_/.test(name)) delete process.env[name];
