/** `npm run example -- NAME`: runs an example against upstreams on this machine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { exampleNames, startStage } from './stage.mjs';

const [name = ''] = process.argv.slice(2);

if (exampleNames.includes(name)) {
  process.exitCode = await run(name);
} else {
  console.error(`npm run example -- ${exampleNames.join(' | ')}`);
  process.exitCode = 1;
}

/** @param {string} example @returns {Promise<number>} The exit code. */
async function run(example) {
  const stage = await startStage(example);
  const file = fileURLToPath(new URL(`${example}.mts`, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    env: { ...process.env, ...stage.env },
    stdio: 'inherit',
  });
  // The terminal sends SIGINT to both processes; this one waits for the child.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill());
  const [code, signal] = await once(child, 'exit');
  await stage.close();
  return code ?? (signal === 'SIGINT' || signal === 'SIGTERM' ? 0 : 1);
}
