/** The fault matrix of streams. */

import { testMatrix } from './matrix.mjs';

testMatrix('stream');
