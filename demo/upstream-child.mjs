/** The child process of `upstream-process.mjs`: one upstream, controlled over IPC. */

import { startUpstream } from './upstream.mjs';

/** @import { Question, Reply } from "./upstream-process.mjs" */

/** @type {import("./upstream.mjs").Upstream | undefined} */
let upstream;

process.on('message', async (/** @type {Question} */ question) => {
  try {
    reply({ id: question.id, value: await answer(question) });
  } catch (error) {
    reply({ id: question.id, error: error instanceof Error ? error : new Error(String(error)) });
  }
});

// The parent has closed this upstream or has ended.
process.on('disconnect', () => process.exit(0));

/** @param {Question} question @returns {Promise<unknown>} */
async function answer(question) {
  if (question.ask === 'start') {
    upstream = await startUpstream(question.options);
    return { url: upstream.url, port: upstream.port };
  }
  if (!upstream) throw new Error('the upstream has not been started');
  switch (question.ask) {
    case 'requests':
      // `closed` is a promise, which cannot be sent.
      return upstream.requests.map(({ closed, ...request }) => request);
    case 'connections':
      return { open: upstream.connections, total: upstream.totalConnections };
    case 'reset':
      return upstream.reset();
  }
}

/** @param {Reply} message */
function reply(message) {
  process.send?.(message);
}
