import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

/** Of a run on two cores, the longest first: begun last, it would run on with a core idle. */
const LONGEST = [
  'package/install',
  'process/environments',
  'process/process',
  'docs/examples',
  'runtimes/smoke',
  'custom-clients/process',
  'reports/process',
  'faults/reading',
  'custom-clients/time',
  'calls/linear',
  'faults/streams',
  'reports/sinks',
  'custom-clients/load',
  'docs/demo',
  'fetch/sdks/sdks',
  'faults/completions',
  'faults/sequences',
  'custom-clients/sdks',
  'sdk/retries',
];

/** More processes than cores: a third of the time they wait, for timers and for processes that they started. */
const WORKERS = Math.ceil(availableParallelism() * 1.5);

/** Runs without other tests: with thousands of connections at once the kernel resets those that are not accepted in time. */
const CROWD = ['__test__/load/load.test.mjs'];

/**
 * Files whose tests depend on other work in their process, each in a separate process: its memory, threads, event loop and time,
 * its counts of reports, its circuits and remembered responses, which of two undicis set the global dispatcher first, and the
 * SDKs as other packages patch them.
 */
const ALONE = [
  '__test__/{faults,reports,runtimes,wrappers}/**/*.test.mjs',
  '__test__/docs/{demo,demo-page,examples,frameworks,opentelemetry}.test.mjs',
  '__test__/package/{documented-types,install}.test.mjs',
  '__test__/process/{deliveries,ends,environment,environments,process}.test.mjs',
  '__test__/{calls,custom-clients,fetch}/{blocked-loop,breaker,linear,load,onfallback,process,routing,time,upstreams}.test.mjs',
  '__test__/fetch/sdks/*.test.mjs',
  '__test__/sdk/responses.test.mjs',
  '__test__/streams/{endpoints,unread}.test.mjs',
];

class LongestFirst extends BaseSequencer {
  /** @param {import('vitest/node').TestSpecification[]} files */
  async sort(files) {
    const rank = (/** @type {import('vitest/node').TestSpecification} */ { project, moduleId }) => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/__test__/${name}.test.mjs`));
      return project.config.sequence.groupOrder * LONGEST.length + (place === -1 ? LONGEST.length - 1 : place);
    };
    // Stable: the others, and all where the last run is known, stay as vitest sorts them.
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    // Every test has its own servers; files run in parallel.
    pool: 'forks',
    maxWorkers: WORKERS,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE } },
      // One process takes file after file: to start one and to load the SDKs takes longer than many a file's tests.
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['__test__/**/*.test.mjs'],
          exclude: [...ALONE, ...CROWD, '**/node_modules/**'],
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      { extends: true, test: { name: 'crowd', include: CROWD, sequence: { groupOrder: 2 } } },
    ],
  },
});
