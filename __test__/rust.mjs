/**
 * Lints, compiles and runs the Rust tests. One pass does the first two, because clippy's driver is a rustc that also
 * lints: `cargo clippy` compiles the dependencies for itself alone, since tests cannot link what it checks.
 * Run: node __test__/rust.mjs compile | run
 */

import { spawnSync } from 'node:child_process';

const STEPS = {
  // The benches too, so that they are linted and keep compiling.
  compile: ['test', '--workspace', '--locked', '--all-targets', '--no-run'],
  // Each kind by name: without, the addon is compiled once more, for examples in comments. `docs/tests` keeps those out.
  run: ['test', '--workspace', '--locked', '--lib', '--bins', '--tests'],
};

const args = STEPS[/** @type {keyof typeof STEPS} */ (process.argv[2] ?? '')];
if (!args) throw new Error(`usage: node __test__/rust.mjs ${Object.keys(STEPS).join(' | ')}`);
const env = {
  ...process.env,
  // What only makes a second compilation faster costs the first one a sixth of its time.
  CARGO_INCREMENTAL: process.env.CARGO_INCREMENTAL ?? '0',
  // As `cargo clippy -- -D warnings` calls the driver. The same for both steps, or the second would compile again.
  RUSTC_WORKSPACE_WRAPPER: 'clippy-driver',
  CLIPPY_ARGS: '-D__CLIPPY_HACKERY__warnings',
};
const { status, error } = spawnSync('cargo', args, { stdio: 'inherit', env });
if (error) throw error;
process.exitCode = status ?? 1;
