import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['__test__/**/*.test.mjs'],
    // Every test has servers of its own; files run side by side, each in a process of its own.
    pool: 'forks',
    // They mostly wait, so none of the cores is left out.
    maxWorkers: '100%',
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
