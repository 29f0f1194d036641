import { beforeAll, describe, expect, it } from 'vitest';
import { choose, prepare, runOnce, feedsFor, type Prepared } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import type { PlanChoice, PlanVersion1 } from '../../../shared/model/types.ts';
import { applyPlan } from './apply.ts';
import { readChoices } from './choices.ts';

let p: Prepared;
beforeAll(async () => {
  p = await prepare(residualChain());
});

const choice = (more: Partial<PlanChoice>): PlanChoice => ({
  structure: 'a0',
  kind: 'channels',
  level: 7,
  detail: { removed: [2] },
  ...more,
});
const read = (...choices: PlanChoice[]) => readChoices(p.structures, { choices });

describe('choices of a plan', () => {
  it('are read in the order of the structures', () => {
    const plan = choose(p, { a1: [1, 4], stem: [0] }, ['b0']);
    const found = readChoices(p.structures, plan).map((c) => [c.structure.id, c.removed]);
    expect(found).toEqual([['stem', [0]], ['a1', [1, 4]], ['block b0', [0]]]); // prettier-ignore
  });

  it.each<[string, PlanChoice[], RegExp]>([
    ['an unknown structure', [choice({ structure: 'a9' })], /no a9/],
    ['another kind', [choice({ kind: 'heads' })], /no a0 of the kind heads/],
    ['an unknown unit', [choice({ detail: { removed: [8] } })], /no unit 8/],
    ['a level that is not what stays', [choice({ level: 6 })], /keeps 6 of 8 units and removes 1/],
    ['two choices of one structure', [choice({}), choice({})], /two choices/],
  ])('are refused with %s', (_, choices, reason) => {
    expect(() => read(...choices)).toThrow(
      expect.objectContaining({ code: 'plan-invalid', message: expect.stringMatching(reason) as string }),
    );
  });

  it('of a plan file of version 1 cut the same model', async () => {
    const old: PlanVersion1 = { version: 1, model: 'hash', groups: [{ group: 'a0', removed: [3, 5] }], blocks: ['b1'] };
    const [was, now] = [old, choose(p, { a0: [3, 5] }, ['b1'])].map((plan) => applyPlan(p, plan).model);
    expect(await runOnce(was!, feedsFor(p))).toEqual(await runOnce(now!, feedsFor(p)));
    for (const wrong of [
      { ...old, version: 3 },
      { ...old, blocks: ['a0'] },
    ] as unknown as PlanVersion1[])
      expect(() => applyPlan(p, wrong)).toThrow(expect.objectContaining({ code: 'plan-invalid' }));
  });
});
