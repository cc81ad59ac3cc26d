import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['__test__/frameworks/*.cases.mjs'],
    pool: 'forks',
    testTimeout: 30_000,
  },
});
