import { attrInts, attrString, float, ints, str } from '../ir/attribute.ts';
import type { Node } from '../ir/node.ts';
import { i64, scalarF32 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';
import { normalizeAxis } from './support/axes.ts';

interface AxisPad {
  readonly axis: number;
  /** Number of entries added before and after; negative: removed. */
  readonly begin: number;
  readonly end: number;
}

const modeOf = (node: Node): string => attrString(node.attributes.get('mode'), 'constant');

/** Pads per axis, or null when they depend on data. */
function padsOf(node: Node, rank: number, constant: (i: number) => readonly number[] | null): AxisPad[] | null {
  // `paddings` until opset 2, an input since 11, with separate axes since 18.
  const pads = attrInts(node.attributes.get('pads')) ?? (node.input(1) ? constant(1) : null);
  if (!pads || (node.input(3) && !constant(3))) return null;
  const axes = node.input(3) ? constant(3)! : Array.from({ length: rank }, (_, i) => i);
  return axes.map((a, k) => ({ axis: normalizeAxis(a, rank), begin: pads[k]!, end: pads[k + axes.length]! }));
}

export const operator: OperatorDef = {
  opType: 'Pad',
  traits: {
    movement: 'joined',
    sizeInputs: [1, 3],
    startsKernel: true,
    // An explicit pad value may be negative.
    nonNegative: (node, input) => node.input(2) === null && !node.attributes.has('value') && input(node.input(0)),
    changedIn: () => [11],
  },
  shape: (ctx) => {
    const x = ctx.in(0)!;
    const pads = padsOf(ctx.node, x.length, (i) => ctx.constant(i));
    if (!pads) return [null];
    const out = [...x];
    for (const p of pads) out[p.axis]! += p.begin + p.end;
    return [out];
  },
  prune: {
    relate(ctx) {
      const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
      const pads = padsOf(ctx.node, ctx.shape(x).length, (i) => ctx.constant(ctx.node.input(i)));
      if (!pads) return;
      ctx.shape(x).forEach((_, axis) => {
        const p = pads.find((q) => q.axis === axis);
        if (!p || (p.begin === 0 && p.end === 0)) ctx.same({ value: x, axis }, { value: y, axis });
        // Reflected and repeated borders copy other indices, so such an axis stays whole.
        else if (modeOf(ctx.node) === 'constant') ctx.map({ value: x, axis }, { value: y, axis }, (i) => i + p.begin);
      });
    },
    rewrite(ctx) {
      const { node } = ctx;
      const [x, y] = [node.input(0)!, node.output()];
      const before = ctx.shapeBefore(x);
      const pads = padsOf(node, before.length, (i) => ctx.constant(node.input(i)))!;
      let changed = false;
      const fixed = pads.map((p) => {
        const [from, to] = [ctx.kept(x, p.axis), ctx.kept(y, p.axis)];
        if ((p.begin === 0 && p.end === 0) || (!from && !to)) return p;
        changed = true;
        const n = before[p.axis]!;
        const inputs = from ?? Array.from({ length: n }, (_, i) => i);
        const outputs = to ?? Array.from({ length: n + p.begin + p.end }, (_, i) => i);
        const count = (list: readonly number[], test: (i: number) => boolean): number => list.filter(test).length;
        return {
          axis: p.axis,
          begin: p.begin >= 0 ? count(outputs, (i) => i < p.begin) : -count(inputs, (i) => i < -p.begin),
          end: p.end >= 0 ? count(outputs, (i) => i >= p.begin + n) : -count(inputs, (i) => i >= n + p.end),
        };
      });
      if (!changed) return;
      const list = [...fixed.map((p) => p.begin), ...fixed.map((p) => p.end)];
      if (node.attributes.has('pads')) node.attributes.set('pads', ints(list));
      else ctx.setSizes(1, list);
    },
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    const none = ctx.node.inputs.slice(1).map(() => null);
    if (!dY || !ctx.needs(0)) return [null, ...none];
    const x = ctx.shape(ctx.node.input(0)!);
    const pads = padsOf(ctx.node, x.length, (i) => ctx.constant(ctx.node.input(i)));
    if (!pads || modeOf(ctx.node) !== 'constant') throw new Error('gradient of a Pad that is not constant');
    const back = new Array<number>(2 * x.length).fill(0);
    for (const p of pads) {
      back[p.axis] = -p.begin;
      back[p.axis + x.length] = -p.end;
    }
    return [ctx.b.pad(dY, back), ...none];
  },
  examples: [
    {
      name: 'space and channels',
      inputs: [
        { kind: 'x', shape: [1, 3, 2, 2] },
        { kind: 'c', tensor: i64([0, 1, 1, 0, 0, 2, 0, 1]) },
      ],
    },
    {
      name: 'a value other than zero, cropping, opset 18 axes',
      opset: 18,
      inputs: [
        { kind: 'x', shape: [2, 4] },
        { kind: 'c', tensor: i64([-1, 2]) },
        { kind: 'c', tensor: scalarF32(0.5) },
        { kind: 'c', tensor: i64([1]) },
      ],
    },
    {
      name: 'attributes',
      opset: 10,
      attributes: [
        ['pads', ints([0, 2, 0, 1])],
        ['mode', str('constant')],
        ['value', float(0)],
      ],
      inputs: [{ kind: 'x', shape: [2, 3] }],
    },
    {
      name: 'reflected',
      attributes: [['mode', str('reflect')]],
      noGrad: 'only constant padding has a gradient',
      inputs: [
        { kind: 'x', shape: [1, 2, 4] },
        { kind: 'c', tensor: i64([0, 0, 1, 0, 0, 2]) },
      ],
    },
  ],
};
