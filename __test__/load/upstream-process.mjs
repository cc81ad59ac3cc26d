/** Starts the upstream in its process. */

import { fork } from 'node:child_process';
import { once } from 'node:events';

export async function startUpstreamProcess() {
  const child = fork(new URL('./upstream.mjs', import.meta.url), { execArgv: [] });
  const exited = once(child, 'exit');
  const [{ url }] = await once(child, 'message');
  /** @param {string} what @returns {Promise<{ reports: number, open: number }>} */
  const ask = async (what) => {
    const answered = once(child, 'message');
    child.send(what);
    return (await answered)[0];
  };
  return {
    url: /** @type {string} */ (url),
    /** How many calls were reported, and how many requests are open. */
    counts: () => ask('counts?'),
    /** Closes connections that have no request. */
    letGo: () => ask('let go'),
    async close() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
