/** The page's sliders: names, ranges and initial values. Used by the page, the lanes and the upstreams. */

/**
 * @typedef {object} Settings
 * @property {number} failures The share of requests that the primary answers with 500, in percent.
 * @property {number} latency How long the primary takes to answer, in ms.
 * @property {number} stalls The share of requests that the primary never answers, in percent.
 * @property {number} blocked For how long each second a lane's event loop is blocked, in ms.
 * @property {number} rate Calls a second, in each lane.
 * @property {number} breaker 1: the lane of openpipe-native uses its circuit breaker.
 */

/** @type {Record<keyof Settings, { label: string, unit: string, min: number, max: number, step: number, value: number }>} */
export const sliders = {
  failures: { label: 'Failure rate', unit: '%', min: 0, max: 100, step: 5, value: 20 },
  latency: { label: 'Latency', unit: 'ms', min: 0, max: 3000, step: 50, value: 150 },
  stalls: { label: 'Never answered', unit: '%', min: 0, max: 100, step: 5, value: 10 },
  blocked: { label: 'Blocked loop', unit: 'ms per s', min: 0, max: 900, step: 50, value: 0 },
  rate: { label: 'Calls', unit: 'per s', min: 1, max: 40, step: 1, value: 10 },
  breaker: { label: 'Circuit breaker', unit: '', min: 0, max: 1, step: 1, value: 1 },
};

/** Each call's timeout, in every lane. */
export const TIMEOUT_MS = 1_500;

/** @returns {Settings} */
export function firstSettings() {
  return /** @type {Settings} */ (
    Object.fromEntries(Object.entries(sliders).map(([name, { value }]) => [name, value]))
  );
}

/** What is known of it, within its range. @param {unknown} sent @param {Settings} current @returns {Settings} */
export function settingsOf(sent, current) {
  const settings = { ...current };
  if (typeof sent !== 'object' || sent === null) return settings;
  for (const [name, { min, max }] of Object.entries(sliders)) {
    const value = /** @type {Record<string, unknown>} */ (sent)[name];
    if (typeof value !== 'number' || !Number.isFinite(value)) continue;
    settings[/** @type {keyof Settings} */ (name)] = Math.min(max, Math.max(min, value));
  }
  return settings;
}
