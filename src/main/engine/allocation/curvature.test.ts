import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { prepare, runOnce, type Prepared, choose } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import type { HostTensor } from '../executor.ts';
import { DType, f32, toFloat32, type Model, type Node } from '../ir/index.ts';
import { klDivergence, logProbabilities } from '../heads/support/metrics.ts';
import { seededRandom } from '../random.ts';
import { Curvature } from './curvature.ts';
import { maskModel } from '../structures/mask.ts';
import type { Cut } from '../structures/choices.ts';

const probes = (count: number, n = 1): Record<string, HostTensor>[] =>
  Array.from({ length: count }, (_, i) => {
    const r = seededRandom(200 + i);
    const data = Float32Array.from({ length: n * 192 }, () => r.normal());
    return { x: { dtype: DType.FLOAT, dims: [n, 3, 8, 8], data } };
  });
const nodeNamed = (m: Model, name: string): Node => [...m.graph.nodes()].find((n) => n.name === name)!;
const structureOf = (p: Prepared, id: string) => p.structures.find((s) => s.id === id)!;
const collect = (p: Prepared, feeds: Record<string, HostTensor>[], compensation: 'none' | 'bias' | 'least-squares') =>
  Curvature.collect(plainExecutor, p, feeds, { threads: 1, seed: 5, compensation });

/** Multiplies the weights that read channel `c` of a convolution's input. */
function weaken(m: Model, name: string, c: number, factor: number): void {
  const w = nodeNamed(m, name).input(1)!;
  const { dims } = w.initializer!;
  const data = toFloat32(w.initializer!).slice();
  const taps = dims[2]! * dims[3]!;
  for (let o = 0; o < dims[0]!; o++) for (let t = 0; t < taps; t++) data[(o * dims[1]! + c) * taps + t]! *= factor;
  w.initializer = f32(data, dims);
}

async function divergence(p: Prepared, plan: Cut, feeds: Record<string, HostTensor>): Promise<number> {
  const masked = maskModel(p, plan);
  const [a, b] = [await runOnce(p.model, feeds), await runOnce(masked, feeds)].map((o) => o['y']!.data as Float32Array);
  const n = a!.length / 4;
  let sum = 0;
  for (let i = 0; i < n; i++)
    sum += klDivergence(logProbabilities(a!, 4 * i, 4, false), logProbabilities(b!, 4 * i, 4, false));
  return sum / n;
}

describe('curvature', () => {
  it('agrees with the measured divergence of small cuts', async () => {
    const model = residualChain({ blocks: 2, width: 6 });
    for (const c of [1, 4]) weaken(model, 'b0', c, 0.1);
    const p = await prepare(model);
    const [all] = probes(1, 1500);
    const single = Array.from({ length: 1500 }, (_, i) => ({
      x: {
        dtype: DType.FLOAT,
        dims: [1, 3, 8, 8],
        data: (all!['x']!.data as Float32Array).slice(192 * i, 192 * (i + 1)),
      },
    }));
    const curvature = await collect(p, single, 'none');
    for (const removed of [[1], [4], [1, 4]]) {
      const measured = await divergence(p, choose(p, { a0: removed }), all!);
      const ratio = curvature.cost(structureOf(p, 'a0'), removed) / measured;
      expect(ratio).toBeGreaterThan(0.75);
      expect(ratio).toBeLessThan(1.3);
    }
  });

  it('finds nothing lost where what goes is a combination of what stays', async () => {
    const model = residualChain({ blocks: 1, width: 6 });
    const { initializer } = nodeNamed(model, 'a0').input(1)!;
    const w = toFloat32(initializer!).slice();
    const bias = toFloat32(nodeNamed(model, 'a0').input(2)!.initializer!).slice();
    const size = w.length / 6;
    for (let i = 0; i < size; i++) w[5 * size + i] = 2 * w[2 * size + i]!;
    bias[5] = 2 * bias[2]!;
    nodeNamed(model, 'a0').input(1)!.initializer = f32(w, [6, 6, 3, 3]);
    nodeNamed(model, 'a0').input(2)!.initializer = f32(bias, [6]);
    const p = await prepare(model);
    const [plain, restored] = [await collect(p, probes(60), 'none'), await collect(p, probes(60), 'least-squares')];
    const group = structureOf(p, 'a0');
    expect(restored.cost(group, [5])).toBeLessThan(1e-4 * plain.cost(group, [5]));
    // Another unit is not a combination of the others.
    expect(restored.cost(group, [2, 5])).toBeGreaterThan(1e-2 * plain.cost(group, [2, 5]));
  });

  it('restored means cost less than nothing restored, and predictions less than means', async () => {
    const p = await prepare(residualChain({ blocks: 2, width: 8 }));
    const feeds = probes(100);
    const cost = async (how: 'none' | 'bias' | 'least-squares'): Promise<number> => {
      const curvature = await collect(p, feeds, how);
      return p.structures.filter((s) => s.axes).reduce((sum, s) => sum + curvature.cost(s, [0, 3]), 0);
    };
    const [none, bias, fitted] = [await cost('none'), await cost('bias'), await cost('least-squares')];
    expect(bias).toBeLessThan(none);
    expect(fitted).toBeLessThan(bias);
  });

  it('weighs blocks by what they add', async () => {
    const model = residualChain({ blocks: 2, width: 6 });
    const w = nodeNamed(model, 'b1').input(1)!;
    w.initializer = f32(
      toFloat32(w.initializer!).map((x) => 0.02 * x),
      w.initializer!.dims,
    );
    const p = await prepare(model);
    const curvature = await collect(p, probes(60), 'least-squares');
    expect(p.blocks.map((b) => b.id)).toEqual(['b0', 'b1']);
    expect(curvature.cost(structureOf(p, 'block b1'), [0])).toBeGreaterThan(0);
    expect(curvature.cost(structureOf(p, 'block b1'), [0])).toBeLessThan(
      0.05 * curvature.cost(structureOf(p, 'block b0'), [0]),
    );
  });
});
