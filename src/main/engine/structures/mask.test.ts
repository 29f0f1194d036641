import { describe, expect, it } from 'vitest';
import { oracle, prepare } from '../../../../test/support/prune.ts';
import { Net } from '../../../../test/support/topologies.ts';
import { str } from '../ir/attribute.ts';

describe('masking', () => {
  it('reaches every axis of an activation that one operator sums over', async () => {
    const n = new Net();
    const heads = n.op('Einsum', [n.input('N', 6), n.weight(6, 4, 8)], { equation: str('ni,ihd->nhd') });
    const p = await prepare(
      n.out(n.op('Einsum', [n.relu(heads), n.weight(4, 8, 3)], { equation: str('nhd,hdo->no') })),
    );
    expect(p.analysis.groups.map((g) => g.units)).toEqual([4, 8]);
    const removed = p.analysis.groups.map((g) => ({ group: g.id, removed: [1, 3] }));
    for (const groups of [removed, removed.slice(1), removed.slice(0, 1)]) {
      const { error, effect } = await oracle(p, { groups, blocks: [] });
      expect(error).toBeLessThan(1e-5);
      expect(effect).toBeGreaterThan(0);
    }
  });
});
