/** Starts the upstream in its process. */

import { fork } from 'node:child_process';
import { once } from 'node:events';

export async function startUpstreamProcess() {
  const child = fork(new URL('./upstream.mjs', import.meta.url), { execArgv: [] });
  const exited = once(child, 'exit');
  const [{ url }] = await once(child, 'message');
  return {
    url: /** @type {string} */ (url),
    /** How many reports have come, and how many requests are open. @returns {Promise<{ reports: number, open: number }>} */
    async counts() {
      const answered = once(child, 'message');
      child.send('counts?');
      return (await answered)[0];
    },
    async close() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
