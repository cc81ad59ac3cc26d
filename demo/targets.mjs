/** The two targets of every call of the demo: who is asked first, and who then. */

export const targets = {
  primary: {
    model: 'openpipe:demo',
    /** Each upstream's own; neither opens anything. */
    key: 'demo-openpipe-key',
    upstreamName: "the primary's upstream",
  },
  fallback: {
    model: 'gpt-4-turbo',
    key: 'demo-openai-key',
    upstreamName: "the fallback's upstream",
  },
};

/** @typedef {keyof typeof targets} Role */

export const roles = /** @type {Role[]} */ (['primary', 'fallback']);
