'use strict';
/** The numbers by which the core names host clients: custom clients, and the SDK's own transport, which stands for some upstreams. */

/** The numbers of the SDK's own transport, as JavaScript clients. */
const SDK_OPENAI = 0;
const SDK_OPENPIPE = 1;
/** That of the first declared upstream; the others follow. No client of a user's has such a number. */
const SDK_UPSTREAMS = 1 << 20;

/** Whether a number stands for the SDK's own transport, not for a custom client. @param {number} number */
function isSdkTransport(number) {
  return number <= SDK_OPENPIPE || number >= SDK_UPSTREAMS;
}

module.exports = { SDK_OPENAI, SDK_OPENPIPE, SDK_UPSTREAMS, isSdkTransport };
