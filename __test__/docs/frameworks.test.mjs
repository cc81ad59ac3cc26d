/** The code of docs/frameworks.md, run: its first model fails, and the fallback's answers. `npm run test:frameworks` runs the rest. */

import { describe, expect, test } from 'vitest';
import { build } from 'vite';

import { textOf } from '../support/markdown.mjs';
import { blocksOfPage, PAGE, root, testBlock } from './frameworks-page.mjs';

const blocks = blocksOfPage();

describe(PAGE, () => {
  for (const block of blocks) if (!block.inFrameworks) testBlock(block, root);

  test('has code that runs for each SDK, server and wrapper', () => {
    const headings = new Set(blocks.map(({ heading }) => heading));
    for (const name of [
      'AI SDK',
      'LangChain',
      'Agents SDK',
      'Mastra',
      'Express',
      'Fastify',
      'Hono',
      'NestJS',
      'Next.js',
    ])
      expect(headings).toContain(name);
    expect(blocks).toHaveLength(15);
  });

  test('has a configuration of Vite by which the package is not bundled', async () => {
    const [, code = ''] = /<!-- build with vite -->\n\n```js\nexport default ([^]*?);\n```/.exec(textOf(PAGE)) ?? [];
    const config = new Function(`return ${code}`)();
    const id = 'virtual:entry';
    const entry = {
      name: 'entry',
      resolveId: (/** @type {string} */ name) => (name === id ? name : undefined),
      load: (/** @type {string} */ name) => (name === id ? "export { default } from 'openpipe-native';" : undefined),
    };
    const built = /** @type {any} */ (
      await build({
        root,
        configFile: false,
        logLevel: 'silent',
        plugins: [entry],
        build: { ssr: true, write: false, rollupOptions: { input: id } },
        ...config,
      })
    );
    expect(built.output[0].imports).toEqual(['openpipe-native']);
  });
});
