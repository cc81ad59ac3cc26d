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
  'load/load',
  'calls/linear',
  'reports/sinks',
  'custom-clients/load',
  'docs/demo',
  'fetch/sdks/sdks',
  'custom-clients/sdks',
  'custom-clients/time',
  'sdk/retries',
];

/**
 * Files whose tests depend on what else their process does, each in a process of its own: its memory, threads and event loop,
 * its time, its counts of reports, its circuits and remembered responses, and the SDKs as other packages patch them.
 */
const ALONE = [
  '__test__/{docs,load,package,process,reports,runtimes,wrappers}/**/*.test.mjs',
  '__test__/{calls,custom-clients}/{blocked-loop,breaker,linear,load,onfallback,process,routing,time,upstreams}.test.mjs',
  '__test__/faults/failover-bench.test.mjs',
  '__test__/sdk/responses.test.mjs',
  '__test__/streams/{endpoints,unread}.test.mjs',
];

/** They add a certificate authority to their process, for the addon's TLS. */
const FAULTS = ['__test__/faults/*.test.mjs'];

/**
 * One process takes file after file: to start one and to load the SDKs takes longer than many a file's tests. These mostly
 * wait, so there are more processes than cores.
 */
const shared = { isolate: false, maxWorkers: Math.ceil(availableParallelism() * 1.5), sequence: { groupOrder: 1 } };

class LongestFirst extends BaseSequencer {
  /** @param {import('vitest/node').TestSpecification[]} files */
  async sort(files) {
    const rank = (/** @type {import('vitest/node').TestSpecification} */ { project, moduleId }) => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/__test__/${name}.test.mjs`));
      const group = project.config.sequence.groupOrder * 2 + (project.name === 'shared' ? 1 : 0);
      return group * LONGEST.length + (place === -1 ? LONGEST.length - 1 : place);
    };
    // Stable: the others, and all where the last run is known, stay as vitest sorts them.
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    // Every test has servers of its own; files run side by side.
    pool: 'forks',
    maxWorkers: '100%',
    testTimeout: 20_000,
    hookTimeout: 20_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE } },
      { extends: true, test: { name: 'faults', include: FAULTS, exclude: ALONE, ...shared } },
      {
        extends: true,
        test: { name: 'shared', include: ['__test__/**/*.test.mjs'], exclude: [...ALONE, ...FAULTS], ...shared },
      },
    ],
  },
});
