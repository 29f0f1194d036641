/** The least-squares problem of each consumer of a group: its weights by input channel and the Gram of its input. */
import { choleskyInverse, matmulNT, ridgeFactor, submatrix, trace } from '../../linalg.ts';
import type { CriterionContext, ReadMoments } from '../contract.ts';
import { sinkLinks, statisticsFor, type SinkLink } from './sinks.ts';
import { axisRows } from './tensors.ts';

export interface LayerProblem {
  /** Number of input channels of this problem, or channels times kernel positions plus a column of ones. */
  readonly columns: number;
  /** X'X of the columns up to a factor, [columns x columns]; null where no full Gram was collected. */
  readonly gram: Float64Array | null;
  /** The diagonal of the Gram. */
  readonly meanSquare: Float64Array;
  /** [columns x width]: every weight that multiplies the column. */
  readonly weights: Float64Array;
  readonly width: number;
  /** Unit of each column; -1 for columns of other groups. */
  readonly unitOf: Int32Array;
  /** Output power, in the units of the Gram. */
  readonly energy: number;
  /** Damping added to the Gram, as a share of its mean diagonal. */
  readonly damping: number;
}

/**
 * Shares of the diagonal for Grams of channels and of all kernel positions. The latter have more columns and more
 * samples.
 */
const DAMPING = { channels: 0.01, positions: 0.001 };

/** One problem per consumer, one per group of a grouped convolution. */
export function layerProblems(ctx: CriterionContext): LayerProblem[] {
  return sinkLinks(ctx.group).flatMap((link) => {
    const moments = ctx.moments?.(link.node);
    return moments ? [positionsProblem(moments, link)] : problemsOf(ctx, link);
  });
}

/** All kernel positions of a channel are separate columns; the bias is refitted with the remaining weights. */
function positionsProblem({ gram, weights: given, channels }: ReadMoments, { activation }: SinkLink): LayerProblem {
  const columns = Math.sqrt(gram.length);
  const width = given.length / columns;
  const taps = (columns - 1) / channels;
  const unitOf = new Int32Array(columns).fill(-1);
  activation.indices.forEach((of, u) => {
    for (const c of of) unitOf.fill(u, c * taps, (c + 1) * taps);
  });
  const weights = new Float64Array(given.length);
  for (let r = 0; r < width; r++) for (let c = 0; c < columns; c++) weights[c * width + r] = given[r * columns + c]!;
  return {
    columns,
    gram,
    meanSquare: Float64Array.from({ length: columns }, (_, i) => gram[i * columns + i]!),
    weights,
    width,
    unitOf,
    energy: variance(gram, given, columns, width),
    damping: DAMPING.positions,
  };
}

/**
 * Summed squared deviation of the outputs from their means.
 * @param weights [width, columns], the column of ones last
 */
function variance(gram: Float64Array, weights: Float64Array, columns: number, width: number): number {
  const made = matmulNT(weights, gram, width, columns, columns);
  const count = gram.at(-1)!;
  let sum = 0;
  for (let r = 0; r < width; r++) {
    for (let c = 0; c < columns; c++) sum += made[r * columns + c]! * weights[r * columns + c]!;
    sum -= made[(r + 1) * columns - 1]! ** 2 / count;
  }
  return sum;
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
    // Rows of a grouped weight hold the outputs of all groups, one after another.
    const share = width / groups;
    const weights = new Float64Array(perGroup * share);
    for (let i = 0; i < perGroup; i++)
      weights.set(rows.subarray(i * width + g * share, i * width + (g + 1) * share), i * share);
    return {
      columns: perGroup,
      gram,
      meanSquare,
      weights,
      width: share,
      unitOf: Int32Array.from(channels, (i) => unitOf[i]!),
      energy: meanSquare.reduce((sum, q, i) => sum + q * squaredNorm(weights, i * share, share), 0),
      damping: DAMPING.channels,
    };
  });
}

export function squaredNorm(a: Float64Array, from: number, count: number): number {
  let s = 0;
  for (let k = from; k < from + count; k++) s += a[k]! * a[k]!;
  return s;
}

const inverses = new WeakMap<Float64Array, Float64Array>();
/** (G + damping mean(diag G) I)^-1, cached per Gram because the consumers of one activation share it. */
export function inverseHessian(gram: Float64Array, n: number, damping: number): Float64Array {
  let inverse = inverses.get(gram);
  if (!inverse) {
    const added = (damping * trace(gram, n)) / n || 1e-12;
    inverse = choleskyInverse(ridgeFactor(gram, n, added).factor, n);
    inverses.set(gram, inverse);
  }
  return inverse;
}
