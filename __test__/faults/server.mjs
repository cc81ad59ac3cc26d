/** The fault server: raw sockets in a separate process. The path of a request's URL selects the fault. */

import { fork } from 'node:child_process';
import { once } from 'node:events';

import { closedPort } from '../../demo/upstream.mjs';

/** @import { Entry } from './server/exchange.mjs' */
/** @import { Fault } from './catalogue/fault.mjs' */

/**
 * @typedef {object} FaultServer
 * @property {(fault: Fault, key: string) => string} url The base URL at which requests meet this fault.
 * @property {(name: string, key: string) => string} urlNamed The URL of a fault that does not break its connections, on a separate port.
 * @property {(fault: Fault) => Promise<Fault>} apart The same fault on a separate port, whose connections are not shared.
 * @property {(key: string) => Promise<Entry[]>} requests Those of a key, as it stands now.
 * @property {(key: string, fault: string, ms?: number) => Promise<boolean>} closed Whether every connection on which a key met
 *   a fault closes in time.
 * @property {() => Promise<number>} openConnections
 * @property {() => Promise<void>} close
 */

/** How long a connection may take to close before the tests call it left open: far longer than it should. */
const CLOSED_WITHIN_MS = 10_000;

/** @returns {Promise<FaultServer>} */
export async function startFaultServer() {
  const child = fork(new URL('./server/process.mjs', import.meta.url), {
    // A test runner's own flags are not for the child.
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  const asked = new Map();
  let lastId = 0;
  child.on('message', (/** @type {{ id: number, value?: unknown, error?: Error }} */ { id, value, error }) => {
    const question = asked.get(id);
    asked.delete(id);
    if (error) question?.reject(error);
    else question?.resolve(value);
  });
  child.once('exit', () => {
    for (const { reject } of asked.values()) reject(new Error("the fault server's process has gone"));
  });
  /** @param {string} what @param {{ key?: string, fault?: string, ms?: number }} [more] @returns {Promise<any>} */
  const ask = (what, more) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      asked.set(id, { resolve, reject });
      child.send({ id, ask: what, ...more }, (error) => error && reject(error));
    });
  const [ports, refusedPort] = await Promise.all([ask('start'), closedPort()]);
  const path = (/** @type {string} */ name, /** @type {string} */ key) =>
    `/${encodeURIComponent(name)}/${encodeURIComponent(key)}/v1`;
  return {
    url({ name, at = 'plain', scheme = 'http', host = '127.0.0.1' }, key) {
      const port = at === 'nobody' ? refusedPort : ports[at];
      return `${scheme}://${host}:${port}${path(name, key)}`;
    },
    urlNamed: (name, key) => `http://127.0.0.1:${ports.healthy}${path(name, key)}`,
    async apart(fault) {
      const port = await ask('listen apart');
      ports[`port ${port}`] = port;
      return { ...fault, at: `port ${port}` };
    },
    requests: (key) => ask('requests', { key }),
    closed: (key, fault, ms = CLOSED_WITHIN_MS) => ask('closed', { key, fault, ms }),
    openConnections: () => ask('open connections'),
    async close() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
