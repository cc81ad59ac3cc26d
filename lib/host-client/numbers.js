'use strict';
/** The numbers by which the core refers to host clients: custom clients, and upstreams that are called through the SDK's own transport. */

/** The client's own upstream and OpenPipe, through the SDK's own transport. */
const SDK_OPENAI = 0;
const SDK_OPENPIPE = 1;
/** The first declared upstream through the SDK's own transport; the others follow. Custom clients have lower numbers. */
const SDK_UPSTREAMS = 1 << 20;

/** Whether a number is an upstream through the SDK's own transport, and not a custom client. @param {number} number */
function isSdkTransport(number) {
  return number <= SDK_OPENPIPE || number >= SDK_UPSTREAMS;
}

module.exports = { SDK_OPENAI, SDK_OPENPIPE, SDK_UPSTREAMS, isSdkTransport };
