// Compiles the programs of this folder against the public types, for each version of `openai` and each way of
// resolving modules. Exits 1 with the compiler's output when one does not compile. Run: node __test__/types/check.mjs
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));
const formatHost = {
  getCanonicalFileName: (/** @type {string} */ file) => file,
  getCurrentDirectory: () => root,
  getNewLine: () => '\n',
};
const require = createRequire(import.meta.url);
/** TypeScript 7 is the compiler that users install today; many builds are still on the one before. */
const COMPILERS = {
  7: join(dirname(require.resolve('typescript7/package.json')), 'bin/tsc'),
  6: require.resolve('typescript/lib/tsc.js'),
};

/** Parsed files, which programs share as they do in an editor: most are the same for each SDK. @type {Map<string, ts.SourceFile | undefined>} */
const parsed = new Map();

const failures = await compileAll([
  ...configs().map((name) => ({ name, compiler: COMPILERS[7] })),
  // Seconds each: those of the package's own `openai`, with both ways of resolving modules.
  ...['node16', 'bundler'].map((name) => ({ name, compiler: COMPILERS[6] })),
]);
failures.push(...entriesDiffer(), ...tooNewFor49(), ...declarationErrors(), ...proposalsMissing());
for (const failure of failures) console.error(failure);
console.log(failures.length === 0 ? 'types: ok' : `types: ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** The tsconfigs of this folder, but for those whose packages are not installed. */
function configs() {
  const names = ['node16', 'bundler', 'openai5-cjs', 'openai5-esm', 'openai7-cjs', 'openai7-esm'];
  const vendors = ['@cerebras/cerebras_cloud_sdk', 'groq-sdk', 'together-ai'];
  const missing = vendors.filter((vendor) => !existsSync(join(root, 'node_modules', vendor)));
  if (missing.length === 0) return [...names, 'custom-clients'];
  console.warn(`types: custom-clients.ts is skipped, not installed: ${missing.join(', ')}`);
  return names;
}

/** @typedef {{ name: string, compiler: string }} Compilation A tsconfig of this folder, and the file of a `tsc`. */

/**
 * Compiles two configs at a time: each takes a few seconds and a core.
 * @param {Compilation[]} compilations
 * @returns {Promise<string[]>} what the compiler said about those that failed
 */
async function compileAll(compilations) {
  const waiting = [...compilations];
  /** @type {string[]} */
  const failed = [];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const output = await compile(next);
      if (output !== undefined) failed.push(`== ${next.name}.json, ${next.compiler}\n${output}`);
    }
  };
  await Promise.all([worker(), worker()]);
  return failed;
}

/**
 * @param {Compilation} compilation
 * @returns {Promise<string | undefined>} the compiler's output, unless it is content
 */
function compile({ name, compiler }) {
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, '-p', join(here, `${name}.json`)], { cwd: root }, (error, stdout, stderr) => {
      resolve(error === null ? undefined : stdout + stderr || error.message);
    });
  });
}

/** The region that index.d.ts and index.d.mts share must be the same text. */
function* entriesDiffer() {
  const [cjs, esm] = ['index.d.ts', 'index.d.mts'].map((file) => {
    const region = /^\/\/ #region shared.*^\/\/ #endregion$/ms.exec(readFileSync(join(root, file), 'utf8'));
    return region?.[0].split('\n') ?? [];
  });
  const line = cjs.findIndex((text, index) => text !== esm[index]);
  if (cjs.length === 0 || cjs.length !== esm.length || line !== -1) {
    const [first, second] = [JSON.stringify(cjs[line]), JSON.stringify(esm[line])];
    yield `== the shared region of index.d.ts and index.d.mts differs: ${first} and ${second}`;
  }
}

/** The public types must compile with TypeScript 4.9, which is not installed here: nothing in them may need a newer one. */
function* tooNewFor49() {
  const newer = {
    'a library of a newer TypeScript': /^\/\/\/ *<reference lib=/m,
    'a `const` type parameter (5.0)': /<const [A-Z]/,
    '`export type *` (5.0)': /export type \*/,
    '`NoInfer` (5.4)': /\bNoInfer</,
    'an import attribute (5.3)': /\) with \{|' with \{/,
  };
  for (const file of readdirSync(root).filter((name) => /\.d\.m?ts$/.test(name))) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [what, pattern] of Object.entries(newer)) {
      if (pattern.test(text)) yield `== ${file} has ${what}, which TypeScript 4.9 does not know`;
    }
  }
}

/**
 * The declarations themselves, against each SDK: they must compile without `skipLibCheck`, and name all that the SDK
 * names. The programs of this folder skip the libraries, whose check would take longer than all the rest.
 */
function* declarationErrors() {
  for (const sdk of ['openai5', 'openai', 'openai7']) {
    for (const extension of ['d.ts', 'd.mts']) {
      const entries = {
        ours: join(root, `index.${extension}`),
        client: join(root, `client.${extension}`),
        sdks: join(root, 'node_modules', sdk, `index.${extension}`),
      };
      const program = load(entries, dirname(entries.sdks), extension);
      const shared = ['types.d.ts', 'client-types.d.ts'].map((file) => join(root, file));
      const diagnostics = [entries.ours, entries.client, ...shared].flatMap((file) =>
        program.getSemanticDiagnostics(program.getSourceFile(file)),
      );
      if (diagnostics.length > 0)
        yield `== index.${extension} and client.${extension} with ${sdk}\n${ts.formatDiagnostics(diagnostics, formatHost)}`;
      const names = missingNames(program, entries, extension);
      if (names.length > 0) yield `== index.${extension} lacks what ${sdk} has: ${names.join(', ')}`;
    }
  }
}

/**
 * @param {{ ours: string, client: string, sdks: string }} entries
 * @param {string} sdk the folder of the `openai` to compile against
 * @param {string} extension
 */
function load(entries, sdk, extension) {
  /** @type {ts.CompilerOptions} */
  const options = {
    strict: true,
    exactOptionalPropertyTypes: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    types: ['node'],
    paths: { openai: [join(sdk, `index.${extension}`)], 'openai/*': [join(sdk, `*.${extension}`)] },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getSourceFile = (file, ...rest) => {
    if (!parsed.has(file)) parsed.set(file, getSourceFile(file, ...rest));
    return parsed.get(file);
  };
  return ts.createProgram(Object.values(entries), options, host);
}

/**
 * Every name of the SDK's `OpenAI`, static or type, must be one of ours and mean the same. In CommonJS so must the
 * exports of its package.
 * @param {ts.Program} program
 * @param {{ ours: string, client: string, sdks: string }} entries
 * @param {string} extension
 */
function missingNames(program, entries, extension) {
  const checker = program.getTypeChecker();
  /** @param {ts.Symbol | undefined} container */
  const exportsOf = (container) => {
    if (!container) throw new Error(`no module, or no OpenAI, in ${Object.values(entries).join(' or ')}`);
    return new Map(checker.getExportsOfModule(container).map((symbol) => [symbol.name, target(symbol)]));
  };
  /** @param {ts.Symbol} symbol */
  const target = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  /** @param {string} entry */
  const moduleOf = (entry) => {
    const file = program.getSourceFile(entry);
    return file && checker.getSymbolAtLocation(file);
  };

  const have = exportsOf(exportsOf(moduleOf(entries.ours)).get('OpenAI'));
  const sdks = exportsOf(moduleOf(entries.sdks));
  const want = [...exportsOf(sdks.get('OpenAI')), ...(extension === 'd.ts' ? sdks : [])];
  const meantToDiffer = ['prototype', 'OpenAI', 'default', 'ClientOptions'];
  return want
    .filter(([name]) => !meantToDiffer.includes(name))
    .filter(([name, symbol]) => {
      const own = have.get(name);
      if (own === undefined || checker.isUnknownSymbol(own)) return true;
      // Where the SDK declares a name anew (a static, an alias of a type), ours leads to what it declares it to be.
      const declaredAnew = symbol.flags & (ts.SymbolFlags.Property | ts.SymbolFlags.TypeAlias);
      return !declaredAnew && own !== symbol;
    })
    .map(([name]) => name);
}

/** Editors propose the names that the constructor's tables declare, beside what they propose with the SDK alone. */
function* proposalsMissing() {
  const { service, file, marks } = serviceOf(`import OpenAI from 'openpipe-native';
const openai = new OpenAI({ openpipe: {
  upstreams: { groq: {} }, aliases: { smart: 'groq:llama' }, upstream: '<groq openai openpipe>', fallback: { model: '<smart>' },
} });
openai.chat.completions.create({ model: '<smart gpt-4o>', messages: [] }, { openpipe: { upstream: '<groq openai openpipe>' } });
openai.responses.create({ model: '<smart gpt-4o>' }, { openpipe: { fallback: { model: '<smart>', upstream: '<groq>' } } });
openai.embeddings.create({ model: '<smart text-embedding-3-small>', input: '' });
new OpenAI({ openpipe: { <fallback timeout?no tags upstreams listModels?no report?no createModel?no> } });
openai.withOptions({ openpipe: { <fallback aliases listModels?no> } });
new OpenAI({ openpipe: { falback: null } });`);
  for (const { 0: place, 1: names = '', index } of marks) {
    const proposed = service.getCompletionsAtPosition(file, index, {})?.entries.map(({ name }) => name) ?? [];
    const isWrong = (/** @type {string} */ name) =>
      name.endsWith('?no') ? proposed.includes(name.slice(0, -3)) : name !== '' && !proposed.includes(name);
    const wrong = names.split(' ').filter(isWrong);
    if (wrong.length > 0) yield `== an editor proposes otherwise: ${wrong.join(', ')} at ${place} (${index})`;
  }
  const said = service
    .getSemanticDiagnostics(file)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
    .join('\n');
  if (!said.includes("Did you mean to write 'fallback'?")) yield `== the compiler names no nearest option: ${said}`;
}

/** @param {string} marked A program; what stands in `<>` is taken out, and says what an editor should propose there. */
function serviceOf(marked) {
  const file = join(here, 'proposals.mts');
  const pattern = /<([^>]*)>/g;
  const text = marked.replaceAll(pattern, (names) => ' '.repeat(names.length));
  const service = ts.createLanguageService({
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot: (name) => {
      const source = name === file ? text : ts.sys.readFile(name);
      return source === undefined ? undefined : ts.ScriptSnapshot.fromString(source);
    },
    getCompilationSettings: () => ({ strict: true, module: ts.ModuleKind.Node16, types: [] }),
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getCurrentDirectory: () => root,
  });
  return { service, file, marks: marked.matchAll(pattern) };
}
