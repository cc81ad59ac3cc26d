/**
 * Runs the demo's situations with plain `openai` and `openpipe`: in separate processes and all at the same time, because some of
 * their calls never end.
 */

import { fork } from 'node:child_process';

import { peerNames } from './clients.mjs';
import { situations } from './situations.mjs';

/** @typedef {typeof peerNames[number]} PeerName */

/**
 * What a peer's process sends for each situation.
 *
 * @typedef {object} PeerResult
 * @property {"answer" | "error" | "waiting"} end
 * @property {boolean} good Whether it is a whole answer.
 * @property {string} words What happened, for people.
 * @property {number} ms
 */

/**
 * @typedef {object} Peers
 * @property {(id: string, peer: PeerName) => PeerResult | undefined} resultOf undefined while the call is under way.
 * @property {(ms: number) => Promise<void>} settled Waits for all results, for at most `ms`.
 * @property {() => void} stop
 */

/**
 * @param {string[]} ids The situations.
 * @param {number} giveUpMs
 * @returns {Peers}
 */
export function startPeers(ids, giveUpMs) {
  /** @type {Map<string, PeerResult>} */
  const results = new Map();
  const blocking = ids.filter((id) => situations.find((situation) => situation.id === id)?.blockMs);
  // A blocked loop would disturb the other calls of its process.
  const groups = [ids.filter((id) => !blocking.includes(id)), ...blocking.map((id) => [id])].filter(
    ({ length }) => length,
  );
  const children = peerNames.flatMap((peer) =>
    groups.map((group) => {
      const child = fork(new URL('./peers-child.mjs', import.meta.url), [peer, String(giveUpMs), ...group], {
        execArgv: [],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      child.on('message', (/** @type {{ id: string, result: PeerResult }} */ { id, result }) => {
        results.set(`${peer} ${id}`, result);
        wake();
      });
      child.on('error', () => wake());
      return child;
    }),
  );
  /** @type {() => void} */
  let wake = () => {};
  const isDone = () => results.size === peerNames.length * ids.length || children.every((child) => !child.connected);
  return {
    resultOf: (id, peer) => results.get(`${peer} ${id}`),
    settled: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => {
          if (!isDone()) return;
          clearTimeout(timer);
          resolve();
        };
        wake();
      }),
    stop() {
      for (const child of children) child.kill();
    },
  };
}
