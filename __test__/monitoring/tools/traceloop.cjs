'use strict';
const { OpenAIInstrumentation } = require('@traceloop/instrumentation-openai');

require('./otel.cjs').start(new OpenAIInstrumentation());
