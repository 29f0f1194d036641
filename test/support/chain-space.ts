/**
 * Plans of a residual chain, for tests of search loops: the space, and models that represent plans.
 */
import type { Model } from '../../src/main/engine/ir/model.ts';
import type { Space, State } from '../../src/main/engine/allocation/state.ts';
import type { Prepared } from './prune.ts';
import { formulaLatency } from './residual-chain.ts';

/**
 * Inside blocks every count is offered, and no block can be dropped; the stem takes a third of the
 * others' time.
 */
export function chainSpace({ model, analysis, structures }: Prepared): Space {
  const inner = analysis.groups.filter((g) => g.id.startsWith('a'));
  const counts = new Map(inner.map((g) => [g.id, Array.from({ length: g.units }, (_, i) => i + 1)]));
  return {
    structures,
    order: new Map(),
    levels: counts,
    latency: formulaLatency(model, analysis.groups, counts, (n) => (n.name === 'stem' ? 1 : 3)),
  };
}

/**
 * Stand-in models for a loop that cuts and measures but never reads the model: each represents its
 * plan.
 */
export function standIns(model: Model): {
  readonly cut: (s: State) => Model;
  readonly planOf: (m: Model) => State;
} {
  const states = new Map<Model, State>();
  return {
    cut: (s) => {
      const m = { ...model } as Model;
      states.set(m, s);
      return m;
    },
    planOf: (m) => states.get(m)!,
  };
}
