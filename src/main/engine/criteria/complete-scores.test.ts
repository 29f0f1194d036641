import { describe, expect, it } from 'vitest';
import { f32 } from '../ir/tensor.ts';
import type { Model } from '../ir/model.ts';
import { prepare } from '../../../../test/support/prune.ts';
import { Net } from '../../../../test/support/topologies.ts';
import { completeScores } from './complete-scores.ts';

const model = (): Model => {
  const n = new Net();
  return n.out(n.head(n.relu(n.conv(n.relu(n.conv(n.relu(n.conv(n.input(1, 3, 6, 6), 3, 4)), 4, 5)), 5, 6)), 6));
};

describe('groups that the criterion does not rank', () => {
  it('are ranked by the norms of their weights, and named', async () => {
    const { analysis } = await prepare(model());
    const { groups } = analysis;
    const good = Float64Array.of(3, 1, 2, 4);
    const given = new Map([
      ['conv1', good],
      ['conv2', new Float64Array(5).fill(NaN)],
    ]);
    const { scores, notes } = completeScores(groups, given, 'taylor');
    expect(scores.get('conv1')).toBe(good);
    expect(notes).toEqual([expect.stringMatching(/taylor.*conv2, conv3.*l2/)]);
    for (const g of groups) {
      expect(scores.get(g.id)).toHaveLength(g.units);
      expect(new Set(scores.get(g.id)).size).toBe(g.units);
    }
    const scaled = new Map(groups.map((g) => [g.id, Float64Array.from({ length: g.units }, (_, i) => i)]));
    expect(completeScores(groups, scaled, 'taylor').notes).toEqual([]);
  });

  it('nor their weights are removed in order, and named', async () => {
    const m = model();
    for (const v of m.graph.initializers) {
      const t = v.initializer!;
      v.initializer = t.dtype === 1 ? f32(new Float32Array(t.byteLength / 4).fill(1), t.dims) : t;
    }
    const { analysis } = await prepare(m);
    const { scores, notes } = completeScores(analysis.groups, new Map(), 'bn-scale');
    expect(notes).toEqual([expect.stringMatching(/conv1, conv2, conv3.*order of their indices/)]);
    expect([...scores.values()].every((s) => s.every((x) => x === 0))).toBe(true);
  });
});
