/**
 * The same upstream in a separate process: it and its clock keep running while the event loop of the
 * process under test is blocked.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';

/**
 * Options that are data: everything but the `behaviour` function.
 *
 * @typedef {Omit<import("./upstream.mjs").UpstreamOptions, "behaviour">} ForkedUpstreamOptions
 */

/** @typedef {Omit<import("./upstream.mjs").LoggedRequest, "closed">} ForkedRequest */

/**
 * @typedef {object} ForkedUpstream
 * @property {string} url
 * @property {number} port
 * @property {number} pid
 * @property {() => Promise<ForkedRequest[]>} requests The requests so far.
 * @property {() => Promise<{ open: number, total: number }>} connections
 * @property {() => Promise<void>} reset
 * @property {() => Promise<void>} close Ends the process, and resolves when it has ended.
 */

/**
 * @typedef {{ id: number, ask: "start", options: ForkedUpstreamOptions }
 *   | { id: number, ask: "requests" | "connections" | "reset" }} Question
 * @typedef {{ id: number, value: any } | { id: number, error: Error }} Reply
 */

/**
 * @param {ForkedUpstreamOptions} [options]
 * @returns {Promise<ForkedUpstream>}
 */
export async function forkUpstream(options = {}) {
  const child = fork(new URL('./upstream-child.mjs', import.meta.url), {
    // A test runner's own flags (loaders, inspector, coverage) are not for the child.
    execArgv: [],
    // Structured clone: bytes in behaviours stay bytes.
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const ask = questions(child);
  try {
    const { url, port } = await ask({ ask: 'start', options });
    return {
      url,
      port,
      pid: child.pid ?? 0,
      requests: () => ask({ ask: 'requests' }),
      connections: () => ask({ ask: 'connections' }),
      reset: () => ask({ ask: 'reset' }),
      close: async () => {
        if (child.connected) child.disconnect();
        await exited;
      },
    };
  } catch (error) {
    if (child.connected) child.disconnect();
    throw error;
  }
}

/**
 * Sends requests to the child, and matches its replies by their number.
 *
 * @param {import("node:child_process").ChildProcess} child
 */
function questions(child) {
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  const open = new Map();
  let lastId = 0;
  child.on('message', (/** @type {Reply} */ reply) => {
    const question = open.get(reply.id);
    open.delete(reply.id);
    if ('error' in reply) question?.reject(reply.error);
    else question?.resolve(reply.value);
  });
  child.once('exit', () => {
    for (const { reject } of open.values()) reject(new Error("the upstream's process has ended"));
  });
  /** @param {Question extends infer Q ? Q extends Question ? Omit<Q, "id"> : never : never} question */
  return (question) =>
    new Promise((/** @type {(value: any) => void} */ resolve, reject) => {
      const id = ++lastId;
      open.set(id, { resolve, reject });
      child.send({ ...question, id }, (error) => {
        if (!error) return;
        open.delete(id);
        reject(error);
      });
    });
}
