/** What every SDK goes through (fetch/sdks/cases.mjs), and the code of docs/frameworks.md, for those that are installed here. */

import { fileURLToPath } from 'node:url';

import { describe } from 'vitest';

import { blocksOfPage, PAGE, testBlock } from '../docs/frameworks-page.mjs';
import { describeSdk } from '../fetch/sdks/cases.mjs';
import { RESPONSES_SDKS, SDKS } from './sdks.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));

for (const sdk of SDKS) describeSdk(sdk, 'chat');
for (const sdk of RESPONSES_SDKS) describeSdk(sdk, 'responses');

describe(PAGE, () => {
  for (const block of blocksOfPage()) if (block.inFrameworks) testBlock(block, HERE);
});
