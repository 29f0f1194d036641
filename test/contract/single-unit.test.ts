/** Groups cut to a single unit: some operators treat axes of size 1 differently. */
import { describe, expect, it } from 'vitest';
import { int } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { maskModel } from '../../src/main/engine/structures/mask.ts';
import { choiceOf, type Cut } from '../../src/main/engine/structures/choices.ts';
import { applyPlan } from '../../src/main/engine/structures/apply.ts';
import { difference, prepare, runOnce, type Prepared } from '../support/prune.ts';
import { Net } from '../support/topologies.ts';

/** Removes every unit of each group but the first. */
const least = (p: Prepared): Cut => ({
  choices: p.structures
    .filter((s) => s.axes)
    .map((s) =>
      choiceOf(
        s,
        Array.from({ length: s.units - 1 }, (_, i) => i + 1),
      ),
    ),
});

function squeezed(opset: number, batch: number | string, size = 4): Net {
  const n = new Net(opset);
  const x = n.relu(n.conv(n.input(batch, 3, size, size), 3, 6));
  n.out(n.linear(n.relu(n.linear(n.op('Squeeze', [n.op('GlobalAveragePool', [x])]), 6, 5)), 5, 3));
  return n;
}

describe('a group of one unit', () => {
  it.each([
    [11, 2],
    [17, 2],
    [11, 1],
    [11, 'N'],
    [17, 'N'],
  ])('behind Squeeze without axes, operator set %i, batch %s', async (opset, batch) => {
    const p = await prepare(squeezed(opset, batch).model);
    const plan = least(p);
    expect(plan.choices.length).toBeGreaterThan(0);
    const pruned = applyPlan(p, plan).model;
    const masked = maskModel(p, plan);
    for (const size of typeof batch === 'number' ? [batch] : [1, 3]) {
      const data = Float32Array.from({ length: size * 48 }, (_, i) => Math.sin(i));
      const x: HostTensor = { dtype: DType.FLOAT, dims: [size, 3, 4, 4], data };
      const [want, got] = [await runOnce(masked, { x }), await runOnce(pruned, { x })];
      expect(got.out0!.dims).toEqual(want.out0!.dims);
      expect(difference(want, got)).toBeLessThan(1e-5);
    }
  });

  it('behind a depthwise convolution, a Split and a Concat', async () => {
    const n = new Net();
    const [a, b] = n.ops('Split', [n.relu(n.conv(n.input('N', 3, 4, 4), 3, 8))], { axis: int(1) }, 2);
    const joined = n.op('Concat', [n.relu(n.conv(a!, 4, 4, 3, 4)), n.conv(b!, 4, 6)], { axis: int(1) });
    n.out(n.head(n.relu(joined), 10));
    const p = await prepare(n.model);
    const pruned = applyPlan(p, least(p)).model;
    const masked = maskModel(p, least(p));
    const x: HostTensor = {
      dtype: DType.FLOAT,
      dims: [2, 3, 4, 4],
      data: Float32Array.from({ length: 96 }, (_, i) => Math.cos(i)),
    };
    expect(difference(await runOnce(masked, { x }), await runOnce(pruned, { x }))).toBeLessThan(1e-5);
  });
});
