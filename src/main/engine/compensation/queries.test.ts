import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { prepare, runOnce, choose } from '../../../../test/support/prune.ts';
import { Net } from '../../../../test/support/topologies.ts';
import { int, ints } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { randomTensor } from '../../runtime/random-inputs.ts';
import { applyPlan } from '../structures/apply.ts';
import { channelsIn } from './channels.ts';
import { queryFolds } from './queries.ts';
import { compensate } from './sequential.ts';

const [TOKENS, FEATURES, HEADS, SIZE] = [7, 3, 2, 4];

type Style = 'separate' | 'fused' | 'rotated' | 'positions' | 'without bias';

/**
 * Attention whose tokens depend on three features: of four dimensions of a head, three determine the fourth exactly.
 * 'rotated' inserts an operation between queries and product that is not a rearrangement; 'positions' adds a second
 * reader of the queries.
 */
function attention(style: Style): Model {
  const n = new Net();
  const x = n.linear(n.input('batch', TOKENS, FEATURES), FEATURES, 6);
  const width = HEADS * SIZE;
  const project = (to: number): Value => {
    const y = n.linear(x, 6, to);
    return style === 'without bias' ? y : n.op('Add', [y, n.weight(to)]);
  };
  const split = (v: Value, ...perm: number[]): Value =>
    n.op('Transpose', [n.op('Reshape', [v, n.ints(0, TOKENS, HEADS, SIZE)])], { perm: ints(perm) });
  const parts =
    style === 'fused'
      ? n.ops('Split', [project(3 * width), n.ints(width, width, width)], { axis: int(2) }, 3)
      : [project(width), project(width), project(width)];
  const half = n.model.graph.addInitializer('half', f32([0.5], []));
  let q = n.op('Mul', [split(parts[0]!, 0, 2, 1, 3), half]);
  if (style === 'rotated') q = n.op('Add', [q, n.op('Tanh', [q])]);
  let scores = n.op('MatMul', [q, split(parts[1]!, 0, 2, 3, 1)]);
  if (style === 'positions') scores = n.add(scores, n.op('MatMul', [q, n.weight(SIZE, TOKENS)]));
  const mixed = n.op('MatMul', [n.op('Softmax', [scores], { axis: int(-1) }), split(parts[2]!, 0, 2, 1, 3)]);
  const merged = n.op('Reshape', [n.op('Transpose', [mixed], { perm: ints([0, 2, 1, 3]) }), n.ints(0, TOKENS, width)]);
  return n.out(n.linear(merged, width, 3));
}

const feeds = (batch: number, seed: number) => ({ x: randomTensor(DType.FLOAT, [batch, TOKENS, FEATURES], seed) });

/** Relative squared error against the original on samples not used for fitting. */
async function error(original: Model, pruned: Model): Promise<number> {
  const [a, b] = await Promise.all([runOnce(original, feeds(4, 77)), runOnce(pruned, feeds(4, 77))]);
  const [want, got] = [Object.values(a)[0]!.data as Float32Array, Object.values(b)[0]!.data as Float32Array];
  let [e, power] = [0, 0];
  want.forEach((w, i) => {
    e += (w - got[i]!) ** 2;
    power += w * w;
  });
  return e / power;
}

async function cutDimension(style: Style) {
  const p = await prepare(attention(style));
  const scores = [...p.model.graph.nodes()].find((n) => n.key === 'Softmax')!.input(0)!.producer!;
  const group = p.analysis.groups.find(
    (g) => g.units === SIZE && g.members.some((m) => m.value === scores.input(0) && m.axis === 3),
  )!;
  const cut = () => applyPlan(p, choose(p, { [group.id]: [1] }));
  return { p, cut, before: await error(p.model, cut().model) };
}

describe('dimensions of queries and keys that go', () => {
  it.each(['separate', 'fused'] as const)('live on in those that stay, %s', async (style) => {
    const { p, cut, before } = await cutDimension(style);
    expect(before).toBeGreaterThan(1e-5);
    const surgery = cut();
    const batches = [feeds(32, 1), feeds(32, 2)];
    if (style === 'separate') {
      // Folds only: the values stay whole, so no other weights need to change.
      for (const fold of (await queryFolds(plainExecutor, p, surgery, batches, { threads: 1, ridge: 1e-6 })).values())
        fold();
      expect(await error(p.model, surgery.model)).toBeLessThan(1e-3 * before);
    }
    const whole = cut();
    await compensate(plainExecutor, p, whole, batches, { threads: 1, kind: 'least-squares' });
    expect(await error(p.model, whole.model)).toBeLessThan(0.05 * before);
  });

  it('keep their length where there is no place for a bias', async () => {
    const { p, cut, before } = await cutDimension('without bias');
    const surgery = cut();
    const folds = await queryFolds(plainExecutor, p, surgery, [feeds(32, 1)], { threads: 1, ridge: 1e-6 });
    expect(folds.size).toBe(1);
    for (const fold of folds.values()) fold();
    expect(await error(p.model, surgery.model)).toBeLessThan(1e-3 * before);
  });

  it('are left alone where something else reads the queries, and where there are no samples', async () => {
    const p = await prepare(attention('positions'));
    const plan = choose(
      p,
      Object.fromEntries(p.analysis.groups.filter((g) => g.units === SIZE).map((g) => [g.id, [1]])),
    );
    const surgery = applyPlan(p, plan);
    expect((await queryFolds(plainExecutor, p, surgery, [feeds(32, 1)], { threads: 1 })).size).toBe(0);
    const { p: plain, cut } = await cutDimension('separate');
    expect((await queryFolds(plainExecutor, plain, cut(), [feeds(32, 1)], { threads: 1 })).size).toBe(1);
    expect((await queryFolds(plainExecutor, plain, cut(), [], { threads: 1 })).size).toBe(0);
  });

  it('are left alone where more than rearrangement lies before the product', async () => {
    const p = await prepare(attention('rotated'));
    const product = [...p.model.graph.nodes()].find((n) => n.key === 'Softmax')!.input(0)!.producer!;
    const projection = [...p.model.graph.nodes()].filter((n) => n.key === 'Add')[0]!.output();
    expect(await channelsIn(plainExecutor, p, projection, 2, product.input(0)!)).toBeNull();
    // Values are only rearranged, with heads one after another.
    const values = [...p.model.graph.nodes()].filter((n) => n.key === 'Add')[2]!.output();
    const mixed = [...p.model.graph.nodes()]
      .find((n) => n.key === 'Softmax')!
      .output()
      .consumers()[0]!;
    const map = (await channelsIn(plainExecutor, p, values, 2, mixed.input(1)!))!;
    expect(map.scale).toBe(1);
    expect(map.channels).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
  });
});
