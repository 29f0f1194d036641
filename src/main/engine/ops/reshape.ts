import { attrInt, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import { i64 } from '../ir/tensor.ts';
import type { OperatorDef, RewriteContext } from './contract.ts';
import { relateReshape } from './support/axes.ts';
import { likeFirst } from './traits.ts';

/** The target with the new widths: 0 copies an input axis, -1 is inferred. null when two run-time sizes would be left to infer. */
function newTarget(ctx: RewriteContext): number[] | null {
  const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
  const written = ctx.node.input(1)!.isInitializer ? ctx.constant(ctx.node.input(1)) : null;
  const copies = attrInt(ctx.node.attributes.get('allowzero'), 0) === 0;
  const [from, before, after] = [ctx.shapeAfter(x), ctx.shapeBefore(y), ctx.shapeAfter(y)];
  let inferred = written ? written.includes(-1) : false;
  const target: number[] = [];
  for (let i = 0; i < after.length; i++) {
    const old = written?.[i];
    if (old === -1) target.push(-1);
    else if (old === 0 && copies && from[i] === after[i]) target.push(0);
    else if (old !== undefined && old > 0 && after[i] === before[i]) target.push(old);
    else if (!ctx.isDynamic(y, i)) target.push(after[i]!);
    else if (copies && i < from.length && ctx.sameLength(x, i, y, i) && from[i] === after[i]) target.push(0);
    else if (!inferred) {
      inferred = true;
      target.push(-1);
    } else return null;
  }
  return target;
}

/** The contents of a computed target: its own -1 and 0, run-time sizes as computed, and the new widths. */
function computedTarget(ctx: RewriteContext): number[] {
  const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
  const was = ctx.constant(ctx.node.input(1));
  const copies = attrInt(ctx.node.attributes.get('allowzero'), 0) === 0;
  return ctx.shapeAfter(y).map((n, i) => {
    if (was?.[i] === -1 && ctx.isDynamic(y, i)) return -1;
    return was?.[i] === 0 && copies && ctx.shapeAfter(x)[i] === n ? 0 : n;
  });
}

function rewrite(ctx: RewriteContext): void {
  const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
  const changed = [x, y].some((v) => ctx.shapeBefore(v).some((_, axis) => ctx.kept(v, axis) !== null));
  // A computed target may depend on a width that is cut elsewhere.
  if (!changed && ctx.node.input(1)!.isInitializer) return;
  const target = newTarget(ctx);
  if (target) ctx.setInts(1, target);
  else ctx.setSizes(1, computedTarget(ctx));
}

export const operator: OperatorDef = {
  opType: 'Reshape',
  traits: { movement: 'in-order', sizeInputs: [1], nonNegative: likeFirst },
  shape: (ctx) => {
    const x = ctx.in(0)!;
    const target = ctx.constant(1);
    if (!target) return [null];
    const copies = attrInt(ctx.node.attributes.get('allowzero'), 0) === 0;
    const out = target.map((n, i) => (n === 0 && copies ? x[i]! : n));
    const rest = elementCount(out.filter((n) => n !== -1));
    return [out.map((n) => (n === -1 ? elementCount(x) / rest : n))];
  },
  prune: { relate: (ctx) => relateReshape(ctx, ctx.node.input(0)!, ctx.node.output()), rewrite },
  grad: (ctx) => {
    const dY = ctx.dY();
    return [dY && ctx.needs(0) ? ctx.b.reshape(dY, ctx.shape(ctx.node.input(0)!)) : null, null];
  },
  examples: [
    {
      name: 'merge channels and space',
      inputs: [
        { kind: 'x', shape: [2, 4, 3, 2] },
        { kind: 'c', tensor: i64([2, 24]) },
      ],
    },
    {
      name: 'merge with a copied and an inferred axis',
      inputs: [
        { kind: 'x', shape: [2, 4, 3] },
        { kind: 'c', tensor: i64([0, -1]) },
      ],
    },
    {
      name: 'split channels into groups',
      inputs: [
        { kind: 'x', shape: [2, 6, 3] },
        { kind: 'c', tensor: i64([2, 2, 3, 3]) },
      ],
    },
    {
      name: 'factors that cross',
      inputs: [
        { kind: 'x', shape: [4, 6] },
        { kind: 'c', tensor: i64([8, 3]) },
      ],
    },
    {
      name: 'zero means zero',
      opset: 14,
      attributes: [['allowzero', int(1)]],
      inputs: [
        { kind: 'x', shape: [2, 3] },
        { kind: 'c', tensor: i64([3, 2]) },
      ],
    },
    {
      name: 'unit axes, opset 7',
      opset: 7,
      inputs: [
        { kind: 'x', shape: [2, 4] },
        { kind: 'c', tensor: i64([2, 4, 1, 1]) },
      ],
    },
  ],
};
