/** A logger that records its warnings. */
export function listeningLogger() {
  /** @type {string[]} */
  const warnings = [];
  const nothing = () => {};
  const warn = (/** @type {unknown[]} */ ...what) => void warnings.push(what.map(String).join(' '));
  return { logger: { debug: nothing, info: nothing, error: nothing, warn }, warnings };
}
