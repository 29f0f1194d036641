/**
 * What a criterion is: a rule that scores every unit of a group; the lowest go first. One file per criterion in this
 * folder exports `criterion`; registry.ts finds it. Scores rank units inside one group: to rank across groups, normalise
 * first (raw norms of different layers are not comparable).
 */
import type { Value } from '../../ir/value.ts';
import type { ChannelStatistics } from '../statistics.ts';
import type { Group } from '../types.ts';

/** What must be collected before scoring: 'gram' includes 'activations' (see `activationsOf` for which). */
export type Needs = 'none' | 'activations' | 'gram' | 'gradients';

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
