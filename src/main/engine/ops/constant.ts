import { tensorAttr } from '../ir/attribute.ts';
import { f32 } from '../ir/tensor.ts';
import { tensorOf } from '../passes/constants-to-initializers.ts';
import type { OperatorDef } from './contract.ts';

/** Surgery slices the tensor itself, as with initializers. */
export const operator: OperatorDef = {
  opType: 'Constant',
  shape: (ctx) => [tensorOf(ctx.node.attributes)?.dims ?? null],
  prune: {
    relate(ctx) {
      const value = ctx.node.output();
      // Scalars, strings and sparse tensors stay unchanged.
      if (ctx.node.attributes.get('value')?.kind === 'tensor' && ctx.facts.has(value))
        ctx.shape(value).forEach((_, axis) => ctx.free({ value, axis }));
    },
  },
  grad: () => [],
  examples: [{ name: 'tensor', attributes: [['value', tensorAttr(f32([1, 2, 3], [3]))]], inputs: [] }],
};
