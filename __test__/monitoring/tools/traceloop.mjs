import OpenAI from 'openai';

import otel from './otel.cjs';
import instrumentations from '@traceloop/instrumentation-openai';

// With ES modules its documentation has the class patched by hand.
const instrumentation = new instrumentations.OpenAIInstrumentation();
otel.start(instrumentation);
instrumentation.manuallyInstrument(OpenAI);
