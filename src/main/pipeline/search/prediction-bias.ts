/**
 * Measured over predicted time of a model's plans, cached so that other budgets begin with a better
 * prediction.
 */
import type { Recipe } from '../../../shared/model/job.ts';
import type { Budget } from '../../../shared/model/types.ts';
import type { StageContext } from '../context.ts';
import { conditionLeaves, type KeyedRecipe, type Machine } from '../leaves.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { figures, input, type Keyed } from '../stage.ts';

export interface PredictionBias {
  /** Measured over predicted time of a plan for the nearest budget; 1 when there is none. */
  readonly known: number;
  keep(measuredOverPredicted: number): void;
}

/** Budgets that differ by less than this share of the original's time share a figure. */
const ALIKE = 0.05;

const bias = figures({
  name: 'bias',
  version: 1,
  inputs: {
    prepared: input<Prepared>(),
    machine: input<Machine>(),
    threads: input<number>(),
    provider: input<string>(),
    batch: input<number>(),
    allocation: input<Recipe['allocation']>(),
    blocks: input<boolean>(),
    channels: input<boolean>(),
  },
});

/** @param o.budgetRatio budget over the original's latency */
export function predictionBias(
  o: {
    readonly prepared: Keyed<Prepared>;
    readonly budget: Budget;
    readonly recipe: Pick<KeyedRecipe, 'allocation' | 'blocks' | 'channels'>;
    readonly budgetRatio: number;
  },
  ctx: Pick<StageContext, 'memo'>,
): PredictionBias {
  const memo = bias.open({ prepared: o.prepared, ...conditionLeaves(o.budget), ...o.recipe }, ctx);
  const at = Math.round(o.budgetRatio / ALIKE);
  const nearest = Array.from({ length: Math.round(1 / ALIKE) }, (_, i) => i + 1)
    .sort((a, b) => Math.abs(a - at) - Math.abs(b - at))
    .map((i) => memo.get(String(i)))
    .find((b) => b !== undefined);
  return { known: nearest ?? 1, keep: (b) => memo.put(String(at), b) };
}
