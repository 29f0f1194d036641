/** Axis lists as attributes or inputs, and axis maps shared by data-movement operators. */
import { attrInt, attrInts } from '../../ir/attribute.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import type { PruneContext } from '../contract.ts';

export const normalizeAxis = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** An ints attribute, or the constant value of input i where newer operator sets take an input. */
export function intsOf(
  node: Node,
  attribute: string,
  constant: (i: number) => readonly number[] | null,
  input: number,
): readonly number[] | null {
  return attrInts(node.attributes.get(attribute)) ?? (node.input(input) ? constant(input) : null);
}

/** Every axis of x is the same axis of y, except those listed. */
export function sameAxes(ctx: PruneContext, x: Value, y: Value, except: readonly number[] = []): void {
  for (let axis = 0, rank = ctx.shape(x).length; axis < rank; axis++)
    if (!except.includes(axis)) ctx.same({ value: x, axis }, { value: y, axis });
}

/**
 * Axes of the same row-major data in two shapes. The shapes are split into runs of equal size. Inside a run, the
 * strides of both sides are refined into common factors, and one factor of each run may carry units (several: a
 * choice).
 */
export function relateReshape(ctx: PruneContext, x: Value, y: Value): void {
  for (const run of runs(ctx.shape(x), ctx.shape(y))) {
    if (!run) {
      ctx.shape(x).forEach((_, axis) => ctx.freeze({ value: x, axis }, 'its indices do not survive the reshape'));
      ctx.shape(y).forEach((_, axis) => ctx.freeze({ value: y, axis }, 'its indices do not survive the reshape'));
      return;
    }
    relateRun(ctx, x, y, run);
  }
}

interface Axis {
  readonly axis: number;
  readonly extent: number;
  /** Elements of the run per step along this axis. */
  readonly stride: number;
}
interface Run {
  readonly from: readonly Axis[];
  readonly to: readonly Axis[];
}

/** Runs of axes with equal products; axes of extent 1 are left out. null where the sizes never meet. */
function* runs(a: readonly number[], b: readonly number[]): Generator<Run | null> {
  let [i, j] = [0, 0];
  for (;;) {
    while (a[i] === 1) i++;
    while (b[j] === 1) j++;
    if (i >= a.length && j >= b.length) return;
    const [i0, j0] = [i, j];
    let [p, q] = [a[i++] ?? 0, b[j++] ?? 0];
    while (p !== q) {
      if (p === 0 || q === 0 || i > a.length || j > b.length) {
        yield null;
        return;
      }
      if (p < q) p *= a[i++] ?? 0;
      else q *= b[j++] ?? 0;
    }
    if (p === 0) {
      yield null;
      return;
    }
    yield { from: axesOf(a, i0, i), to: axesOf(b, j0, j) };
  }
}

function axesOf(shape: readonly number[], from: number, to: number): Axis[] {
  const out: Axis[] = [];
  let stride = 1;
  for (let axis = to - 1; axis >= from; axis--) {
    if (shape[axis] !== 1) out.unshift({ axis, extent: shape[axis]!, stride });
    stride *= shape[axis]!;
  }
  return out;
}

/** True when single entries of the axis are read separately, possibly after a transposition. */
function takenApart(ctx: PruneContext, value: Value, axis: number): boolean {
  return value.consumers().some((n) => {
    if (n.key === 'Transpose') {
      const rank = ctx.shape(value).length;
      const perm = attrInts(n.attributes.get('perm')) ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
      return takenApart(ctx, n.output(), perm.indexOf(axis));
    }
    if (n.key === 'Gather' && n.input(0) === value) {
      const at = normalizeAxis(attrInt(n.attributes.get('axis'), 0), ctx.shape(value).length);
      return at === axis && ctx.shape(n.input(1)!).length === 0;
    }
    return false;
  });
}

function relateRun(ctx: PruneContext, x: Value, y: Value, run: Run): void {
  const [f, t] = [run.from, run.to];
  if (f.length === 1 && t.length === 1) {
    ctx.same({ value: x, axis: f[0]!.axis }, { value: y, axis: t[0]!.axis });
    return;
  }
  const sides = [...f.map((a) => ({ ...a, value: x })), ...t.map((a) => ({ ...a, value: y }))];
  const total = f.reduce((n, a) => n * a.extent, 1);
  const cuts = [...new Set([total, ...sides.map((a) => a.stride)])].sort((p, q) => q - p);
  const refined = cuts.every((c, k) => k === 0 || cuts[k - 1]! % c === 0);
  // Factor k covers strides cuts[k+1] .. cuts[k].
  const factors = refined ? cuts.slice(1).map((stride, k) => ({ stride, extent: cuts[k]! / stride })) : [];
  const holders = (c: { stride: number }): typeof sides =>
    sides.filter((a) => a.stride <= c.stride && c.stride < a.stride * a.extent);
  // A factor is open when no axis that contains it is already frozen as a whole.
  const open = factors.filter((c) => holders(c).every((a) => !ctx.isFrozen({ value: a.value, axis: a.axis })));
  // Parts that are taken out one by one later (query, key and value of one projection) carry no units, so they come
  // last.
  const split = new Set(t.filter((a) => takenApart(ctx, y, a.axis)).map((a) => a.axis));
  const late = (c: { stride: number }): number => (holders(c).some((a) => a.value === y && split.has(a.axis)) ? 1 : 0);
  open.sort((a, b) => late(a) - late(b));
  const named = (c: (typeof factors)[number]): string => `factor of ${c.extent} at stride ${c.stride}`;
  const equal = open.filter((c) => late(c) === 0).map(named);
  const reading = open.length ? ctx.choose(open.map(named), equal) : null;
  const chosen = open.find((c) => reading === named(c));
  const carriers = chosen ? holders(chosen) : [];
  for (const a of sides)
    if (!carriers.includes(a))
      ctx.freeze({ value: a.value, axis: a.axis }, 'reshaped together with another axis that carries the units');
  if (!chosen) return;
  // Index of the chosen factor within an axis. The axis's first index with that factor represents it.
  const part = (a: Axis, i: number): number => Math.floor((i * a.stride) / chosen.stride) % chosen.extent;
  const first = (a: Axis, k: number): number => (k * chosen.stride) / a.stride;
  const lead = carriers.find((a) => a.extent === chosen.extent) ?? carriers[0]!;
  for (const a of carriers) {
    if (a.extent !== chosen.extent)
      ctx.map({ value: a.value, axis: a.axis }, { value: a.value, axis: a.axis }, (i) => first(a, part(a, i)));
    if (a !== lead)
      ctx.map({ value: a.value, axis: a.axis }, { value: lead.value, axis: lead.axis }, (i) => first(lead, part(a, i)));
  }
}
