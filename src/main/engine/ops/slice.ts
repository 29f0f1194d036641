import { ints } from '../ir/attribute.ts';
import type { Node } from '../ir/node.ts';
import { i64 } from '../ir/tensor.ts';
import type { OperatorDef, RewriteContext } from './contract.ts';
import { intsOf, normalizeAxis } from './support/axes.ts';
import { strideGradient } from './support/scatter.ts';
import { likeFirst } from './traits.ts';

interface AxisSlice {
  readonly axis: number;
  /** First index, step, and number of indices. */
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** The slices per axis, or null when they depend on data. */
function slicesOf(
  node: Node,
  x: readonly number[],
  constant: (i: number) => readonly number[] | null,
): AxisSlice[] | null {
  const starts = intsOf(node, 'starts', constant, 1);
  const ends = intsOf(node, 'ends', constant, 2);
  if (!starts || !ends || (node.input(3) && !constant(3)) || (node.input(4) && !constant(4))) return null;
  const axes = intsOf(node, 'axes', constant, 3) ?? starts.map((_, i) => i);
  const steps = node.input(4) ? constant(4) : null;
  return axes.map((a, k) => {
    const axis = normalizeAxis(a, x.length);
    const [n, step] = [x[axis]!, steps?.[k] ?? 1];
    const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + n : v, low), high);
    const start = step > 0 ? clamp(starts[k]!, 0, n) : clamp(starts[k]!, 0, n - 1);
    const end = step > 0 ? clamp(ends[k]!, 0, n) : clamp(ends[k]!, -1, n - 1);
    return { axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
}

function rewrite(ctx: RewriteContext): void {
  const { node } = ctx;
  const [x, y] = [node.input(0)!, node.output()];
  const constant = (i: number): readonly number[] | null => ctx.constant(node.input(i));
  const before = ctx.shapeBefore(x);
  const slices = slicesOf(node, before, constant);
  if (!slices || slices.every((s) => !ctx.kept(x, s.axis) && !ctx.kept(y, s.axis))) return;
  const starts = [...intsOf(node, 'starts', constant, 1)!];
  const ends = [...intsOf(node, 'ends', constant, 2)!];
  const steps = node.input(4) ? [...constant(4)!] : starts.map(() => 1);
  for (const [k, s] of slices.entries()) {
    if (!ctx.kept(x, s.axis) && !ctx.kept(y, s.axis)) continue;
    const inputs = ctx.kept(x, s.axis) ?? Array.from({ length: before[s.axis]! }, (_, i) => i);
    const outputs = ctx.kept(y, s.axis) ?? Array.from({ length: s.count }, (_, i) => i);
    const at = outputs.map((i) => inputs.indexOf(s.start + i * s.step));
    const step = at.length > 1 ? at[1]! - at[0]! : s.step > 0 ? 1 : -1;
    if (at.some((p, i) => p !== at[0]! + i * step)) {
      // The remaining indices are not a regular slice. With other sliced axes in the same node, this one cannot become
      // a Gather.
      if (slices.length > 1) throw new Error(`Slice ${node.label} of several axes, one of them pruned irregularly`);
      ctx.replaceByGather(s.axis, at);
      return;
    }
    const end = at[0]! + at.length * step;
    starts[k] = at[0]!;
    ends[k] = end < 0 ? -2147483648 : end;
    steps[k] = step;
  }
  if (ctx.opset < 10) {
    node.attributes.set('starts', ints(starts));
    node.attributes.set('ends', ints(ends));
    return;
  }
  // The bounds of other axes may follow the sizes of the inputs.
  ctx.setSizes(1, starts);
  ctx.setSizes(2, ends);
  if (!node.input(3))
    ctx.setInts(
      3,
      slices.map((s) => s.axis),
    );
  if (node.input(4) || steps.some((s) => s !== 1)) ctx.setInts(4, steps);
}

export const operator: OperatorDef = {
  opType: 'Slice',
  traits: { movement: 'part', sizeInputs: [1, 2, 3, 4], nonNegative: likeFirst, changedIn: () => [10] },
  shape: (ctx) => {
    const x = ctx.in(0)!;
    const slices = slicesOf(ctx.node, x, (i) => ctx.constant(i));
    return [slices && x.map((n, axis) => slices.find((s) => s.axis === axis)?.count ?? n)];
  },
  prune: {
    relate(ctx) {
      const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
      const slices = slicesOf(ctx.node, ctx.shape(x), (i) => ctx.constant(ctx.node.input(i)));
      if (!slices) return;
      const many = slices.filter((s) => ctx.shape(x)[s.axis]! > 1 && s.count > 0).length > 1;
      ctx.shape(x).forEach((n, axis) => {
        const s = slices.find((t) => t.axis === axis);
        const whole = !s || (s.count === n && s.step === 1);
        if (whole) return ctx.same({ value: x, axis }, { value: y, axis });
        if (many && Math.abs(s.step) !== 1) return; // frozen: see rewrite
        ctx.map({ value: y, axis }, { value: x, axis }, (i) => s.start + i * s.step);
      });
    },
    rewrite,
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    const none = ctx.node.inputs.slice(1).map(() => null);
    if (!dY || !ctx.needs(0)) return [null, ...none];
    const x = ctx.shape(ctx.node.input(0)!);
    const slices = slicesOf(ctx.node, x, (i) => ctx.constant(ctx.node.input(i)));
    if (!slices) throw new Error('gradient of a Slice whose bounds depend on data');
    return [strideGradient(ctx.b, dY, x, slices), ...none];
  },
  examples: [
    {
      name: 'channels',
      inputs: [
        { kind: 'x', shape: [2, 5, 3] },
        { kind: 'c', tensor: i64([1]) },
        { kind: 'c', tensor: i64([4]) },
        { kind: 'c', tensor: i64([1]) },
      ],
    },
    {
      name: 'strided, two axes, open ends',
      inputs: [
        { kind: 'x', shape: [1, 3, 5, 6] },
        { kind: 'c', tensor: i64([0, 1]) },
        { kind: 'c', tensor: i64([2147483647, 2147483647]) },
        { kind: 'c', tensor: i64([2, 3]) },
        { kind: 'c', tensor: i64([2, 2]) },
      ],
    },
    {
      name: 'strided channels',
      inputs: [
        { kind: 'x', shape: [2, 7] },
        { kind: 'c', tensor: i64([1]) },
        { kind: 'c', tensor: i64([7]) },
        { kind: 'c', tensor: i64([1]) },
        { kind: 'c', tensor: i64([3]) },
      ],
    },
    {
      name: 'reversed',
      inputs: [
        { kind: 'x', shape: [2, 4] },
        { kind: 'c', tensor: i64([-1]) },
        { kind: 'c', tensor: i64([-2147483648]) },
        { kind: 'c', tensor: i64([1]) },
        { kind: 'c', tensor: i64([-1]) },
      ],
    },
    {
      name: 'attributes',
      opset: 9,
      attributes: [
        ['starts', ints([0, -3])],
        ['ends', ints([1, -1])],
        ['axes', ints([0, 1])],
      ],
      inputs: [{ kind: 'x', shape: [2, 5] }],
    },
  ],
};
