import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import {
  difference,
  feedsFor,
  prepare,
  randomPlan,
  runOnce,
  type Prepared,
  choose,
} from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { TOPOLOGIES } from '../../../../test/support/topologies.ts';
import type { HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import { seededRandom } from '../random.ts';
import { compensate } from '../compensation/sequential.ts';
import { restoreShape } from './restore-shape.ts';
import type { Cut } from './choices.ts';
import { applyPlan } from './apply.ts';

const feeds = (seed: number, n = 32): Record<string, HostTensor> => {
  const r = seededRandom(seed);
  return { x: { dtype: DType.FLOAT, dims: [n, 3, 8, 8], data: Float32Array.from({ length: n * 192 }, () => r.normal()) } }; // prettier-ignore
};

async function compensated(p: Prepared, plan: Cut) {
  const surgery = applyPlan(p, plan);
  await compensate(plainExecutor, p, surgery, [feeds(1), feeds(2)], { threads: 1, kind: 'least-squares' });
  return surgery;
}

describe('a pruned model in the original’s shape', () => {
  const first = (p: Prepared): Cut => choose(p, { a0: [1, 6], stem: [3] }, ['b1']);

  it('is the same function, with the same groups and blocks', async () => {
    const p = await prepare(residualChain({ blocks: 3, width: 8 }));
    const surgery = await compensated(p, first(p));
    const back = restoreShape(p, surgery, first(p))!;
    expect(back.analysis.groups.map((g) => g.id)).toEqual(p.analysis.groups.map((g) => g.id));
    const f = feeds(9, 4);
    const [pruned, whole, original] = [
      await runOnce(surgery.model, f),
      await runOnce(back.model, f),
      await runOnce(p.model, f),
    ];
    expect(difference(pruned, whole)).toBeLessThan(1e-5);
    // The plan changes the outputs noticeably.
    expect(difference(original, whole)).toBeGreaterThan(1e-2);
  });

  it('becomes the pruned model again by the same plan, and is cut further by a larger one', async () => {
    const p = await prepare(residualChain({ blocks: 3, width: 8 }));
    const surgery = await compensated(p, first(p));
    const back = restoreShape(p, surgery, first(p))!;
    const cut = (plan: Cut) => applyPlan(back, plan).model;
    const f = feeds(9, 4);
    expect(difference(await runOnce(surgery.model, f), await runOnce(cut(first(p)), f))).toBeLessThan(1e-5);
    const again = cut({ choices: [...first(p).choices, ...choose(p, { a2: [0, 2] }).choices] });
    const conv = [...again.graph.nodes()].find((n) => n.name === 'a2')!;
    expect(conv.input(1)!.initializer!.dims).toEqual([6, 7, 3, 3]);
    expect(difference(await runOnce(again, f), await runOnce(cut(first(p)), f))).toBeGreaterThan(1e-4);
  });

  it('leaves the original as it was', async () => {
    const p = await prepare(residualChain({ blocks: 3, width: 8 }));
    const f = feeds(9, 4);
    const before = await runOnce(p.model, f);
    const surgery = await compensated(p, first(p));
    restoreShape(p, surgery, first(p));
    expect(difference(before, await runOnce(p.model, f))).toBe(0);
  });

  it('has a bias where compensation added one, and that bias is cut with its channels', async () => {
    const model = residualChain({ blocks: 1, width: 8 });
    for (const n of model.graph.nodes()) if (n.name === 'b0') n.setInput(2, null);
    const p = await prepare(model);
    const plan: Cut = choose(p, { a0: [1, 2] });
    const surgery = await compensated(p, plan);
    const back = restoreShape(p, surgery, plan)!;
    const f = feeds(9, 4);
    expect(difference(await runOnce(surgery.model, f), await runOnce(back.model, f))).toBeLessThan(1e-5);
    const more: Cut = { choices: [...plan.choices, ...choose(p, { stem: [0] }).choices] };
    const cut = applyPlan(back, more).model;
    const conv = [...cut.graph.nodes()].find((n) => n.name === 'b0')!;
    expect(conv.input(2)!.initializer!.dims).toEqual([7]);
    await runOnce(cut, f);
  });

  it('is the same function for every topology', async () => {
    const failed: string[] = [];
    for (const t of TOPOLOGIES) {
      const p = await prepare(t.build());
      const plan = randomPlan(p, 5, 0.4, 0.5);
      const surgery = applyPlan(p, plan);
      const back = restoreShape(p, surgery, plan);
      if (!back) {
        failed.push(`${t.name}: null`);
        continue;
      }
      const f = feedsFor(p);
      const d = difference(await runOnce(surgery.model, f), await runOnce(back.model, f));
      if (!(d < 1e-4)) failed.push(`${t.name}: ${d}`);
    }
    // A number computed from the width has no tensor to restore.
    expect(failed).toEqual(['width as a number: division by the square root of a shape: null']);
  });
});
