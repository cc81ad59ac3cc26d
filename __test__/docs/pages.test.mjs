/** The README and the pages of docs/: their code compiles, quoted files match, and links have targets. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { expect, test } from 'vitest';

import { root, typeErrors } from '../support/compiler.mjs';
import { anchorsOf, documents, linksOf, typescriptOf } from '../support/markdown.mjs';

/** The compiler is slow if other tests use the cores. */
const AT_MOST_MS = 120_000;

/** The globals that blocks may use without declaring them; a block's own declarations take precedence. */
const PRELUDE = `
import OpenAIClass from 'openpipe-native';

declare global {
  var OpenAI: typeof OpenAIClass;
  var openai: OpenAIClass;
  var messages: OpenAIClass.ChatCompletionMessageParam[];
  var completion: OpenAIClass.OpenPipeChatCompletion;
  var response: OpenAIClass.Responses.Response & OpenAIClass.WithOpenPipe;
  /** A client of another provider. */
  var provider: OpenAIClass.FallbackClient;
  var server: import('node:http').Server;
}
`;

test('every block of TypeScript in the documents compiles', { timeout: AT_MOST_MS }, () => {
  const blocks = documents.flatMap(typescriptOf);
  // In the root, so that imports are resolved as for a user.
  const path = (/** @type {number} */ index) => `block-${index}.mts`;
  const texts = Object.fromEntries(blocks.map(({ text }, index) => [path(index), `${text}\nexport {};\n`]));
  const errors = typeErrors({ ...texts, 'prelude.mts': PRELUDE });

  const found = blocks.flatMap(({ document, line }, index) =>
    (errors.get(path(index)) ?? ['was not compiled']).map((error) => `${document}, block at line ${line}: ${error}`),
  );
  expect(found).toEqual([]);
  expect(errors.get('prelude.mts')).toEqual([]);
  expect(blocks.length).toBeGreaterThan(15);
});

test('a mistake in a block is an error of the compiler', { timeout: AT_MOST_MS }, () => {
  const text = "await openai.chat.completions.create({ model: 'm', messages, openpipe: { dedline: 1 } });\nexport {};";
  const errors = typeErrors({ 'block-0.mts': text, 'prelude.mts': PRELUDE });
  expect(errors.get('block-0.mts')).toEqual([expect.stringContaining('dedline')]);
});

test('a block that shows a file is that file', () => {
  const shown = documents.flatMap(typescriptOf).filter(({ file }) => file !== undefined);
  expect(shown.map(({ file }) => file)).toContain('examples/openpipe-telemetry.mts');
  for (const { file, text } of shown) expect(text).toBe(readFileSync(root + file, 'utf8'));
});

for (const document of documents) {
  test(`the links of ${document} lead to existing files and headings`, () => {
    const broken = linksOf(document).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? document : join(dirname(document), path);
      if (!existsSync(root + target)) return true;
      return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
}

test('every page of docs/ is linked from the README', () => {
  const linked = linksOf('README.md').map((link) => link.split('#')[0]);
  expect(linked).toEqual(expect.arrayContaining(documents.filter((document) => document.startsWith('docs/'))));
});
