// The ESM entry of the mock upstream for tests.

import behaviour from './lib/testing/behaviour.js';
import upstream from './lib/testing/upstream.js';

export const { closedPort, startUpstream } = upstream;
export const { namedBehaviours } = behaviour;
