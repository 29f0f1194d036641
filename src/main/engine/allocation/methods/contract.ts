/**
 * The contract of an allocation method: it decides how many units each structure loses so that the predicted latency
 * fits. One file per method in this folder exports `method`; registry.ts finds it.
 */
import type { Reference } from '../greedy.ts';
import type { Space, State } from '../state.ts';

/** Costs of plans: the change of the outputs. */
export interface Costs {
  readonly cost: (s: State) => Promise<number>;
  /** Returns a better reference for plans that remove at least as much, or null. Default: there is none. */
  readonly rebase?: (s: State) => Promise<Reference | null>;
  /** True where costs are sums of known figures, so that requesting one takes no time. */
  readonly free: boolean;
  /** True once the time for costs is used up: plans are then chosen by known costs. Default: never. */
  readonly expired?: () => boolean;
}

export interface AllocationContext {
  readonly space: Space;
  /** Choices fixed by hand; every plan includes at least these. */
  readonly start: State;
  /** Importance per unit and structure id; higher scores are kept. */
  readonly scores: ReadonlyMap<string, ArrayLike<number>>;
  /** Used by methods with a `cost`. */
  readonly costs: Costs;
  /** Called with the lowest predicted milliseconds that a search has reached. */
  readonly onProgress?: (predictedMs: number) => void;
}

/** One search in a space. Goals may come in any order; costs known from one are reused for the next. */
export interface Allocator {
  /** A plan predicted at most `ms`, or the fastest possible one. */
  reach(ms: number): Promise<State>;
  /** The same, with the time left below `ms` used up. */
  fill(ms: number): Promise<State>;
}

export interface AllocationMethod {
  readonly name: string;
  /** One line for a list of choices. */
  readonly summary: string;
  /**
   * Source of costs: 'run' cuts and runs plans where the model is small enough, 'curvature' takes one backward pass.
   * Null where scores alone decide.
   */
  readonly cost: 'run' | 'curvature' | null;
  open(ctx: AllocationContext): Allocator;
}
