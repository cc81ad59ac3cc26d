/**
 * Each endpoint of the engine but chat, whose matrix is beside this one: the faults that differ by endpoint, from one
 * description (contract.md, sections 9 and 10).
 */

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { readAll, rejection } from '../support/calls.mjs';
import { answering } from '../support/sdk-api.mjs';
import { test } from '../support/upstreams.mjs';

/** @param {any[]} events @param {string} [last] @returns {any} */
const sending = (events, last = '') => ({
  kind: 'sse',
  sse: [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), ...(last ? [`data: ${last}\n\n`] : [])],
});

/** @param {string} text @param {any} [more] */
const response = (text, more) => ({
  id: 'resp_1',
  object: 'response',
  status: 'completed',
  error: null,
  output: [{ id: 'msg_1', type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] }],
  ...more,
});
const created = { type: 'response.created', response: response('', { status: 'in_progress', output: [] }) };
const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'good' };
/** @param {any} made */
const completed = (made) => ({ type: 'response.completed', response: made });
/** @param {string} text @param {any} [finish] */
const completion = (text, finish = 'stop') => ({
  object: 'text_completion',
  choices: [{ index: 0, text, finish_reason: finish }],
});
/** @param {number[][]} rows */
const vectors = (...rows) => ({ object: 'list', data: rows.map((embedding, index) => ({ index, embedding })) });
/** Holds the stream until its commit, and takes nothing over. @param {string} kind @returns {any} */
const refusedAfter = (kind) => ({ openpipe: { fallback: { model: 'b', except: [kind] } } });
const upstreamError = { message: 'Down.', code: 'server_error' };
const schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };

/**
 * What there is to say of an endpoint. Each fault is what the primary answers; `kind` is what that counts as.
 * @typedef {{ what: string, answer: any, kind: string, stream?: boolean, reject?: any, body?: any }} Fault
 * @type {Record<string, { create: (openai: any) => (body: any, options: any) => Promise<any>, body: any, good: any, stream?: any, faults: Fault[] }>}
 */
const ENDPOINTS = {
  responses: {
    create: (openai) => (body, options) => openai.responses.create(body, options),
    body: { input: 'hi' },
    good: answering(response('{"n":1}')),
    stream: sending([created, delta, completed(response('good'))]),
    faults: [
      { what: 'a chat completion', answer: answering({ choices: [{ message: { content: 'x' } }] }), kind: 'invalid_response' },
      { what: 'an upstream that speaks chat only', answer: { kind: 'status', status: 404 }, kind: 'not_found' },
      { what: 'status: "failed" under a 200', answer: answering(response('', { status: 'failed', error: upstreamError })), kind: 'server_error' },
      { what: 'status: "cancelled"', answer: answering(response('', { status: 'cancelled' })), kind: 'invalid_response' },
      { what: 'an empty answer', answer: answering(response(' ')), kind: 'rejected', reject: 'empty' },
      { what: 'an answer cut at its length', answer: answering(response('x', { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })), kind: 'rejected', reject: 'length' },
      { what: 'a schema that does not fit', answer: answering(response('{"n":"x"}')), kind: 'rejected', reject: 'schema', body: { text: { format: { type: 'json_schema', name: 'n', schema } } } },
      { what: 'an error event first', answer: sending([{ type: 'error', ...upstreamError }]), kind: 'server_error', stream: true },
      { what: 'a nested error event', answer: sending([created, { type: 'error', error: upstreamError }]), kind: 'server_error', stream: true },
      { what: 'an end after response.in_progress', answer: sending([created, { ...created, type: 'response.in_progress' }]), kind: 'stream', stream: true },
      { what: 'response.failed', answer: sending([created, { type: 'response.failed', response: response('', { status: 'failed', error: upstreamError }) }]), kind: 'server_error', stream: true },
      { what: 'an empty stream', answer: sending([created, completed(response('', { output: [] }))]), kind: 'rejected', stream: true, reject: 'empty' },
      { what: 'a stream cut at its length', answer: sending([created, delta, { ...completed(response('good', { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })), type: 'response.incomplete' }]), kind: 'rejected', stream: true, reject: ['empty', 'length'] },
    ],
  },
  completions: {
    create: (openai) => (body, options) => openai.completions.create(body, options),
    body: { prompt: 'hi' },
    good: answering(completion('good')),
    stream: sending([completion('good', null), completion('')], '[DONE]'),
    faults: [
      { what: 'choices without a text', answer: answering({ choices: [{ index: 0 }] }), kind: 'invalid_response' },
      { what: 'no choices', answer: answering({ choices: [] }), kind: 'invalid_response' },
      { what: 'an error under a 200', answer: answering({ error: { ...upstreamError, code: 429 } }), kind: 'rate_limit' },
      { what: 'an empty answer', answer: answering(completion('  ')), kind: 'rejected', reject: 'empty' },
      { what: 'a stream without an end', answer: sending([completion('', null)]), kind: 'stream', stream: true },
      { what: 'an error event', answer: sending([{ error: { message: 'Down.' } }]), kind: 'stream', stream: true },
      { what: 'an empty stream', answer: sending([completion('')], '[DONE]'), kind: 'rejected', stream: true, reject: 'empty' },
    ],
  },
  embeddings: {
    create: (openai) => (body, options) => openai.embeddings.create(body, options),
    body: { input: ['a', 'b'], encoding_format: 'float' },
    good: answering(vectors([1, 2], [3, 4])),
    faults: [
      { what: 'a vector too few', answer: answering(vectors([1, 2])), kind: 'invalid_response' },
      { what: 'a vector too many', answer: answering(vectors([1], [2], [3])), kind: 'invalid_response' },
      { what: 'vectors of different lengths', answer: answering(vectors([1, 2], [3])), kind: 'invalid_response' },
      { what: 'an index twice', answer: answering({ data: [{ index: 0, embedding: [1] }, { index: 0, embedding: [2] }] }), kind: 'invalid_response' },
      { what: 'other dimensions than asked for', answer: answering(vectors([1, 2, 3], [4, 5, 6])), kind: 'invalid_response', body: { dimensions: 2 } },
      { what: 'an error under a 200', answer: answering({ error: upstreamError }), kind: 'invalid_response' },
      { what: 'an answer that a function refuses', answer: answering(vectors([0, 0], [0, 0])), kind: 'rejected', reject: (/** @type {any} */ { data }) => data.every((/** @type {any} */ { embedding }) => embedding[0] === 0) && 'zeros' },
    ],
  },
}; // prettier-ignore

for (const [name, { create, body, good, stream: goodStream, faults }] of Object.entries(ENDPOINTS)) {
  describe(`/${name}: the next target answers after`, () => {
    for (const { what, answer, kind, stream = false, reject, body: more } of faults) {
      test(what, async ({ serve }) => {
        /** @type {string[]} */
        const paths = [];
        const upstream = await serve((/** @type {any} */ { body: asked, path }) => {
          paths.push(`${path} ${asked.model}`);
          return asked.model === 'a' ? answer : stream ? goodStream : good;
        });
        const openai = new OpenAI({ apiKey: 'sk-0123456789', baseURL: upstream.url, maxRetries: 0, openpipe: { apiKey: '' } });
        const openpipe = { reject, fallback: { model: 'b', ...(name === 'embeddings' ? { sameVectors: true } : {}) } };
        const given = { model: 'a', ...body, ...more, ...(stream ? { stream } : {}) };
        const result = await create(openai)(given, { openpipe });
        if (stream) expect((await readAll(result)).error).toBeUndefined();
        expect(result.openpipe.attempts.map((/** @type {any} */ { outcome }) => outcome)).toEqual([kind, 'ok']);
        expect(result.openpipe.servedBy).toBe('fallback');
        expect(paths.map((path) => path.replace(/^.*(?=\/\w+ )/, ''))).toEqual([`/${name} a`, `/${name} b`]);
      });
    } // prettier-ignore
  });
}

describe("a Responses error's code gives its kind", () => {
  for (const [code, kind] of Object.entries({
    rate_limit_exceeded: 'rate_limit',
    server_error: 'server_error',
    vector_store_timeout: 'server_error',
    insufficient_quota: 'quota',
    image_content_policy_violation: 'content_filter',
    bio_policy: 'content_filter',
    misalignment_policy_violation: 'content_filter',
    context_length_exceeded: 'context_length',
    invalid_prompt: 'bad_request',
    data_residency_mismatch: 'bad_request',
    invalid_image_format: 'bad_request',
  })) {
    test(`${code}: ${kind}`, async ({ serve }) => {
      const failed = response('', { status: 'failed', output: [], error: { code, message: 'No.' } });
      const upstream = await serve((/** @type {any} */ { body }) => {
        if (body.model === 'b') return answering(response('good'));
        return body.stream ? sending([created, { type: 'response.failed', response: failed }]) : answering(failed);
      });
      const openai = new OpenAI({ apiKey: 'sk-0123456789', baseURL: upstream.url, openpipe: { apiKey: '' } });
      const given = { model: 'a', input: 'hi' };
      const fallback = { model: 'b', on: [kind] };
      const answer = await openai.responses.create(given, /** @type {any} */ ({ openpipe: { fallback } }));
      expect(/** @type {any} */ (answer).openpipe.attempts[0].outcome).toBe(kind);
      const error = await rejection(openai.responses.create({ ...given, stream: true }, { maxRetries: 0, ...refusedAfter(kind) }));
      expect(error.openpipe.attempts[0].outcome).toBe(kind);
    }); // prettier-ignore
  }

  for (const transport of /** @type {const} */ (['native', 'fetch'])) {
    for (const [form, said] of /** @type {const} */ ([
      ['flat', { code: 'rate_limit_exceeded', message: 'No.' }],
      ['nested', { error: { code: 'rate_limit_exceeded', message: 'No.' } }],
    ])) {
      test(`in an error event that is ${form}, with transport ${transport}`, async ({ serve }) => {
        const upstream = await serve(() => sending([created, { type: 'error', ...said }]));
        const openai = new OpenAI({ apiKey: 'k', baseURL: upstream.url, maxRetries: 0, openpipe: { apiKey: '', transport } });
        const stream = await openai.responses.create({ model: 'a', input: 'hi', stream: true });
        const { error } = await readAll(stream);

        expect(error.openpipe.attempts[0].outcome).toBe('rate_limit');
      }); // prettier-ignore
    }
  }
});
