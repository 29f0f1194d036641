/**
 * Optimiser steps as emitted nodes. Each works on one tensor of any shape: the training step packs all parameters into
 * one vector, so that a step costs a dozen operators however many parameters there are.
 */
import type { Value } from '../ir/value.ts';
import type { GraphBuilder } from './builder.ts';

export interface AdamWOptions {
  readonly kind: 'adamw';
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled: each step takes lr * weightDecay of the weight. */
  readonly weightDecay?: number;
}
export interface SgdOptions {
  readonly kind: 'sgd';
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Added to the gradient, as in PyTorch's SGD. */
  readonly weightDecay?: number;
}
export type OptimizerOptions = AdamWOptions | SgdOptions;

export interface UpdateInputs {
  readonly param: Value;
  readonly grad: Value;
  /** As many as `stateCount` says, of the parameter's shape, zero at first. */
  readonly state: readonly Value[];
  /** Scalar. */
  readonly lr: Value;
  /** Scalar float32: 1 at the first step. */
  readonly step: Value;
  /** Multiplies the weight decay element-wise: 0 where there shall be none (biases, norms). Omitted: decay everywhere. */
  readonly decayMask?: Value | null;
  /** Multiplies the learning rate element-wise. Omitted: one rate for all. */
  readonly rates?: Value | null;
}
export interface Updated {
  readonly param: Value;
  readonly state: readonly Value[];
}

export const stateCount = (o: OptimizerOptions): number => (o.kind === 'adamw' ? 2 : (o.momentum ?? 0.9) > 0 ? 1 : 0);

export const emitUpdate = (b: GraphBuilder, o: OptimizerOptions, i: UpdateInputs): Updated =>
  o.kind === 'adamw' ? emitAdamW(b, o, i) : emitSgd(b, o, i);

/** AdamW with bias correction (Loshchilov and Hutter 2019, arXiv:1711.05101), as torch.optim.AdamW computes it. */
export function emitAdamW(b: GraphBuilder, o: AdamWOptions, i: UpdateInputs): Updated {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = o;
  const m = b.add(b.mul(i.state[0]!, b.scalar(beta1)), b.mul(i.grad, b.scalar(1 - beta1)));
  const v = b.add(b.mul(i.state[1]!, b.scalar(beta2)), b.mul(b.mul(i.grad, i.grad), b.scalar(1 - beta2)));
  const correction = (beta: number): Value => b.sub(b.scalar(1), b.op('Pow', [b.scalar(beta), i.step]));
  const size = b.div(rate(b, i), correction(beta1));
  const root = b.mul(b.sqrt(v), b.op('Reciprocal', [b.sqrt(correction(beta2))]));
  const move = b.div(b.mul(m, size), b.add(root, b.scalar(epsilon)));
  return { param: b.sub(decayed(b, i, weightDecay), move), state: [m, v] };
}

/** SGD with momentum and Nesterov's variant, as torch.optim.SGD computes it (dampening 0). */
export function emitSgd(b: GraphBuilder, o: SgdOptions, i: UpdateInputs): Updated {
  const { momentum = 0.9, nesterov = false, weightDecay = 0 } = o;
  let g = i.grad;
  if (weightDecay > 0) {
    const pull = b.mul(i.param, b.scalar(weightDecay));
    g = b.add(g, i.decayMask ? b.mul(pull, i.decayMask) : pull);
  }
  if (momentum === 0) return { param: b.sub(i.param, b.mul(g, rate(b, i))), state: [] };
  const velocity = b.add(b.mul(i.state[0]!, b.scalar(momentum)), g);
  const direction = nesterov ? b.add(g, b.mul(velocity, b.scalar(momentum))) : velocity;
  return { param: b.sub(i.param, b.mul(direction, rate(b, i))), state: [velocity] };
}

const rate = (b: GraphBuilder, i: UpdateInputs): Value => (i.rates ? b.mul(i.rates, i.lr) : i.lr);

function decayed(b: GraphBuilder, i: UpdateInputs, weightDecay: number): Value {
  if (weightDecay === 0) return i.param;
  const share = b.mul(rate(b, i), b.scalar(weightDecay));
  if (!i.decayMask) return b.mul(i.param, b.sub(b.scalar(1), share));
  return b.sub(i.param, b.mul(b.mul(i.param, i.decayMask), share));
}

/** Scales a gradient so that its L2 norm is at most `limit`. Returns the norm before, too. */
export function emitClipByNorm(b: GraphBuilder, grad: Value, limit: number): { grad: Value; norm: Value } {
  const norm = b.sqrt(b.reduceSum(b.mul(grad, grad), [0], false));
  const scale = b.op('Min', [b.scalar(1), b.div(b.scalar(limit), b.add(norm, b.scalar(1e-6)))]);
  return { grad: b.mul(grad, scale), norm };
}
