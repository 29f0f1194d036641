/** The least-squares problem of each consumer of a group: its weights by input channel and the Gram of its input. */
import { choleskyInverse, ridgeFactor, submatrix, trace } from '../../../linalg.ts';
import type { CriterionContext } from '../contract.ts';
import { sinkLinks, statisticsFor, type SinkLink } from './sinks.ts';
import { axisRows } from './tensors.ts';

export interface LayerProblem {
  /** Input channels of this problem. */
  readonly channels: number;
  /** X'X / n of the channels, [channels x channels]; null where no full Gram was collected. */
  readonly gram: Float64Array | null;
  /** Its diagonal. */
  readonly meanSquare: Float64Array;
  /** [channels x width]: every weight that multiplies the channel. */
  readonly weights: Float64Array;
  readonly width: number;
  /** Unit of each channel, -1 for channels that belong to other groups. */
  readonly unitOf: Int32Array;
  /** sum_j E[x_j^2] |w_j|^2: the mean squared output of uncorrelated channels. */
  readonly energy: number;
}

/** One problem per consumer, one per group of a grouped convolution. */
export function layerProblems(ctx: CriterionContext): LayerProblem[] {
  return sinkLinks(ctx.group).flatMap((link) => problemsOf(ctx, link));
}

function problemsOf(ctx: CriterionContext, { weight, activation }: SinkLink): LayerProblem[] {
  const stats = statisticsFor(ctx, activation),
    total = stats.mean.length;
  const { rows, width } = axisRows(weight.tensor, weight.axis);
  const perGroup = rows.length / width,
    groups = total / perGroup;
  const unitOf = new Int32Array(total).fill(-1);
  activation.indices.forEach((of, u) => {
    for (const i of of) unitOf[i] = u;
  });
  return Array.from({ length: groups }, (_, g) => {
    const channels = Array.from({ length: perGroup }, (_, i) => g * perGroup + i);
    const gram = stats.gram && groups > 1 ? submatrix(stats.gram, total, channels, channels) : (stats.gram ?? null);
    const meanSquare = stats.meanSquare.subarray(g * perGroup, (g + 1) * perGroup);
    // Rows of a grouped weight hold the outputs of all groups, one after the other.
    const share = width / groups;
    const weights = new Float64Array(perGroup * share);
    for (let i = 0; i < perGroup; i++)
      weights.set(rows.subarray(i * width + g * share, i * width + (g + 1) * share), i * share);
    return {
      channels: perGroup,
      gram,
      meanSquare,
      weights,
      width: share,
      unitOf: Int32Array.from(channels, (i) => unitOf[i]!),
      energy: meanSquare.reduce((sum, q, i) => sum + q * squaredNorm(weights, i * share, share), 0),
    };
  });
}

export function squaredNorm(a: Float64Array, from: number, count: number): number {
  let s = 0;
  for (let k = from; k < from + count; k++) s += a[k]! * a[k]!;
  return s;
}

const inverses = new WeakMap<Float64Array, Float64Array>();
/** (G + 0.01 mean(diag G) I)^-1, kept per Gram: the consumers of one activation share it. */
export function inverseHessian(gram: Float64Array, channels: number): Float64Array {
  let inverse = inverses.get(gram);
  if (!inverse) {
    const damping = (0.01 * trace(gram, channels)) / channels || 1e-12;
    inverse = choleskyInverse(ridgeFactor(gram, channels, damping).factor, channels);
    inverses.set(gram, inverse);
  }
  return inverse;
}
