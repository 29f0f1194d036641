/** By how much plans for a model were off their predictions, kept for its other budgets: their first goals are nearer. */
import type { Recipe } from '../../../shared/model/job.ts';
import type { Budget } from '../../../shared/model/types.ts';
import { localDevice } from '../../runtime/device.ts';
import type { StageContext } from '../context.ts';

export interface PredictionBias {
  /** Measured over predicted time of an earlier plan, for the budget nearest to this one; 1 where there was none. */
  readonly known: number;
  keep(measuredOverPredicted: number): void;
}

/** Budgets that differ by less share a figure: shares of the original's time. */
const ALIKE = 0.05;

/** @param budgetRatio budget over the original's latency */
export function predictionBias(
  o: { readonly sha256: string; readonly budget: Budget; readonly recipe: Recipe; readonly budgetRatio: number },
  ctx: Pick<StageContext, 'memo'>,
): PredictionBias {
  const { threads, provider, batch } = o.budget;
  const { allocation, blocks, channels } = o.recipe;
  const { processor, runtime } = localDevice();
  const kind = { allocation, blocks, channels };
  const memo = ctx.memo('bias', { model: o.sha256, threads, provider, batch, processor, runtime, ...kind });
  const at = Math.round(o.budgetRatio / ALIKE);
  const nearest = Array.from({ length: Math.round(1 / ALIKE) }, (_, i) => i + 1)
    .sort((a, b) => Math.abs(a - at) - Math.abs(b - at))
    .map((i) => memo.get(String(i)))
    .find((b) => b !== undefined);
  return { known: nearest ?? 1, keep: (b) => memo.put(String(at), b) };
}
