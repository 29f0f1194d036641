/**
 * What an allocation method is: how much of each structure goes, so that the predicted latency fits. One file per method in this
 * folder exports `method`; registry.ts finds it.
 */
import type { Space, State } from '../state.ts';

/** What plans cost: the change of the outputs. */
export interface Costs {
  readonly cost: (s: State) => Promise<number>;
  /** True where a cost is a sum of known figures, so that asking takes no time. */
  readonly free: boolean;
  /** True once the time for costs is used up: a plan is then chosen by what is known. Default: never. */
  readonly expired?: () => boolean;
}

export interface AllocationContext {
  readonly space: Space;
  /** What is fixed by hand; every plan removes at least that. */
  readonly start: State;
  /** Importance per unit and structure id, higher stays. */
  readonly scores: ReadonlyMap<string, ArrayLike<number>>;
  /** Asked by methods that name a `cost`. */
  readonly costs: Costs;
  /** Told the predicted milliseconds that a search has come down to. */
  readonly onProgress?: (predictedMs: number) => void;
}

/** One search in a space. Goals may be asked for in any order; what was learned for one serves the next. */
export interface Allocator {
  /** A plan predicted at most `ms`, or the fastest that there is. */
  reach(ms: number): Promise<State>;
  /** Likewise, with the time that is left below `ms` used up. */
  fill(ms: number): Promise<State>;
}

export interface AllocationMethod {
  readonly name: string;
  /** One line for a list of choices. */
  readonly summary: string;
  /**
   * Where costs come from: 'run' cuts and runs plans where the model is small enough, 'curvature' takes one backward pass.
   * Null where the scores alone decide.
   */
  readonly cost: 'run' | 'curvature' | null;
  open(ctx: AllocationContext): Allocator;
}
