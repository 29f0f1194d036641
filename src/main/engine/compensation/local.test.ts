import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { prepare, runOnce, type Prepared, choose } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import type { HostTensor } from '../executor.ts';
import { DType, f32, toFloat32, type Model, type Node } from '../ir/index.ts';
import { seededRandom } from '../random.ts';
import type { Cut } from '../structures/choices.ts';
import { applyPlan, type Surgery } from '../structures/apply.ts';
import { collectLayers } from './layers.ts';
import { LocalFits } from './local.ts';
import { compensate } from './sequential.ts';

function feeds(count: number, n = 16): Record<string, HostTensor>[] {
  return Array.from({ length: count }, (_, i) => {
    const r = seededRandom(100 + i);
    return {
      x: { dtype: DType.FLOAT, dims: [n, 3, 8, 8], data: Float32Array.from({ length: n * 192 }, () => r.normal()) },
    };
  });
}
const nodeNamed = (m: Model, name: string): Node => [...m.graph.nodes()].find((n) => n.name === name)!;
const weights = (m: Model, name: string): Float32Array => toFloat32(nodeNamed(m, name).input(1)!.initializer!);
const cutOf = (p: Prepared, plan: Cut): Surgery => applyPlan(p, plan);

async function distance(p: Prepared, m: Model, batches: Record<string, HostTensor>[]): Promise<number> {
  let [e, power] = [0, 0];
  for (const f of batches) {
    const [a, b] = [await runOnce(p.model, f), await runOnce(m, f)].map(
      (o) => Object.values(o)[0]!.data as Float32Array,
    );
    a!.forEach((v, i) => ((e += (v - b![i]!) ** 2), (power += v * v)));
  }
  return e / power;
}

describe('refits that need no further run', () => {
  it('restore exactly what was only a combination of what stays', async () => {
    const model = residualChain({ blocks: 1, width: 6 });
    // Unit 5 of a0 is twice unit 2, bias included: b0 can fully compensate its removal.
    const w = weights(model, 'a0').slice();
    const bias = toFloat32(nodeNamed(model, 'a0').input(2)!.initializer!).slice();
    const size = w.length / 6;
    for (let i = 0; i < size; i++) w[5 * size + i] = 2 * w[2 * size + i]!;
    bias[5] = 2 * bias[2]!;
    nodeNamed(model, 'a0').input(1)!.initializer = f32(w, [6, 6, 3, 3]);
    nodeNamed(model, 'a0').input(2)!.initializer = f32(bias, [6]);
    const p = await prepare(model);
    const fits = new LocalFits(await collectLayers(plainExecutor, p, feeds(8), 1));
    const plan: Cut = choose(p, { a0: [5] });
    const plain = cutOf(p, plan);
    const fitted = cutOf(p, plan);
    expect(fits.apply(fitted)).toBe(1);
    const fresh = feeds(2, 5);
    expect(await distance(p, plain.model, fresh)).toBeGreaterThan(1e-3);
    // The ridge towards the present weights leaves a small error.
    expect(await distance(p, fitted.model, fresh)).toBeLessThan(1e-5);
  });

  it('agree with the sequential fit where only one operator has changed', async () => {
    const p = await prepare(residualChain({ blocks: 2, width: 8 }));
    const batches = feeds(8);
    const fits = new LocalFits(await collectLayers(plainExecutor, p, batches, 1));
    const plan: Cut = choose(p, { a0: [1, 4, 6] });
    const [local, sequential] = [cutOf(p, plan), cutOf(p, plan)];
    fits.apply(local);
    await compensate(plainExecutor, p, sequential, batches, {
      threads: 1,
      kind: 'least-squares',
      rounds: 1,
      ridge: 1e-3,
    });
    const [a, b] = [weights(local.model, 'b0'), weights(sequential.model, 'b0')];
    expect(a.length).toBe(b.length);
    const largest = Math.max(...b.map(Math.abs));
    a.forEach((v, i) => expect(Math.abs(v - b[i]!)).toBeLessThan(1e-3 * largest));
  });

  it('lower the error of plans with cuts and dropped blocks, and of a narrowed stream', async () => {
    const p = await prepare(residualChain({ blocks: 3, width: 8 }));
    const fits = new LocalFits(await collectLayers(plainExecutor, p, feeds(8), 1));
    const ids = p.blocks.map((b) => b.id);
    const plans: Cut[] = [
      choose(p, { a0: [1, 4, 6], a2: [0, 2] }),
      choose(p, { stem: [2, 5] }),
      choose(p, {}, [ids[1]!]),
      choose(p, { a0: [3] }, [ids[1]!, ids[2]!]),
      choose(p, { stem: [7] }, [ids[0]!]),
    ]; // prettier-ignore
    const fresh = feeds(2, 8);
    for (const plan of plans) {
      const [plain, fitted] = [cutOf(p, plan), cutOf(p, plan)];
      expect(fits.apply(fitted)).toBeGreaterThan(0);
      const [before, after] = [await distance(p, plain.model, fresh), await distance(p, fitted.model, fresh)];
      expect(after, JSON.stringify(plan)).toBeLessThan(0.9 * before);
    }
  });

  it('leave a model alone that nothing was cut from, and the original always', async () => {
    const p = await prepare(residualChain({ blocks: 2, width: 8 }));
    const fits = new LocalFits(await collectLayers(plainExecutor, p, feeds(2), 1));
    expect(fits.apply(cutOf(p, choose(p, {})))).toBe(0);
    const before = weights(p.model, 'b0').slice();
    expect(fits.apply(cutOf(p, choose(p, { a0: [0] })))).toBe(1);
    expect(weights(p.model, 'b0')).toEqual(before);
  });
});
