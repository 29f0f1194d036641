import { float } from '../ir/attribute.ts';
import type { Node } from '../ir/node.ts';
import { scalarF32, toNumbers, type Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { OperatorDef } from './contract.ts';
import { sameAxes } from './support/axes.ts';
import { likeFirst } from './traits.ts';

/**
 * True where the third input (operator set 12) is not known to be false and the second, the dropped share, is not known
 * to be zero. Without a second input, half of the elements are dropped.
 */
function dropsByChance(node: Node): boolean {
  const [ratio, training] = [node.input(1), node.input(2)];
  return training !== null && !isZero(training) && (ratio === null || !isZero(ratio));
}

function isZero(v: Value): boolean {
  const constant = v.isGraphInput ? null : (v.initializer ?? attributeOf(v));
  return constant !== null && toNumbers(constant)[0] === 0;
}

function attributeOf(v: Value): Tensor | null {
  const value = v.producer?.opType === 'Constant' ? v.producer.attributes.get('value') : undefined;
  return value?.kind === 'tensor' ? value.value : null;
}

/** Inference only: the data passes through unchanged and the optional mask is all true. */
export const operator: OperatorDef = {
  opType: 'Dropout',
  traits: {
    movement: 'as-is',
    nonNegative: likeFirst,
    random: dropsByChance,
    // The dropped share became an input.
    changedIn: (node) => (node.attributes.has('ratio') ? [12] : []),
  },
  shape: (ctx) => ctx.node.outputs.map(() => ctx.in(0)),
  prune: {
    relate(ctx) {
      for (const y of ctx.node.outputs) if (y.name) sameAxes(ctx, ctx.node.input(0)!, y);
    },
  },
  grad: (ctx) => [ctx.dY(), ...ctx.node.inputs.slice(1).map(() => null)],
  examples: [
    {
      name: 'ratio as input',
      inputs: [
        { kind: 'x', shape: [2, 3] },
        { kind: 'c', tensor: scalarF32(0.4) },
      ],
    },
    {
      name: 'ratio as attribute',
      opset: 10,
      attributes: [['ratio', float(0.3)]],
      inputs: [{ kind: 'x', shape: [2, 3] }],
    },
  ],
};
