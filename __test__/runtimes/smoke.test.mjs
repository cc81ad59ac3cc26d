/** The smoke suite of `npm run test:runtimes` on the Node.js that runs the tests. */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { CASES, runCase } from './cases.mjs';

const SMOKE = fileURLToPath(new URL('./smoke.mjs', import.meta.url));

test('every case is found', () => {
  const listed = execFileSync(process.execPath, [SMOKE, '--list'], { encoding: 'utf8' });
  expect(CASES).toEqual(JSON.parse(listed));
});

for (const name of CASES) {
  test(`works here: ${name}`, async () => {
    expect(await runCase([process.execPath], SMOKE, name)).toBeUndefined();
  }, 60_000);
}
