import { OpenAIInstrumentation } from '@arizeai/openinference-instrumentation-openai';
import OpenAI from 'openai';

import otel from './otel.cjs';

// With ES modules its documentation has the class patched by hand.
const instrumentation = new OpenAIInstrumentation();
otel.start(instrumentation);
instrumentation.manuallyInstrument(OpenAI);
