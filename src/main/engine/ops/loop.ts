/**
 * Loop and Scan: carried values have one width before, inside and after the loop. Values that are read or stacked slice
 * by slice have the width of the slice. Nothing is rewritten: widths follow from the weights in the body.
 */
import { graphAttr, int, ints, type Attribute } from '../ir/attribute.ts';
import { bodyLinks } from '../ir/bodies.ts';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import { f32, i64 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { unsupported, type OperatorDef, type PruneContext } from './contract.ts';
import { cBool, x } from './support/elementwise.ts';

function relate(ctx: PruneContext): void {
  const links = bodyLinks(ctx.node);
  // No axis is mentioned, so everything stays whole.
  if (!links) return;
  const alike = (a: Value, b: Value): void => {
    // A shape that changes between iterations (a growing list) has no fixed width.
    if (ctx.shape(a).length !== ctx.shape(b).length) return;
    ctx.shape(a).forEach((_, axis) => ctx.same({ value: a, axis }, { value: b, axis }));
  };
  for (const { initial, input, output, last } of links.carried) {
    alike(initial, input);
    alike(output, input);
    if (last) alike(last, output);
  }
  for (const { whole, axis, slice } of [...links.sliced, ...links.stacked]) {
    const rank = ctx.shape(whole).length;
    const at = axis < 0 ? axis + rank : axis;
    ctx.freeze({ value: whole, axis: at }, 'one index for each iteration');
    ctx.shape(slice).forEach((_, k) => ctx.same({ value: whole, axis: k < at ? k : k + 1 }, { value: slice, axis: k }));
  }
}

/** h' = tanh(h W) + u, or + a slice per iteration; also returns each h'. Width 4, 2 rows. */
function body(kind: 'Loop' | 'Scan'): Attribute {
  const g = new Graph();
  g.name = 'body';
  const loop = kind === 'Loop';
  const go = loop ? [g.addInput('i', { elemType: DType.INT64, shape: [] }), g.addInput('go', { elemType: DType.BOOL, shape: [] })][1]! : null; // prettier-ignore
  const h = g.addInput('h', { elemType: DType.FLOAT, shape: [2, 4] });
  const u = loop
    ? g.addInitializer('u', f32([0.3, -0.2, 0.1, 0.4], [4]))
    : g.addInput('u', { elemType: DType.FLOAT, shape: [2, 4] });
  const w = g.addInitializer('w', f32(Array.from({ length: 16 }, (_, i) => Math.sin(3 * i + 1) / 2), [4, 4])); // prettier-ignore
  const [y] = g.emit('MatMul', [h, w], { name: 'recur' });
  const [z] = g.emit('Tanh', [y!]);
  const [next] = g.emit('Add', [z!, u]);
  const [given] = g.emit('Identity', [next!]);
  if (go) g.outputs.push(g.emit('Identity', [go], { outputName: 'go_on' })[0]!);
  g.outputs.push(next!, given!);
  next!.type = { elemType: DType.FLOAT, shape: [2, 4] };
  given!.type = { elemType: DType.FLOAT, shape: [2, 4] };
  return graphAttr(g);
}

const prune = { relate };
const grad = unsupported('what an iteration hands to the next is not kept for a way back');

export const operators: OperatorDef[] = [
  {
    opType: 'Loop',
    traits: {
      // Loop inputs: the number of iterations and whether to run. The body takes the iteration number and returns
      // whether to continue.
      body: { before: 2, inside: 2, said: 1, slices: false },
      selection: { counted: true },
      writesEveryOutput: true,
    },
    shape: ({ node, in: shape }) =>
      node.outputs.map((_, i) => (i < node.inputs.length - 2 ? (shape(i + 2) ?? null) : null)),
    prune,
    grad,
    examples: [
      {
        name: 'a state, and each of its values',
        inputs: [{ kind: 'c', tensor: i64([3], []) }, cBool([1], []), x([2, 4])],
        attributes: [['body', body('Loop')]],
        outputs: 2,
      },
    ],
  },
  {
    opType: 'Scan',
    traits: { body: { before: 0, inside: 0, said: 0, slices: true }, writesEveryOutput: true, changedIn: () => [9] },
    shape: ({ node, in: shape }) => {
      const links = bodyLinks(node);
      return node.outputs.map((_, i) => (links && i < links.carried.length ? (shape(i) ?? null) : null));
    },
    prune,
    grad,
    examples: [
      {
        name: 'a state and a sequence',
        inputs: [x([2, 4]), x([3, 2, 4])],
        attributes: [
          ['body', body('Scan')],
          ['num_scan_inputs', int(1)],
        ],
        outputs: 2,
      },
      {
        name: 'along other axes',
        inputs: [x([2, 4]), x([2, 3, 4])],
        attributes: [
          ['body', body('Scan')],
          ['num_scan_inputs', int(1)],
          ['scan_input_axes', ints([1])],
          ['scan_output_axes', ints([-2])],
        ],
        outputs: 2,
      },
    ],
  },
];
