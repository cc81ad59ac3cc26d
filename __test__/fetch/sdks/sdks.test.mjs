/** The SDKs, as their users install them, with `createFetch` below. */

import { describeSdk } from './cases.mjs';
import { RESPONSES_SDKS, SDKS } from './sdks.mjs';

for (const sdk of SDKS) describeSdk(sdk, 'chat');
for (const sdk of RESPONSES_SDKS) describeSdk(sdk, 'responses');
