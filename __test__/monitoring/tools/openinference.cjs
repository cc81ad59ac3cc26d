'use strict';
const { OpenAIInstrumentation } = require('@arizeai/openinference-instrumentation-openai');

require('./otel.cjs').start(new OpenAIInstrumentation());
