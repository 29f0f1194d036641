import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { difference, feedsFor, prepare, randomPlan, runOnce, type Prepared } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { TOPOLOGIES } from '../../../../test/support/topologies.ts';
import type { HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import { seededRandom } from '../random.ts';
import { compensate } from '../compensation/sequential.ts';
import { putBack } from './put-back.ts';
import type { Cut } from './axes/removal.ts';
import { applyPlan } from './apply.ts';

const feeds = (seed: number, n = 32): Record<string, HostTensor> => {
  const r = seededRandom(seed);
  return { x: { dtype: DType.FLOAT, dims: [n, 3, 8, 8], data: Float32Array.from({ length: n * 192 }, () => r.normal()) } }; // prettier-ignore
};

async function compensated(p: Prepared, plan: Cut) {
  const surgery = applyPlan(p.model, p.facts, p.analysis, plan, p.blocks);
  const dropped = p.blocks.filter((b) => plan.blocks.includes(b.id));
  await compensate(plainExecutor, p, surgery, dropped, [feeds(1), feeds(2)], { threads: 1, kind: 'least-squares' });
  return { surgery, dropped };
}

describe('a pruned model put back into the original’s shape', () => {
  const first: Cut = {
    groups: [
      { group: 'a0', removed: [1, 6] },
      { group: 'stem', removed: [3] },
    ],
    blocks: ['b1'],
  };

  it('is the same function, with the same groups and blocks', async () => {
    const p = await prepare(residualChain({ blocks: 3, width: 8 }));
    const { surgery, dropped } = await compensated(p, first);
    const back = putBack(p, surgery, dropped)!;
    expect(back.analysis.groups.map((g) => g.id)).toEqual(p.analysis.groups.map((g) => g.id));
    const f = feeds(9, 4);
    const [pruned, whole, original] = [
      await runOnce(surgery.model, f),
      await runOnce(back.model, f),
      await runOnce(p.model, f),
    ];
    expect(difference(pruned, whole)).toBeLessThan(1e-5);
    // And something did change.
    expect(difference(original, whole)).toBeGreaterThan(1e-2);
  });

  it('becomes the pruned model again by the same plan, and is cut further by a larger one', async () => {
    const p = await prepare(residualChain({ blocks: 3, width: 8 }));
    const { surgery, dropped } = await compensated(p, first);
    const back = putBack(p, surgery, dropped)!;
    const cut = (plan: Cut) => applyPlan(back.model, back.facts, back.analysis, plan, back.blocks).model;
    const f = feeds(9, 4);
    expect(difference(await runOnce(surgery.model, f), await runOnce(cut(first), f))).toBeLessThan(1e-5);
    const again = cut({ groups: [...first.groups, { group: 'a2', removed: [0, 2] }], blocks: ['b1'] });
    const conv = [...again.graph.nodes()].find((n) => n.name === 'a2')!;
    expect(conv.input(1)!.initializer!.dims).toEqual([6, 7, 3, 3]);
    expect(difference(await runOnce(again, f), await runOnce(cut(first), f))).toBeGreaterThan(1e-4);
  });

  it('leaves the original as it was', async () => {
    const p = await prepare(residualChain({ blocks: 3, width: 8 }));
    const f = feeds(9, 4);
    const before = await runOnce(p.model, f);
    const { surgery, dropped } = await compensated(p, first);
    putBack(p, surgery, dropped);
    expect(difference(before, await runOnce(p.model, f))).toBe(0);
  });

  it('has a bias where compensation added one, and that bias is cut with its channels', async () => {
    const model = residualChain({ blocks: 1, width: 8 });
    for (const n of model.graph.nodes()) if (n.name === 'b0') n.setInput(2, null);
    const p = await prepare(model);
    const plan: Cut = { groups: [{ group: 'a0', removed: [1, 2] }], blocks: [] };
    const { surgery, dropped } = await compensated(p, plan);
    const back = putBack(p, surgery, dropped)!;
    const f = feeds(9, 4);
    expect(difference(await runOnce(surgery.model, f), await runOnce(back.model, f))).toBeLessThan(1e-5);
    const more: Cut = { groups: [...plan.groups, { group: 'stem', removed: [0] }], blocks: [] };
    const cut = applyPlan(back.model, back.facts, back.analysis, more, back.blocks).model;
    const conv = [...cut.graph.nodes()].find((n) => n.name === 'b0')!;
    expect(conv.input(2)!.initializer!.dims).toEqual([7]);
    await runOnce(cut, f);
  });

  it('is the same function for every topology', async () => {
    const not: string[] = [];
    for (const t of TOPOLOGIES) {
      const p = await prepare(t.build());
      const plan = randomPlan(p, 5, 0.4, 0.5);
      const surgery = applyPlan(p.model, p.facts, p.analysis, plan, p.blocks);
      const back = putBack(
        p,
        surgery,
        p.blocks.filter((b) => plan.blocks.includes(b.id)),
      );
      if (!back) {
        not.push(`${t.name}: no`);
        continue;
      }
      const f = feedsFor(p);
      const d = difference(await runOnce(surgery.model, f), await runOnce(back.model, f));
      if (!(d < 1e-4)) not.push(`${t.name}: ${d}`);
    }
    // A number that is computed from the width has no place that it could be put back into.
    expect(not).toEqual(['width as a number: division by the square root of a shape: no']);
  });
});
