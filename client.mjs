// The ESM entry of OpenPipe's own API, with the errors of the ESM copy of `openai`.

import * as sdk from 'openai';

import openpipe from './lib/openpipe-client/openpipe-client.js';

export const OpenPipe = openpipe.openPipeClass({ ...sdk, Stream: undefined });
export default OpenPipe;
