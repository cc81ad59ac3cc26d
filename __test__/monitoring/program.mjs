/** As a service with ES modules: the tool is loaded by `--import`. */
import OpenAI from 'openai';
import Ours from 'openpipe-native';

import { exercise } from './exercise.cjs';

await exercise(OpenAI, Ours, globalThis.record);
