'use strict';
/** Loads the addon. Where that fails, the error names the machine and the files that were tried, and says how to get the addon. */

const NAME = 'openpipe-native';

/** The machines for which a package is published, as `napi.targets` in package.json lists them. */
const PREBUILT = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
];

/** @returns {typeof import('../../binding.js')} */
function loadBinding() {
  return withoutNetworkReport(() => {
    try {
      return checked(require('../../binding.js'));
    } catch (error) {
      const loaded = loadedBeside();
      if (loaded) return loaded;
      throw isBundled() ? new Error(BUNDLED, { cause: error }) : explained(error);
    }
  });
}

const BUNDLED =
  `${NAME} was put into a bundle, which cannot hold its native addon. Leave ${NAME}, and openai with it, outside of the bundle: ` +
  `--external:${NAME} --external:openai (esbuild), external: ['${NAME}', 'openai'] (Rollup, Vite), externals (webpack), ` +
  `serverExternalPackages (Next.js).`;

/** Refuses what is not the addon: a bundler may replace it by the name of a file. @param {any} binding */
function checked(binding) {
  if (typeof binding?.Mailbox !== 'function') throw new Error(`the module loaded as the addon is a ${typeof binding}`);
  return binding;
}

/** Whether this code runs from a bundler's output. */
function isBundled() {
  return typeof __filename === 'undefined' || !/[\\/]lib[\\/]native[\\/]load-binding\.js$/.test(__filename);
}

/**
 * Runs `work` while Node.js's diagnostic report leaves out its network section. The C library is read from that report, and the network
 * section makes a reverse DNS look-up for each socket (nodejs/node#46060).
 * @template T @param {() => T} work @returns {T}
 */
function withoutNetworkReport(work) {
  const report = /** @type {any} */ (process.report);
  const before = report?.excludeNetwork;
  if (report) report.excludeNetwork = true;
  try {
    return work();
  } finally {
    if (report) report.excludeNetwork = before;
  }
}

/**
 * Tries the packages for both C libraries, because binding.js may detect the wrong one: that of the system's tools and not that of
 * Node.js (napi-rs/napi-rs#2593).
 * @returns {typeof import('../../binding.js') | undefined}
 */
function loadedBeside() {
  if (process.platform !== 'linux' || process.env.NAPI_RS_NATIVE_LIBRARY_PATH !== undefined) return undefined;
  for (const abi of ['gnu', 'musl']) {
    const machine = `${process.platform}-${process.arch}-${abi}`;
    for (const specifier of [`../../${NAME}.${machine}.node`, `${NAME}-${machine}`]) {
      try {
        return checked(require(specifier));
      } catch {
        // Try the next one.
      }
    }
  }
  return undefined;
}

/** The error that explains why the addon was not loaded. @param {unknown} error The error of binding.js, which the napi CLI generates. */
function explained(error) {
  const { platform, arch } = process;
  const abi = abiOfProcess();
  const machine = [platform, arch, ...(abi ? [abi] : [])].join('-');
  const file = `${NAME}.${machine}.node`;
  const chosen = process.env.NAPI_RS_NATIVE_LIBRARY_PATH;
  const found = chosen === undefined ? [`../../${file}`, `${NAME}-${machine}`].find(isThere) : chosen;
  const head = `${NAME} has no native addon for this machine: ${platform}, ${arch}${abi ? `, ${abi}` : ''}.`;

  if (found !== undefined) {
    const reason = failureOf(found);
    if (/** @type {any} */ (reason)?.code === 'ERR_DLOPEN_DISABLED') return new Error(switchedOff(), { cause: reason });
    const from = chosen === undefined ? 'is installed' : 'is what NAPI_RS_NATIVE_LIBRARY_PATH names';
    return new Error(
      `${head} ${name(found)} ${from}, but cannot be loaded: ${reason instanceof Error ? reason.message : error}\n${HOW_TO_BUILD}`,
      { cause: reason ?? error },
    );
  }
  const sought = `Looked for the package ${NAME}-${machine}, and for a build of one's own, ${file}.`;
  const why = PREBUILT.includes(machine)
    ? `npm installs that package along with ${NAME}. It is missing where optional dependencies are left out ` +
      `(--omit=optional), and where node_modules or the lock file come from another kind of machine: then remove both ` +
      `and install again.`
    : `There is no such package: binaries are published for ${PREBUILT.join(', ')}.`;
  return new Error(`${head} ${sought}\n${why}\n${HOW_TO_BUILD}`, { cause: error });
}

/** The message where Node.js refuses every addon. */
function switchedOff() {
  const isPermission = 'permission' in process;
  return (
    `${NAME} is a native addon, and this process does not load addons: ` +
    (isPermission
      ? 'Node.js runs with --permission. Allow them by --allow-addons.'
      : 'Node.js runs with --no-addons. Start it without that flag.')
  );
}

const HOW_TO_BUILD =
  `To build it, with Rust 1.88 or newer and a C compiler: "npm ci && npm run build" in a checkout of ${NAME}. ` +
  `Then install the checkout, or set NAPI_RS_NATIVE_LIBRARY_PATH to the .node file that was made.`;

/** The last part of a package's name: the C library on Linux, the compiler on Windows. */
function abiOfProcess() {
  if (process.platform === 'win32') return 'msvc';
  if (process.platform !== 'linux') return undefined;
  const report = /** @type {any} */ (process.report?.getReport());
  return report?.header && !report.header.glibcVersionRuntime ? 'musl' : 'gnu';
}

/** @param {string} specifier */
function isThere(specifier) {
  try {
    require.resolve(specifier);
    return true;
  } catch {
    return false;
  }
}

/** Why a file cannot be loaded: the errors of binding.js do not say. @param {string} specifier @returns {unknown} */
function failureOf(specifier) {
  try {
    require(specifier);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** @param {string} specifier */
function name(specifier) {
  return specifier.replace(/^(\.\.\/)+/, '');
}

module.exports = { loadBinding, PREBUILT };
