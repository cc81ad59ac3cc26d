/** The resources of this process: descriptors, threads, memory. Descriptors and threads are counted on Linux only. */

import { readdirSync } from 'node:fs';

/** Whether the system shows a process's descriptors and threads. */
export const countsDescriptors = process.platform === 'linux';

/** The open descriptors, without the one that reads the list. */
export function openDescriptors() {
  return countsDescriptors ? readdirSync('/proc/self/fd').length - 1 : 0;
}

export function threads() {
  return countsDescriptors ? readdirSync('/proc/self/task').length : 0;
}

/** The memory in use after garbage collection. Needs --expose-gc. */
export async function settledMemory() {
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc?.();
    // Objects that a finalizer releases are collected in the next round.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, rss } = process.memoryUsage();
  return { heapUsed, rss };
}

/** Waits until no more descriptors are open than this, for so long at most; and gives what there are then. @param {number} most @param {number} [ms] */
export async function descriptorsDownTo(most, ms = 30_000) {
  const end = performance.now() + ms;
  while (openDescriptors() > most && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  return openDescriptors();
}
