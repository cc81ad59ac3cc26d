/** The fault matrix of completions. */

import { testMatrix } from './matrix.mjs';

testMatrix('completion');
