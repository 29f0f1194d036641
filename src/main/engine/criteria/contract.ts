/**
 * The contract of a criterion: a rule that scores every unit of a group; the lowest are removed first. One file per
 * criterion in this folder exports `criterion`; registry.ts finds it. Scores rank units inside one group. To rank
 * across groups, normalise first (raw norms of different layers are not comparable).
 */
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import type { ChannelStatistics } from '../statistics/statistics.ts';
import type { Group } from '../structures/axes/types.ts';

/** Group id to one score per unit; higher is more important. */
export type Scores = ReadonlyMap<string, Float64Array>;

/** Data to collect before scoring: 'gram' includes 'activations' (`activationsOf` lists them) and moments. */
export type Needs = 'none' | 'activations' | 'gram' | 'gradients';

/** Moments of a consumer's input, at every kernel position. */
export interface ReadMoments {
  /**
   * Second moments of the columns plus a column of ones, which is last, [columns + 1, columns + 1]; sums over the
   * samples.
   */
  readonly gram: Float64Array;
  /** [rows, columns + 1], the bias last; the columns of one input channel are contiguous. */
  readonly weights: Float64Array;
  /** Input channels; each has columns / channels columns. */
  readonly channels: number;
}

/** Gradients of a loss by one initializer, over the calibration batches; both in the initializer's layout. */
export interface WeightGradient {
  readonly mean: Float32Array | Float64Array;
  /** Mean of squared gradients: the diagonal of the empirical Fisher matrix. */
  readonly meanSquare: Float32Array | Float64Array;
}

export interface CriterionContext {
  readonly group: Group;
  /** For criteria that draw random numbers. */
  readonly seed: number;
  /** Statistics of an activation along one axis; required by criteria that declare the need. */
  statistics?(activation: Value, axis: number): ChannelStatistics | undefined;
  /** Moments of a consumer's input; undefined where only the statistics of its channels are known (`statistics`). */
  moments?(consumer: Node): ReadMoments | undefined;
  /** Gradient by an initializer; undefined where the loss does not depend on it. */
  gradient?(initializer: Value): WeightGradient | undefined;
}

export interface Criterion {
  readonly name: string;
  /** One line for a list of choices. */
  readonly summary: string;
  readonly needs: Needs;
  /** One score per unit; higher is more important. */
  score(ctx: CriterionContext): Float64Array;
}
