/**
 * Optimiser steps as emitted nodes. Each works on one tensor of any shape: the training step packs all parameters into
 * one vector, so a step costs a dozen operators for any number of parameters.
 */
import type { Value } from '../ir/value.ts';
import type { GraphBuilder } from './builder.ts';
import { orthogonalized, type MatrixShape } from './muon.ts';

export interface AdamWOptions {
  readonly kind: 'adamw';
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled weight decay: each step subtracts lr * weightDecay * weight. */
  readonly weightDecay?: number;
}
export interface SgdOptions {
  readonly kind: 'sgd';
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Added to the gradient, as in PyTorch's SGD. */
  readonly weightDecay?: number;
}
/** Options of AdamW; `weightDecay` and `beta1` apply to matrices too. */
export interface MuonOptions extends Omit<AdamWOptions, 'kind'> {
  readonly kind: 'muon';
  /** Maximum multiplications added by orthogonalization, as a share of those of a step; default 0.15. */
  readonly share?: number;
}
/** A slice of the packed vector, with its shape where it is a matrix whose steps are orthogonalized. */
export interface Piece {
  readonly size: number;
  readonly matrix: MatrixShape | null;
}
export type OptimizerOptions = AdamWOptions | SgdOptions | MuonOptions;

export interface UpdateInputs {
  readonly param: Value;
  readonly grad: Value;
  /** `stateCount` values of the parameter's shape, initially zero. */
  readonly state: readonly Value[];
  /** Scalar. */
  readonly lr: Value;
  /** Scalar float32: 1 at the first step. */
  readonly step: Value;
  /** Multiplies the weight decay element-wise: 0 excludes elements (biases, norms). Omitted: decay everywhere. */
  readonly decayMask?: Value | null;
  /** Multiplies the learning rate element-wise. Omitted: one rate for all. */
  readonly rates?: Value | null;
  /** The slices of the vector, in order, for optimisers that need matrices. */
  readonly pieces?: readonly Piece[];
}
export interface Updated {
  readonly param: Value;
  readonly state: readonly Value[];
}

export const stateCount = (o: OptimizerOptions): number => (o.kind === 'sgd' ? ((o.momentum ?? 0.9) > 0 ? 1 : 0) : 2);

export const emitUpdate = (b: GraphBuilder, o: OptimizerOptions, i: UpdateInputs): Updated =>
  o.kind === 'adamw' ? emitAdamW(b, o, i) : o.kind === 'sgd' ? emitSgd(b, o, i) : emitMuon(b, o, i);

/** AdamW with bias correction (Loshchilov and Hutter 2019, arXiv:1711.05101), as torch.optim.AdamW computes it. */
function emitAdamW(b: GraphBuilder, o: AdamWOptions, i: UpdateInputs): Updated {
  const { direction, state } = adamDirection(b, o, i);
  return { param: b.sub(decayed(b, i, o.weightDecay ?? 0.01), b.mul(direction, rate(b, i))), state };
}

/** Adam's step for a rate of 1, and the updated means of gradients and of squared gradients. */
function adamDirection(
  b: GraphBuilder,
  o: Omit<AdamWOptions, 'kind'>,
  i: UpdateInputs,
): { direction: Value; state: [Value, Value] } {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = o;
  const m = b.add(b.mul(i.state[0]!, b.scalar(beta1)), b.mul(i.grad, b.scalar(1 - beta1)));
  const v = b.add(b.mul(i.state[1]!, b.scalar(beta2)), b.mul(b.mul(i.grad, i.grad), b.scalar(1 - beta2)));
  const correction = (beta: number): Value => b.sub(b.scalar(1), b.op('Pow', [b.scalar(beta), i.step]));
  const root = b.mul(b.sqrt(v), b.op('Reciprocal', [b.sqrt(correction(beta2))]));
  const mean = b.mul(m, b.op('Reciprocal', [correction(beta1)]));
  return { direction: b.div(mean, b.add(root, b.scalar(epsilon))), state: [m, v] };
}

/**
 * Root mean square of a matrix's step for a rate of 1: similar to that of Adam's steps (Liu et al. 2025,
 * arXiv:2502.16982).
 */
const STEP = 0.2;

/**
 * Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"): the Nesterov momentum of a
 * matrix is orthogonalized before it is used as a step, so that directions with small gradients are learned as fast as
 * the few with large ones. It needs fewer steps than AdamW. Parameters that are not matrices use AdamW.
 */
function emitMuon(b: GraphBuilder, o: MuonOptions, i: UpdateInputs): Updated {
  const { beta1 = 0.9, weightDecay = 0.01 } = o;
  const pieces = i.pieces ?? [];
  const { direction, state } = adamDirection(b, o, i);
  const ahead = b.add(b.mul(state[0], b.scalar(beta1)), b.mul(i.grad, b.scalar(1 - beta1)));
  const sizes = pieces.map((p) => p.size);
  const [vectors, momenta] = [direction, ahead].map((v) => (sizes.length > 1 ? b.split(v, sizes, 0) : [v]));
  const moves = pieces.map((p, k) => {
    if (!p.matrix) return vectors![k]!;
    const x = orthogonalized(b, b.reshape(momenta![k]!, p.matrix), p.matrix);
    // A matrix of r orthonormal rows and c columns has a root mean square of 1 / sqrt(c).
    return b.reshape(b.mul(x, b.scalar(STEP * Math.sqrt(Math.max(...p.matrix)))), [p.size]);
  });
  const move = moves.length > 1 ? b.concat(moves, 0) : moves[0]!;
  return { param: b.sub(decayed(b, i, weightDecay), b.mul(move, rate(b, i))), state };
}

/** SGD with momentum and Nesterov's variant, as torch.optim.SGD computes it (dampening 0). */
function emitSgd(b: GraphBuilder, o: SgdOptions, i: UpdateInputs): Updated {
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

/** Scales a gradient so that its L2 norm is at most `limit`. Also returns the original norm. */
export function emitClipByNorm(b: GraphBuilder, grad: Value, limit: number): { grad: Value; norm: Value } {
  const norm = b.sqrt(b.reduceSum(b.mul(grad, grad), [0], false));
  const scale = b.op('Min', [b.scalar(1), b.div(b.scalar(limit), b.add(norm, b.scalar(1e-6)))]);
  return { grad: b.mul(grad, scale), norm };
}
