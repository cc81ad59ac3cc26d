/** What `npm run build` says on a machine that cannot build. */

import { expect, test } from 'vitest';

import { missingFrom, neededRust, thisMachine } from '../../release/preflight.mjs';

const READY = { node: '20.20.2', rustc: `rustc ${neededRust}.0 (abc 2025-06-23)`, hasLinker: true };

test('a machine with all tools can build', () => {
  expect(missingFrom(READY)).toEqual([]);
  expect(missingFrom({ ...READY, rustc: 'rustc 2.0.0-nightly' })).toEqual([]);
  expect(missingFrom(thisMachine())).toEqual([]);
});

test('without Rust, or with an old one, it says which version is needed and where to get it', () => {
  expect(missingFrom({ ...READY, rustc: undefined })).toEqual([
    'Rust 1.88 or newer is needed: https://rustup.rs (no rustc was found).',
  ]);
  expect(missingFrom({ ...READY, rustc: 'rustc 1.70.0 (90c541806 2023-05-31)' })).toEqual([
    expect.stringContaining('Rust 1.88 or newer is needed: https://rustup.rs (this is 1.70.0;'),
  ]);
});

test('an old Node.js and a missing C compiler are named too', () => {
  expect(missingFrom({ node: '18.19.0', rustc: undefined, hasLinker: false })).toHaveLength(3);
});
