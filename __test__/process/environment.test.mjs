/** Whether connections go by a proxy: asked of Node.js, not of one variable. */

import { createRequire } from 'node:module';

import { afterEach, expect, test, vi } from 'vitest';

const { transportSettings } = createRequire(import.meta.url)('../../lib/native/environment.js');

const DISPATCHER = Symbol.for('undici.globalDispatcher.1');
const ENV = { HTTPS_PROXY: 'http://proxy.test:1' };
const before = /** @type {any} */ (globalThis)[DISPATCHER];

afterEach(() => {
  /** @type {any} */ (globalThis)[DISPATCHER] = before;
  vi.restoreAllMocks();
});

/** A Node.js with or without the switch. @param {boolean} isKnown */
function withSwitch(isKnown) {
  const flags = new Set(isKnown ? ['--use-env-proxy'] : []);
  vi.spyOn(process, 'allowedNodeEnvironmentFlags', 'get').mockReturnValue(flags);
}

test('a Node.js without the flag follows the variable only', () => {
  withSwitch(false);
  expect(transportSettings({ ...ENV, NODE_USE_ENV_PROXY: '1' }).httpsProxy).toBe(ENV.HTTPS_PROXY);
  expect(transportSettings({ ...ENV, NODE_OPTIONS: '--use-env-proxy' }).httpsProxy).toBeUndefined();
});

test('the flag in NODE_OPTIONS counts, also against the variable', () => {
  withSwitch(true);
  expect(transportSettings({ ...ENV, NODE_OPTIONS: '--use-env-proxy' }).httpsProxy).toBe(ENV.HTTPS_PROXY);
  const against = { ...ENV, NODE_USE_ENV_PROXY: '1', NODE_OPTIONS: '--no-use-env-proxy' };
  expect(transportSettings(against).httpsProxy).toBeUndefined();
});

test('a global dispatcher that uses the proxies of the environment counts', () => {
  withSwitch(false);
  /** @type {any} */ (globalThis)[DISPATCHER] = new (class EnvHttpProxyAgent {})();
  expect(transportSettings(ENV).httpsProxy).toBe(ENV.HTTPS_PROXY);
});

test('switched off verification of certificates gives Node.js’s own warning, once', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
  for (let times = 0; times < 2; times += 1) {
    expect(transportSettings({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }).acceptInvalidCerts).toBe(true);
  }
  expect(warn).toHaveBeenCalledOnce();
});
