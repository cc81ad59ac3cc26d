/** A report does not follow a redirect to another origin, on either transport. */

import { describe, expect } from 'vitest';

import { callToItsEnd, test } from '../support/reporting.mjs';

for (const transport of /** @type {const} */ (['native', 'fetch'])) {
  describe(`a report by ${transport}`, () => {
    for (const status of [301, 302, 303, 307, 308]) {
      test(`is not redirected to another origin by a ${status}`, async ({ stageReports, serve }) => {
        const elsewhere = await serve();
        const { openai } = await stageReports({
          reports: { kind: 'status', status, headers: { location: `${elsewhere.url}/report` } },
          logLevel: 'off',
          openpipe: { transport },
        });
        await callToItsEnd(openai);
        expect(await openai.flush()).toEqual({ delivered: 0, dropped: 1, pending: 0 });
        expect(elsewhere.requests).toHaveLength(0);
      });
    }
  });
}
