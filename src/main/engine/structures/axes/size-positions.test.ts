/**
 * A width that Shape reads and that produces positions (OneHot, Range): values counted by it stay whole after a cut.
 */
import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../../test/support/executor.ts';
import { oracle, prepare, randomPlan } from '../../../../../test/support/prune.ts';
import { Net } from '../../../../../test/support/topologies.ts';
import { atSecondSizes } from '../../../pipeline/evaluate/second-sizes.ts';
import { int, ints } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';
import { f32, i64 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';

const sizeOf = (n: Net, v: Value, axis: number): Value =>
  n.op('Gather', [n.op('Shape', [v]), n.constant(i64([axis], []))], { axis: int(0) });

/** h [N, 'T', 8] of x [N, 'T', 6] whose width may be cut, and numbers [.., 3] that are added to a result of h. */
function withPositions(make: (n: Net, h: Value) => Value): Model {
  const n = new Net();
  const h = n.linear(n.input('N', 'T', 6), 6, 8);
  return n.out(n.add(n.linear(n.relu(h), 8, 3), make(n, h)));
}
const scalar = (n: Net, x: number): Value => n.constant(i64([x], []));
const toFloat = (n: Net, v: Value): Value => n.op('Cast', [v], { to: int(DType.FLOAT) });
const mean = (n: Net, v: Value): Value => n.op('ReduceMean', [v], { axes: ints([0]), keepdims: int(0) });
const range = (n: Net, to: Value): Value => n.op('Range', [scalar(n, 0), to, scalar(n, 1)]);

const CASES: Record<string, (n: Net, h: Value) => Value> = {
  'depth of a one-hot code': (n, h) => {
    const code = n.op('OneHot', [n.ints(0, 2, 7), sizeOf(n, h, 2), n.constant(f32([0, 1], [2]))]);
    return mean(n, n.op('MatMul', [code, n.weight(8, 3)]));
  },
  'depth of a one-hot code, halved': (n, h) => {
    const half = n.op('Div', [sizeOf(n, h, 2), scalar(n, 2)]);
    const code = n.op('OneHot', [n.ints(0, 2, 3), half, n.constant(f32([0, 1], [2]))]);
    return mean(n, n.op('MatMul', [code, n.weight(4, 3)]));
  },
  'length of a range': (n, h) => {
    const at = n.op('Unsqueeze', [toFloat(n, range(n, sizeOf(n, h, 2))), n.ints(0)]);
    return mean(n, n.op('MatMul', [at, n.weight(8, 3)]));
  },
  'rows of a table that a range picks': (n, h) =>
    mean(n, n.op('Gather', [n.weight(8, 3), range(n, sizeOf(n, h, 2))], { axis: int(0) })),
  'a range from a float': (n, h) => {
    const to = toFloat(n, sizeOf(n, h, 2));
    const at = n.op('Range', [n.constant(f32([0], [])), to, n.constant(f32([1], []))]);
    return mean(n, n.op('MatMul', [n.op('Unsqueeze', [at, n.ints(0)]), n.weight(8, 3)]));
  },
  'a mask of positions before a limit': (n, h) => {
    const [a, b] = [range(n, sizeOf(n, h, 2)), scalar(n, 5)];
    const mask = n.op('Unsqueeze', [toFloat(n, n.op('Less', [a, b])), n.ints(0)]);
    return mean(n, n.op('MatMul', [mask, n.weight(8, 3)]));
  },
  'the number of positions as a number': (n, h) =>
    n.op('Mul', [n.weight(3), n.op('ReduceMax', [toFloat(n, range(n, sizeOf(n, h, 2)))], { keepdims: int(0) })]),
  'as many as batch times width': (n, h) => {
    const all = n.op('Mul', [sizeOf(n, h, 0), sizeOf(n, h, 2)]);
    return n.op('Mul', [n.weight(3), n.op('ReduceMean', [toFloat(n, range(n, all))], { keepdims: int(0) })]);
  },
  'a range of the length beside it': (n, h) => {
    // Positions of a sequence follow its length, before and after the cut.
    const at = n.op('Unsqueeze', [toFloat(n, range(n, sizeOf(n, h, 1))), n.ints(1)]);
    return n.op('MatMul', [at, n.weight(1, 3)]);
  },
};

describe('positions that are counted by a width', () => {
  for (const [name, make] of Object.entries(CASES))
    it(name, async () => {
      const p = await prepare(withPositions(make));
      expect(p.analysis.groups.length, JSON.stringify(p.analysis.skipped)).toBeGreaterThan(0);
      const plan = randomPlan(p, 1, 0.3);
      const { error, effect } = await oracle(p, plan);
      expect(error).toBeLessThan(1e-4);
      expect(effect).toBeGreaterThan(0);
      const found = await atSecondSizes(p, plan, plainExecutor);
      expect(found.faults).toEqual([]);
      expect(found.runs.others.length).toBeGreaterThan(0);
    });

  it('keep what they meet whole, with that reason', async () => {
    const p = await prepare(
      withPositions((n, h) => {
        const code = n.op('OneHot', [n.ints(0, 2, 7), sizeOf(n, h, 2), n.constant(f32([0, 1], [2]))]);
        return n.linear(n.relu(n.add(h, mean(n, code))), 8, 3);
      }),
    );
    expect(p.analysis.groups).toEqual([]);
    expect(p.analysis.skipped.map((s) => s.reason)).toContainEqual(
      expect.stringContaining('its classes are positions'),
    );
  });
});
