/** What every SDK goes through (fetch/sdks/cases.mjs), for those that are installed here. */

import { describeSdk } from '../fetch/sdks/cases.mjs';
import { RESPONSES_SDKS, SDKS } from './sdks.mjs';

for (const sdk of SDKS) describeSdk(sdk, 'chat');
for (const sdk of RESPONSES_SDKS) describeSdk(sdk, 'responses');
