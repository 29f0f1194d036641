import { attrFloat, attrInt, float, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext } from './contract.ts';
import { channelDot, channelSum, perChannel } from './support/conv-grad.ts';

const isTraining = (node: Node): boolean => attrInt(node.attributes.get('training_mode'), 0) !== 0;

/** x [N,C,...]; scale, bias, mean and variance [C]. */
function relate(ctx: PruneContext): void {
  const x = ctx.node.input(0)!;
  const y = ctx.node.output();
  const training = isTraining(ctx.node);
  ctx.shape(y).forEach((_, axis) => {
    if (axis === 1 || !training) return ctx.same({ value: x, axis }, { value: y, axis });
    for (const value of [x, y]) ctx.freeze({ value, axis }, 'statistics are taken over this axis');
  });
  for (const p of [...ctx.node.inputs.slice(1), ...ctx.node.outputs.slice(1)])
    if (p?.name && ctx.shape(p).length === 1) ctx.same({ value: p, axis: 0 }, { value: y, axis: 1 });
}

/**
 * With a = scale / sqrt(var + eps). Fixed statistics: dx = a dY. Batch statistics (training_mode): the mean and
 * variance depend on x too, so dx = a (dY - mean(dY) - xhat mean(dY xhat)), collected into one multiply-add over x and
 * one over dY.
 */
function grad(ctx: GradContext): (Value | null)[] {
  const { b, node } = ctx;
  const [x, scale, , meanIn, varIn] = node.inputs as Value[];
  const dY = ctx.dY();
  if (!dY) return [];
  const shape = ctx.shape(x!);
  const channels = shape[1]!;
  const training = isTraining(node);
  const epsilon = attrFloat(node.attributes.get('epsilon'), 1e-5);
  const momentum = attrFloat(node.attributes.get('momentum'), 0.9);
  // Recovers the batch's contribution to the running statistics.
  const batch = (running: Value, old: Value): Value =>
    momentum === 0 ? running : b.mul(b.sub(running, b.mul(old, b.scalar(momentum))), b.scalar(1 / (1 - momentum)));
  const mean = training ? batch(node.output(1), meanIn!) : meanIn!;
  const variance = training ? batch(node.output(2), varIn!) : varIn!;
  const inv = b.op('Reciprocal', [b.sqrt(b.add(variance, b.scalar(epsilon)))]);
  const a = b.mul(scale!, inv);

  const statistics = ctx.needs(3) || ctx.needs(4);
  const needSums = training ? ctx.needs(0) || ctx.needs(1) : ctx.needs(1) || ctx.needs(4);
  const dBias = ctx.needs(2) || needSums || statistics ? channelSum(b, dY, shape) : null;
  // sum(dY (x - mean)) per channel
  const centred = needSums ? b.sub(channelDot(b, dY, x!, shape), b.mul(mean, dBias!)) : null;
  const dScale = centred ? b.mul(centred, inv) : null;
  if (!training)
    return [
      ctx.needs(0) ? b.mul(dY, perChannel(b, a, shape)) : null,
      ctx.needs(1) ? dScale : null,
      ctx.needs(2) ? dBias : null,
      ctx.needs(3) ? b.neg(b.mul(a, dBias!)) : null,
      ctx.needs(4) ? b.mul(b.mul(a, b.mul(inv, inv)), b.mul(centred!, b.scalar(-0.5))) : null,
    ];
  let dX: Value | null = null;
  if (ctx.needs(0)) {
    const count = b.scalar(-channels / elementCount(shape));
    const slope = b.mul(b.mul(a, inv), b.mul(dScale!, count));
    const shift = b.mul(a, b.mul(dBias!, count));
    const one = b.tensor(f32(new Float32Array(channels).fill(1), [channels]), 'ones');
    const fromStatistics = b.op('BatchNormalization', [x!, slope, shift, mean, one], { epsilon: float(0) });
    dX = b.add(b.mul(dY, perChannel(b, a, shape)), fromStatistics);
  }
  return [dX, ctx.needs(1) ? dScale : null, ctx.needs(2) ? dBias : null, null, null];
}

export const operator: OperatorDef = {
  opType: 'BatchNormalization',
  traits: {
    trainable: [1, 2],
    scaleInput: 1,
    writesEveryOutput: isTraining,
    // In older versions, the number of outputs selected training mode, and an attribute selected statistics per
    // position.
    changedIn: (node) => (node.outputs.length > 1 || isTraining(node) || node.attributes.has('spatial') ? [15] : []),
  },
  shape: (ctx) => ctx.node.outputs.map((_, i) => (i === 0 ? ctx.in(0)! : ctx.in(1)!)),
  prune: { relate },
  grad,
  examples: [
    {
      name: 'inference',
      inputs: [
        { kind: 'x', shape: [2, 3, 2, 4] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3], range: [0.5, 2] },
      ],
    },
    {
      name: 'long rows',
      inputs: [
        { kind: 'x', shape: [2, 2, 24, 22] },
        { kind: 'w', shape: [2] },
        { kind: 'w', shape: [2] },
        { kind: 'w', shape: [2] },
        { kind: 'w', shape: [2], range: [0.5, 2] },
      ],
    },
    {
      name: 'two axes, large epsilon, opset 9',
      opset: 9,
      attributes: [['epsilon', float(0.1)]],
      inputs: [
        { kind: 'x', shape: [4, 3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3], range: [0.5, 2] },
      ],
    },
    {
      name: 'batch statistics, opset 15',
      opset: 15,
      attributes: [
        ['training_mode', int(1)],
        ['momentum', float(0)],
      ],
      outputs: 3,
      gradOutputs: [0],
      inputs: [
        { kind: 'x', shape: [3, 2, 2, 4] },
        { kind: 'w', shape: [2] },
        { kind: 'w', shape: [2] },
        { kind: 'c', tensor: f32([0, 0], [2]) },
        { kind: 'c', tensor: f32([1, 1], [2]) },
      ],
    },
  ],
};
