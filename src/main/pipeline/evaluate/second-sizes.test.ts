import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { prepare, randomPlan } from '../../../../test/support/prune.ts';
import { Net } from '../../../../test/support/topologies.ts';
import { int, ints } from '../../engine/ir/attribute.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import type { Model } from '../../engine/ir/model.ts';
import { i64 } from '../../engine/ir/tensor.ts';
import { fedInputs, randomFeeds } from '../../runtime/random-inputs.ts';
import { checkSizes } from '../verify/bundle-sizes.ts';
import { guardResult } from '../pack/result-sizes.ts';
import { atSecondSizes, compareAt, sizesOf, steadyOutputs } from './second-sizes.ts';

/** x [N, 6] -> a hidden layer of 8 -> the two halves of every row, stacked -> y [2N, 3]. */
function stacked(): Model {
  const n = new Net();
  const h = n.op('Relu', [n.linear(n.input('N', 6), 6, 8)]);
  const both = n.op('Concat', [h, h], { axis: int(0) });
  return n.out(n.linear(both, 8, 3));
}

/** The same model, with the size of the analysed run baked into a Reshape. */
function baked(model: Model, rows: number): Model {
  const { model: copy } = cloneModel(model);
  const { graph } = copy;
  const last = graph.outputs[0]!.producer!;
  const target = graph.addInitializer('fixed', i64([2 * rows, 8]));
  last.setInput(0, graph.emit('Reshape', [last.input(0)!, target], { before: last })[0]!);
  return copy;
}

describe('second sizes', () => {
  it('are fine for a right cut, and the axis and both sizes are named for one with a size baked in', async () => {
    const p = await prepare(stacked());
    const plan = randomPlan(p, 1, 0.5);
    expect(await atSecondSizes(p, plan, plainExecutor)).toMatchObject({ faults: [], notes: [] });
    const runs = await sizesOf(p.model, p.facts, plainExecutor);
    expect(runs.others.map((r) => r.changed)).toEqual([{ N: 3 }]);
    const steady = steadyOutputs(p.model);
    const good = await compareAt(runs, p.model, p.model, steady, plainExecutor);
    expect(good.faults).toEqual([]);
    const bad = await compareAt(runs, p.model, baked(p.model, 1), steady, plainExecutor);
    expect(bad.faults).toHaveLength(1);
    expect(bad.faults[0]).toMatch(/N = 1.*not at N = 3/);
  });

  it('a result that bakes a size in is our own fault', async () => {
    const p = await prepare(stacked());
    await expect(guardResult(p, p.model, { executor: plainExecutor })).resolves.toMatchObject({ sizes: [{ N: 3 }] });
    const wrong = guardResult(p, baked(p.model, 1), { executor: plainExecutor });
    await expect(wrong).rejects.toMatchObject({ code: 'own-cut-failed' });
  });

  it('an axis at which the original runs at one size only is noted', async () => {
    const p = await prepare(baked(stacked(), 1));
    const found = await atSecondSizes(p, { choices: [] }, plainExecutor);
    expect(found.faults).toEqual([]);
    expect(found.notes).toEqual(['the original runs at one size of N only (1)']);
  });

  it('axes of two inputs that must be equal are changed together', async () => {
    const n = new Net();
    const [a, b] = [n.input('A', 4, 2), n.input('B', 4, 2)];
    const at = (v: typeof a): typeof a => n.op('Reshape', [v, n.ints(2, -1)]);
    // With a single sample, the sum would broadcast: [2, 4N].
    n.out(n.op('Transpose', [n.op('Add', [at(a), at(b)])], { perm: ints([1, 0]) }));
    const p = await prepare(n.model);
    const runs = await sizesOf(p.model, p.facts, plainExecutor);
    expect(runs.others.map((r) => r.changed)).toEqual([{ A: 3, B: 3 }]);
    const inner = [...p.model.graph.nodes()].find((m) => m.opType === 'Add')!.output();
    expect(p.facts.get(inner)!.dynamic).toEqual([null, 'A']);
  });

  it('bundles: listed sizes must run, and without a list every axis must run at another size', async () => {
    const check = async (model: Model, sizes?: Record<string, number>[]) => {
      const session = await plainExecutor.open(model);
      try {
        return await checkSizes(model, session, sizes ? { sizes } : {}, randomFeeds(model));
      } finally {
        await session.release();
      }
    };
    const [good, bad] = [stacked(), baked(stacked(), 1)];
    const name = fedInputs(good)[0]!.type!.shape![0] as string;
    expect(await check(good, [{ [name]: 3 }])).toMatchObject({ ok: true });
    expect(await check(good)).toMatchObject({ ok: true });
    expect(await check(bad, [{ [name]: 3 }])).toMatchObject({ ok: false });
    expect(await check(bad)).toMatchObject({ ok: false });
    expect(await check(bad, [])).toMatchObject({ ok: true, detail: expect.stringContaining('one size only') });
    expect(await check(good, [{ [name]: 5000 }])).toMatchObject({ ok: false });
  });
});
