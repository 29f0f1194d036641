import { int, ints } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import { Node } from '../ir/node.ts';
import { i64, MemoryTensor, type Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { OperatorDef } from './contract.ts';
import { intsOf, normalizeAxis, relateReshape } from './support/axes.ts';
import { likeFirst } from './traits.ts';

/**
 * Which dynamic axes have size 1 is known only at run time. Replaces the node by a Reshape to the sizes that are not 1,
 * or that `stay`.
 */
function squeezeAtRunTime(node: Node, x: Value, stay: readonly boolean[]): void {
  const graph = node.graph!;
  const emit = (op: string, inputs: Value[], attributes: [string, ReturnType<typeof int>][] = []): Value =>
    graph.emit(op, inputs, { attributes, before: node, outputName: `${node.output().name}_sizes` })[0]!;
  const constant = (tensor: Tensor): Value => graph.addInitializer(graph.freshName(`${node.output().name}_c`), tensor);
  const kept = constant(new MemoryTensor(DType.BOOL, [stay.length], Uint8Array.from(stay, Number)));
  const shape = emit('Shape', [x]);
  const wide = emit('Not', [emit('Equal', [shape, constant(i64([1]))])]);
  const sizes = emit('Compress', [shape, emit('Or', [wide, kept])], [['axis', int(0)]]);
  const { next, name } = node;
  const outputs = [...node.outputs];
  graph.remove(node, true);
  const reshape = new Node('Reshape', [x, sizes], outputs, { name });
  if (next) graph.insertBefore(next, reshape);
  else graph.append(reshape);
}

export const operator: OperatorDef = {
  opType: 'Squeeze',
  traits: { movement: 'in-order', nonNegative: likeFirst, changedIn: () => [13] },
  shape: (ctx) => {
    const x = ctx.in(0)!;
    const given = intsOf(ctx.node, 'axes', (i) => ctx.constant(i), 1);
    if (!given && ctx.node.input(1)) return [null];
    const axes = given?.map((a) => normalizeAxis(a, x.length));
    return [x.filter((n, i) => (axes ? !axes.includes(i) : n !== 1))];
  },
  prune: {
    relate: (ctx) => relateReshape(ctx, ctx.node.input(0)!, ctx.node.output()),
    rewrite(ctx) {
      const { node } = ctx;
      const x = node.input(0)!;
      if (node.attributes.has('axes') || node.input(1)) return;
      const [before, after] = [ctx.shapeBefore(x), ctx.shapeAfter(x)];
      // Without axes, every axis of size 1 is removed; an axis that was cut to a single unit must stay.
      const narrowed = after.map((n, axis) => n === 1 && before[axis] !== 1);
      if (!narrowed.includes(true)) return;
      if (before.some((_, axis) => ctx.isDynamic(x, axis))) {
        squeezeAtRunTime(node, x, narrowed);
        return;
      }
      const axes = before.flatMap((n, axis) => (n === 1 ? [axis] : []));
      if (ctx.opset >= 13) ctx.setInts(1, axes);
      else node.attributes.set('axes', ints(axes));
    },
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    return [dY && ctx.needs(0) ? ctx.b.reshape(dY, ctx.shape(ctx.node.input(0)!)) : null, null];
  },
  examples: [
    {
      name: 'axes as input',
      inputs: [
        { kind: 'x', shape: [2, 4, 1, 1] },
        { kind: 'c', tensor: i64([2, -1]) },
      ],
    },
    {
      name: 'axes as attribute',
      opset: 11,
      attributes: [['axes', ints([1])]],
      inputs: [{ kind: 'x', shape: [3, 1, 4] }],
    },
    { name: 'all unit axes', inputs: [{ kind: 'x', shape: [1, 4, 1] }] },
  ],
};
