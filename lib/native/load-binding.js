'use strict';
/** Loads the addon. Where that fails, the error says for which machine, what was looked for, and how to get it. */

const NAME = 'openpipe-native';

/** The machines with a package of their own: what `napi.targets` in package.json comes to. */
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

/** What bundlers put in the place of an addon: the name of a copy of its file. @param {any} binding */
function checked(binding) {
  if (typeof binding?.Mailbox !== 'function') throw new Error(`in the place of the addon there is ${typeof binding}`);
  return binding;
}

/** Whether this code was copied into a file of a bundler's. */
function isBundled() {
  return typeof __filename === 'undefined' || !/[\\/]lib[\\/]native[\\/]load-binding\.js$/.test(__filename);
}

/**
 * Which C library this is may be asked of Node.js's report of the process, whose section on the network takes a reverse look-up
 * of each socket's peer (nodejs/node#46060).
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
 * What is installed is the addon if it loads, whatever binding.js takes this machine for: the C library of its tools is not
 * always that of its Node.js (napi-rs/napi-rs#2593).
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
        // The next one, or the explanation.
      }
    }
  }
  return undefined;
}

/** @param {unknown} error What binding.js, which the napi CLI generates, threw. */
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

/** Node.js refuses every addon. */
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

/** What comes after the architecture in a package's name: which C library Linux has, which compiler made Windows' Node.js. */
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

/** binding.js hides its reasons behind one another. @param {string} specifier @returns {unknown} why it cannot be loaded */
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
