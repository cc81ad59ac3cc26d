// The reference client's declarations: what its methods take, ours take, and what they return is the same.
import OpenAI from 'openpipe-native';
import OpenPipe from 'openpipe-native/client';
import type Reference from 'openpipe/client';

type Ours = Omit<OpenPipe, symbol>;
/** Each can stand where the other is asked for. */
type Same<A, B> = [A] extends [B]
  ? [B] extends [A]
    ? true
    : 'the second does not fit the first'
  : 'the first does not fit the second';
type Compared = {
  [Method in keyof Ours]: [
    Same<Parameters<Ours[Method]>, Parameters<Reference[Method]>>,
    Same<Awaited<ReturnType<Ours[Method]>>, Awaited<ReturnType<Reference[Method]>>>,
  ];
};

export const compared: Compared = {
  report: [true, true],
  reportAnthropic: [true, true],
  updateLogMetadata: [true, true],
  updateLogTags: [true, true],
  getCriterionJudgement: [true, true],
  createDataset: [true, true],
  listDatasets: [true, true],
  deleteDataset: [true, true],
  createDatasetEntries: [true, true],
  createModel: [true, true],
  listModels: [true, true],
  getModel: [true, true],
  deleteModel: [true, true],
};

// Every method of the reference's is there, but for what it calls unstable.
type Missing = Exclude<keyof Reference, keyof Ours | 'baseClient' | `unstable${string}`>;
export const missing: [Missing] extends [never] ? 'none' : Missing = 'none';

declare const reference: Reference;
// @ts-expect-error a client of that package has no key for us
new OpenAI({ openpipe: reference });
