/** Controls a headless Chromium over its DevTools protocol, for the test of the page and its screenshot. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { WebSocket } from 'undici';

const PLACES = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The path of Chromium, if it is installed. */
export const chromiumPath = PLACES.find((path) => path !== undefined && existsSync(path));

const START_MS = 60_000;

/**
 * @typedef {object} Page
 * @property {(expression: string) => Promise<any>} evaluate
 * @property {(condition: string, ms: number) => Promise<boolean>} eventually Whether an expression became true.
 * @property {() => Promise<Buffer>} screenshot
 * @property {string[]} requests The URLs that the page requested.
 * @property {string[]} errors The errors that it threw or logged.
 * @property {() => Promise<void>} close
 */

/**
 * @param {string} url
 * @param {{ width: number, height: number, scale?: number, dark?: boolean }} window
 * @returns {Promise<Page>}
 */
export async function openPage(url, { width, height, scale = 1, dark = false }) {
  if (!chromiumPath) throw new Error('no Chromium is installed: apt-get install chromium, or set CHROMIUM to its path');
  const profile = mkdtempSync(join(tmpdir(), 'openpipe-native-chromium-'));
  const browser = spawn(
    chromiumPath,
    [
      ...[
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--no-first-run',
        '--hide-scrollbars',
      ],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-extensions'],
      ...[`--user-data-dir=${profile}`, '--remote-debugging-port=0', `--window-size=${width},${height}`],
      'about:blank',
    ],
    // In a process group of its own: Chromium's helper processes outlive it for a moment, and write to the profile until then.
    { stdio: 'ignore', detached: process.platform !== 'win32' },
  );
  const exited = once(browser, 'exit');
  const kill = () => {
    if (browser.exitCode !== null || browser.signalCode !== null) return;
    if (browser.pid === undefined || process.platform === 'win32') browser.kill();
    else process.kill(-browser.pid, 'SIGKILL');
  };
  process.once('exit', kill);
  const close = async () => {
    process.removeListener('exit', kill);
    kill();
    await exited;
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  try {
    const target = await pageTarget(profile);
    const protocol = await connect(target);
    const page = await watch(protocol, url, { width, height, scale, dark });
    return { ...page, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @param {string} profile Where Chromium writes its port. @returns {Promise<string>} */
async function pageTarget(profile) {
  const end = performance.now() + START_MS;
  while (performance.now() < end) {
    const file = join(profile, 'DevToolsActivePort');
    if (existsSync(file)) {
      const [port] = readFileSync(file, 'utf8').split('\n');
      const targets = await fetch(`http://127.0.0.1:${port}/json/list`).then(
        (response) => response.json(),
        () => [],
      );
      const page = targets.find((/** @type {{ type: string }} */ { type }) => type === 'page');
      if (page) return page.webSocketDebuggerUrl;
    }
    await sleep(50);
  }
  throw new Error('Chromium did not start');
}

/** @param {string} url */
async function connect(url) {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  /** @type {Map<number, (message: any) => void>} */
  const waiting = new Map();
  /** @type {((method: string, params: any) => void)[]} */
  const listeners = [];
  let lastId = 0;
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data));
    if (message.id === undefined) for (const listener of listeners) listener(message.method, message.params);
    else waiting.get(message.id)?.(message);
  });
  return {
    listeners,
    /** @param {string} method @param {Record<string, unknown>} [params] @returns {Promise<any>} */
    send(method, params = {}) {
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        waiting.set(id, ({ result, error }) => (error ? reject(new Error(error.message)) : resolve(result)));
        socket.send(JSON.stringify({ id, method, params }));
      });
    },
  };
}

/**
 * @param {Awaited<ReturnType<typeof connect>>} protocol
 * @param {string} url
 * @param {{ width: number, height: number, scale: number, dark: boolean }} window
 */
async function watch(protocol, url, { width, height, scale, dark }) {
  /** @type {string[]} */
  const requests = [];
  /** @type {string[]} */
  const errors = [];
  protocol.listeners.push((method, params) => {
    if (method === 'Network.requestWillBeSent') requests.push(params.request.url);
    if (method === 'Runtime.exceptionThrown')
      errors.push(params.exceptionDetails.exception?.description ?? 'an exception');
    if (method === 'Log.entryAdded' && params.entry.level === 'error') errors.push(params.entry.text);
  });
  for (const domain of ['Network', 'Runtime', 'Log', 'Page']) await protocol.send(`${domain}.enable`);
  await protocol.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: scale, mobile: false });
  const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
  await protocol.send('Emulation.setEmulatedMedia', { features });
  await protocol.send('Page.navigate', { url });

  const evaluate = async (/** @type {string} */ expression) => {
    const { result } = await protocol.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    return result.value;
  };
  return {
    requests,
    errors,
    evaluate,
    async eventually(/** @type {string} */ condition, /** @type {number} */ ms) {
      const end = performance.now() + ms;
      while (performance.now() < end) {
        if ((await evaluate(condition)) === true) return true;
        await sleep(100);
      }
      return false;
    },
    async screenshot() {
      const { data } = await protocol.send('Page.captureScreenshot', { format: 'png' });
      return Buffer.from(data, 'base64');
    },
  };
}
