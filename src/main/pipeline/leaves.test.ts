import { describe, expect, it } from 'vitest';
import type { Dataset } from '../data/dataset.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import type { Recipe } from '../../shared/model/job.ts';
import { residualChain } from '../../../test/support/residual-chain.ts';
import { WHOLE } from '../engine/allocation/state.ts';
import type { Keyed } from './stage.ts';
import {
  candidatesLeaf,
  conditionLeaves,
  dataLeaf,
  fileLeaf,
  graphLeaf,
  jobLeaf,
  meaningsLeaf,
  modelLeaf,
  planLeaf,
  recipeLeaves,
  seedLeaf,
  sizesLeaf,
  stateLeaf,
  threadsLeaf,
} from './leaves.ts';

const model = residualChain();
const sized = (sha256: string, sizes: Record<string, number>, fixedBatch = false, batch = 1) =>
  modelLeaf(model, { sha256, sizes, fixedBatch, batch });
const reading = (more: object = {}) =>
  meaningsLeaf(new Map([['y', { name: 'y', reading: 'classes', source: 'given', why: 'so', ...more }]]));
const data = (identity: string) => dataLeaf({ identity } as Dataset);
const plan = (removed: number[]) =>
  planLeaf({ version: 2, package: {}, choices: [{ structure: 'g', kind: 'channels', level: 4, detail: { removed } }] });
const candidate = (ratio: number) => ({ state: WHOLE, predictedMs: 1, ratio });
const budget = { ratio: 0.5, batch: 1, threads: 1, provider: 'cpu' } as const;

/** Pairs that must have different keys. */
const OTHER: Record<string, readonly [Keyed<unknown>, Keyed<unknown>]> = {
  'the contents of a file': [fileLeaf({ sha256: 'a' }), fileLeaf({ sha256: 'b' })],
  'the contents of a model': [sized('a', {}), sized('b', {})],
  'the size of an axis': [sized('a', { H: 48 }), sized('a', { H: 64 })],
  'a batch size that is fixed': [sized('a', {}, true, 2), sized('a', {}, true, 4)],
  'the structure of a graph': [graphLeaf(residualChain({ blocks: 1 })), graphLeaf(residualChain({ blocks: 2 }))],
  'a state': [stateLeaf(WHOLE), stateLeaf(new Map([['g', 3]]))],
  'no state': [stateLeaf(WHOLE), stateLeaf(null)],
  'the data': [data('d'), data('e')],
  'no data': [data('d'), dataLeaf(null)],
  'sizes that were asked for': [sizesLeaf({ H: 48 }), sizesLeaf({ H: 64 })],
  'how an output is read': [reading(), reading({ reading: 'embedding' })],
  'the axis of the classes': [reading({ axis: 1 }), reading({ axis: 2 })],
  'the seed': [seedLeaf({ seed: 1 }), seedLeaf({ seed: 2 })],
  threads: [threadsLeaf(1), threadsLeaf(2)],
  'the provider': [conditionLeaves(budget).provider, conditionLeaves({ ...budget, provider: 'webgpu' }).provider],
  'the batch of a budget': [conditionLeaves(budget).batch, conditionLeaves({ ...budget, batch: 4 }).batch],
  'units of a plan': [plan([1]), plan([1, 2])],
  'what a plan measured': [candidatesLeaf([candidate(0.5)]), candidatesLeaf([candidate(0.51)])],
  'the job': [jobLeaf('1', {}), jobLeaf('2', {})],
  'two kinds of the same identity': [seedLeaf({ seed: 1 }), threadsLeaf(1)],
};
/** Pairs that must have the same key. */
const SAME: Record<string, readonly [Keyed<unknown>, Keyed<unknown>]> = {
  'a batch size that is open': [sized('a', {}, false, 2), sized('a', {}, false, 4)],
  'why an output is read so': [reading(), reading({ why: 'otherwise', source: 'inferred' })],
  'the budget of the same conditions': [
    conditionLeaves(budget).machine,
    conditionLeaves({ ...budget, ratio: 0.7 }).machine,
  ],
  'what a job holds': [jobLeaf('1', { ms: 1 }), jobLeaf('1', { ms: 2 })],
  'the weights of a graph': [graphLeaf(residualChain()), graphLeaf(residualChain())],
};

describe('keys begin', () => {
  it.each(Object.entries(OTHER))('anew with %s', (_, [a, b]) => expect(a.key).not.toBe(b.key));
  it.each(Object.entries(SAME))('alike with %s', (_, [a, b]) => expect(a.key).toBe(b.key));
});

describe('a recipe', () => {
  const base = PRESETS.balanced;
  const changes: Partial<Recipe> = {
    name: 'mine',
    criterion: 'l1',
    allocation: 'uniform',
    blocks: !base.blocks,
    channels: !base.channels,
    tokens: 'stride',
    floor: base.floor / 2,
    freeze: ['a'],
    keep: { a: 0.5 },
    compensation: 'bias',
    calibrationSamples: 7,
    allocationSeconds: base.allocationSeconds + 1,
    recovery: { ...base.recovery, seconds: 7 },
    latencyRuns: 7,
  };
  it('is covered by this table', () => expect(Object.keys(changes).sort()).toEqual(Object.keys(base).sort()));
  it.each(Object.keys(changes) as (keyof Recipe)[])('changes the key of %s alone', (name) => {
    const [before, after] = [recipeLeaves(base), recipeLeaves({ ...base, [name]: changes[name] })];
    for (const other of Object.keys(base) as (keyof Recipe)[])
      expect(after[other].key === before[other].key, other).toBe(other !== name);
  });
});
