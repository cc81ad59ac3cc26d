/** The fault matrix of the endpoints beside chat, with a few faults of each kind. */

import { testMatrix } from './matrix.mjs';
import { useFaultServer } from './upstreams.mjs';

const server = useFaultServer();
for (const endpoint of /** @type {const} */ (['responses', 'completions', 'embeddings'])) {
  testMatrix('completion', endpoint, server);
  if (endpoint !== 'embeddings') testMatrix('stream', endpoint, server);
}
