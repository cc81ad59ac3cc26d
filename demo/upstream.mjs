/** The upstream of `openpipe-native/testing`, for the demo and the tests. */

/**
 * @typedef {import('../lib/testing/upstream.js').Behaviour} Behaviour
 * @typedef {import('../lib/testing/upstream.js').LoggedRequest} LoggedRequest
 * @typedef {import('../lib/testing/upstream.js').Outcome} Outcome
 * @typedef {import('../lib/testing/upstream.js').Upstream} Upstream
 * @typedef {import('../lib/testing/upstream.js').UpstreamOptions} UpstreamOptions
 */

export { closedPort, startUpstream } from '../lib/testing/upstream.js';
