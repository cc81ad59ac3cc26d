'use strict';
/** As a service with CommonJS: the tool is loaded by `--require`. */
const OpenAI = require('openai');
const Ours = require('openpipe-native');

const { exercise } = require('./exercise.cjs');

void exercise(OpenAI, Ours, globalThis.record);
