import { describe, expect, it } from 'vitest';
import { prepare } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { AUTO, PRESETS } from '../../../shared/model/recipes.ts';
import { allCriteria } from '../../engine/criteria/registry.ts';
import { criteria, parseRecipe } from '../../services/recipes.ts';
import { judgedByCurvature, resolveRecipe } from './resolve-recipe.ts';
import type { Prepared } from '../prepare/prepare.ts';

describe('the way in which plans are judged', () => {
  it('is curvature where one plan per structure would not fit in the time limit', async () => {
    const p = (await prepare(residualChain())) as unknown as Prepared;
    expect(judgedByCurvature(PRESETS.balanced, p)).toBe(false);
    expect(judgedByCurvature({ ...PRESETS.balanced, allocationSeconds: 0 }, p)).toBe(true);
    expect(judgedByCurvature({ ...PRESETS.balanced, allocation: 'fisher' }, p)).toBe(true);
    const many = { ...p, structures: Array.from({ length: 1e5 }, () => p.structures[0]!) };
    expect(judgedByCurvature(PRESETS.balanced, many)).toBe(true);
    expect(judgedByCurvature({ ...PRESETS.balanced, allocationSeconds: 1e4 }, many)).toBe(false);
  });
});

describe('the criterion that a recipe leaves open', () => {
  it('is decided by the data and by how plans are judged', async () => {
    const p = (await prepare(residualChain())) as unknown as Prepared;
    const auto = PRESETS.balanced;
    expect(auto.criterion).toBe(AUTO);
    expect(resolveRecipe(auto, p, true)).toEqual({ ...auto, criterion: 'osscar' });
    expect(resolveRecipe(auto, p, false).criterion).toBe('l2');
    expect(resolveRecipe({ ...auto, allocation: 'fisher' }, p, true).criterion).toBe('l2');
    expect(resolveRecipe({ ...auto, allocationSeconds: 0 }, p, true).criterion).toBe('l2');
    for (const { name } of allCriteria()) {
      const named = { ...auto, criterion: name };
      expect(resolveRecipe(named, p, true)).toBe(named);
    }
  });

  it('can be chosen, first of the list, and written into a recipe', () => {
    expect(criteria().map((c) => c.name)).toEqual([AUTO, ...allCriteria().map((c) => c.name)]);
    expect(parseRecipe('{"criterion":"auto"}', 'r.json').criterion).toBe(AUTO);
    // The recipe stored in a bundle can be used as a recipe file.
    for (const preset of Object.values(PRESETS)) expect(parseRecipe(JSON.stringify(preset), 'r.json')).toEqual(preset);
  });
});
