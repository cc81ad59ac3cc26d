/** The two targets of every call of the demo, in order. */

export const targets = {
  primary: {
    model: 'openpipe:demo',
    /** Each upstream has its own; both are invented. */
    key: 'demo-openpipe-key',
    upstreamName: "the primary's upstream",
  },
  fallback: {
    model: 'gpt-5.4-mini',
    key: 'demo-openai-key',
    upstreamName: "the fallback's upstream",
  },
};

/** @typedef {keyof typeof targets} Role */

export const roles = /** @type {Role[]} */ (['primary', 'fallback']);

/** What a healthy upstream of the demo answers. @param {Role} role */
export function wholeAnswer(role) {
  const { upstreamName, model } = targets[role];
  return `Answered by ${upstreamName}, with the model ${model}.`;
}
