// JavaScript, checked.
const OpenAI = require('openpipe-native');
const { OpenAI: Named, RateLimitError, toFile } = require('openpipe-native');

/** @type {import("openpipe-native").OpenPipeOptions} */
const openpipe = { fallback: { model: 'gpt-4o' }, fallbackClient: new Named() };
const openai = new OpenAI({ openpipe });

/** @returns {Promise<OpenAI.OpenPipeResult>} */
async function main() {
  const completion = await openai.chat.completions.create({ model: 'm', messages: [], openpipe: { tags: { a: 1 } } });
  return completion.openpipe;
}

// @ts-expect-error an unknown member
openai.chat.completions.create({ model: 'm', messages: [], openpipe: { tag: {} } });

module.exports = {
  main,
  toFile,
  isRateLimit: (/** @type {unknown} */ error) => error instanceof RateLimitError && error.openpipe,
};
