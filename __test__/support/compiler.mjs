/** Type-checks programs that stand in documents, or in `examples/`, as a user's project would. */

import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

import ts from 'typescript';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** @type {ts.CompilerOptions} */
const options = {
  strict: true,
  noEmit: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  module: ts.ModuleKind.Node20,
  moduleResolution: ts.ModuleResolutionKind.Node16,
  types: ['node'],
};

/**
 * What the compiler has to say, one line for each error, by the file's path.
 *
 * @param {Record<string, string>} texts Files that are not on the disk: their paths, from the root, and what is in them.
 * @param {string[]} [files] Files that are.
 * @returns {Map<string, string[]>}
 */
export function typeErrors(texts, files = []) {
  const virtual = new Map(Object.entries(texts).map(([path, text]) => [join(root, path), text]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => virtual.has(path) || fileExists(path);
  host.readFile = (path) => virtual.get(path) ?? readFile(path);
  const { getSourceFile } = host;
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const text = virtual.get(path);
    if (text === undefined) return getSourceFile(path, languageVersion, ...rest);
    return ts.createSourceFile(path, text, languageVersion, true);
  };
  const paths = [...virtual.keys(), ...files.map((file) => join(root, file))];
  const program = ts.createProgram(paths, options, host);
  return new Map(
    paths.map((path) => {
      const source = program.getSourceFile(path);
      const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      return [path.slice(root.length), found.map((diagnostic) => told(diagnostic))];
    }),
  );
}

/** @param {ts.Diagnostic} diagnostic */
function told({ file, start = 0, messageText }) {
  const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
  return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
}
