export { newId, completion, chunk, sseEvent, streamEvents, errorBody, htmlPage } from '../../lib/testing/payload.js';
