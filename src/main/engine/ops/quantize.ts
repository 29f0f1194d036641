/** QuantizeLinear and DequantizeLinear: channels pass through, together with per-channel scales and zero points. */
import { attrInt, int } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import { MemoryTensor } from '../ir/tensor.ts';
import { unsupported, type ExampleInput, type OperatorDef, type PruneContext } from './contract.ts';
import { normalizeAxis, sameAxes } from './support/axes.ts';
import { cFloat, x } from './support/elementwise.ts';

function relate(ctx: PruneContext): void {
  const { node } = ctx;
  const [value, y] = [node.input(0)!, node.output()];
  const rank = ctx.shape(value).length;
  const axis = normalizeAxis(attrInt(node.attributes.get('axis'), 1), rank);
  // Blocks of several entries share a scale.
  const blocks = attrInt(node.attributes.get('block_size'), 0) > 0;
  sameAxes(ctx, value, y, blocks ? [axis] : []);
  for (const p of node.inputs.slice(1)) {
    if (!p || blocks) continue;
    if (ctx.shape(p).length === 1) ctx.same({ value: p, axis: 0 }, { value: y, axis });
  }
}

const bytes = (dims: readonly number[], values: readonly number[]): ExampleInput => ({
  kind: 'c',
  tensor: new MemoryTensor(DType.UINT8, dims, Uint8Array.from(values)),
});

const shapes: OperatorDef['shape'] = (ctx) => [ctx.in(0)];

export const operators: readonly OperatorDef[] = [
  {
    opType: 'QuantizeLinear',
    traits: { quantizes: true, startsKernel: true },
    shape: shapes,
    prune: { relate },
    grad: unsupported('rounding has no slope'),
    examples: [
      { name: 'per tensor', inputs: [x([2, 3, 4]), cFloat([0.02]), bytes([], [128])] },
      {
        name: 'per channel',
        attributes: [['axis', int(1)]],
        inputs: [x([2, 3, 4]), cFloat([0.02, 0.01, 0.03], [3]), bytes([3], [128, 100, 90])],
      },
    ],
  },
  {
    opType: 'DequantizeLinear',
    traits: { quantizes: true, startsKernel: true },
    shape: shapes,
    prune: { relate },
    grad: unsupported('its input is made of whole numbers'),
    examples: [
      {
        name: 'per tensor',
        inputs: [bytes([2, 4], [1, 200, 30, 4, 50, 6, 70, 8]), cFloat([0.02]), bytes([], [10])],
      },
      {
        name: 'per channel',
        attributes: [['axis', int(1)]],
        inputs: [bytes([2, 2], [1, 200, 30, 4]), cFloat([0.02, 0.1], [2]), bytes([2], [10, 3])],
      },
    ],
  },
];
