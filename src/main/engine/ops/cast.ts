import { attrInt, int } from '../ir/attribute.ts';
import { DType, isFloat } from '../ir/dtype.ts';
import type { OperatorDef } from './contract.ts';
import { relateAxes, sameShapeRule, withGrad, x } from './support/elementwise.ts';

export const operator: OperatorDef = {
  opType: 'Cast',
  traits: { movement: 'as-is' },
  shape: sameShapeRule,
  prune: { relate: (ctx) => relateAxes(ctx, ctx.node.input(0)!, ctx.node.output()) },
  // Gradients are float32 throughout, so only a change of precision passes them.
  grad: withGrad((dY, { node }) => [isFloat(attrInt(node.attributes.get('to'), 0)) ? dY : null]),
  examples: [
    { name: 'float to float', attributes: [['to', int(DType.FLOAT)]], inputs: [x([2, 3, 4])] },
    {
      name: 'to int32',
      attributes: [['to', int(DType.INT32)]],
      inputs: [x([2, 3], [-9, 9])],
      noGrad: 'integer output',
    },
    { name: 'to bool', attributes: [['to', int(DType.BOOL)]], inputs: [x([2, 3])], noGrad: 'boolean output' },
    { name: 'opset 9', opset: 9, attributes: [['to', int(DType.FLOAT)]], inputs: [x([2, 3])] },
  ],
};
