/** Calls whose results are not shown: the first ones of a process include loading and compiling. */

import { makeCall } from './call.mjs';
import { makeClient, specFor } from './clients.mjs';
import { setStage } from './stage.mjs';

/** @import { ClientName } from "./clients.mjs" */
/** @import { Situation } from "./situations.mjs" */

/** @type {Situation} */
const HEALTHY = {
  id: 'warm-up',
  title: 'Warm-up',
  primary: { kind: 'answer' },
  promise: '',
  expect: { servedBy: 'primary', withinMs: 10_000 },
};

/** @param {ClientName} name */
export async function warmUp(name) {
  for (const stream of [false, true]) {
    const stage = await setStage(HEALTHY);
    const situation = { ...HEALTHY, stream };
    await makeCall(await makeClient(name, stage), specFor(name, situation), { giveUpMs: 10_000 });
    await stage.close();
  }
}
