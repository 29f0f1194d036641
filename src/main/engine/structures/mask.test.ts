import { describe, expect, it } from 'vitest';
import { oracle, prepare } from '../../../../test/support/prune.ts';
import { Net } from '../../../../test/support/topologies.ts';
import { choiceOf } from './choices.ts';
import { str } from '../ir/attribute.ts';

describe('masking', () => {
  it('reaches every axis of an activation that one operator sums over', async () => {
    const n = new Net();
    const heads = n.op('Einsum', [n.input('N', 6), n.weight(6, 4, 8)], { equation: str('ni,ihd->nhd') });
    const p = await prepare(
      n.out(n.op('Einsum', [n.relu(heads), n.weight(4, 8, 3)], { equation: str('nhd,hdo->no') })),
    );
    expect(p.analysis.groups.map((g) => g.units)).toEqual([4, 8]);
    const choices = p.structures.map((s) => choiceOf(s, [1, 3]));
    for (const some of [choices, choices.slice(1), choices.slice(0, 1)]) {
      const { error, effect } = await oracle(p, { choices: some });
      expect(error).toBeLessThan(1e-5);
      expect(effect).toBeGreaterThan(0);
    }
  });
});
