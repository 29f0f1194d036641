/**
 * What a criterion is: a rule that scores every unit of a group; the lowest go first. One file per criterion in this
 * folder exports `criterion`; registry.ts finds it. Scores rank units inside one group: to rank across groups, normalise
 * first (raw norms of different layers are not comparable).
 */
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import type { ChannelStatistics } from '../statistics/statistics.ts';
import type { Group } from '../structures/axes/types.ts';

/** Group id to one score per unit; higher is more important. */
export type Scores = ReadonlyMap<string, Float64Array>;

/** What must be collected before scoring: 'gram' includes 'activations' (see `activationsOf` for which) and moments. */
export type Needs = 'none' | 'activations' | 'gram' | 'gradients';

/** Moments of what a consumer reads, at every kernel position. */
export interface ReadMoments {
  /** Second moments of the columns and a one, the one last, [columns + 1, columns + 1]; sums over the samples. */
  readonly gram: Float64Array;
  /** [rows, columns + 1], the bias last; the columns of one input channel stand together. */
  readonly weights: Float64Array;
  /** Input channels; each has columns / channels columns. */
  readonly channels: number;
}

/** Of a loss by one initializer, over the calibration batches; both in the initializer's layout. */
export interface WeightGradient {
  readonly mean: Float32Array | Float64Array;
  /** Mean of squared gradients: the diagonal of the empirical Fisher matrix. */
  readonly meanSquare: Float32Array | Float64Array;
}

export interface CriterionContext {
  readonly group: Group;
  /** For criteria that draw numbers. */
  readonly seed: number;
  /** Statistics of an activation along one axis; needed for criteria that say so. */
  statistics?(activation: Value, axis: number): ChannelStatistics | undefined;
  /** Of a consumer; undefined where only the channels of what it reads are known (`statistics`). */
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
