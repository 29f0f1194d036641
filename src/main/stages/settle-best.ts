/**
 * One of several plans for the same budget. Which samples rank plans decides about as much of the result as the criterion
 * does: each plan is ranked on samples of its own, compensated, and judged on samples that none of them has seen.
 */
import { openModelFile } from '../storage/model-files.ts';
import type { Calibration } from './calibration.ts';
import type { StageContext } from './context.ts';
import { judgedByCurvature } from './decide.ts';
import { isWithin } from './fit.ts';
import { openDistance } from './sensitivity.ts';
import { batchesThatRank, compensateChosen, settle, type Settled, type SettleOptions } from './settle.ts';

export interface BestOptions extends Omit<SettleOptions, 'variant'> {
  /** Samples that plans are judged on; null: there is only one plan. */
  readonly judge: Calibration | null;
  /** More samples, which the chosen plan is compensated with, and what the result depends on; default: none. */
  readonly final?: {
    readonly calibration: () => Promise<Calibration>;
    readonly identity: Readonly<Record<string, unknown>>;
  } | null;
}

/** How many plans are worth making: others differ only where they are run on samples that differ. */
export function plansOf(o: BestOptions): number {
  const { recipe, calibration } = o;
  const run = recipe.allocation === 'measured' && !judgedByCurvature(recipe, o.prepared);
  if (!o.judge || !run || !calibration.real) return 1;
  return Math.max(1, Math.min(recipe.plans, Math.floor(calibration.batches.length / batchesThatRank(o))));
}

export async function settleBest(o: BestOptions, ctx: StageContext): Promise<Settled> {
  const best = await choose(o, ctx);
  if (!o.final || o.recipe.compensation === 'none') return best;
  const more = { ...o, calibration: await o.final.calibration(), identity: o.final.identity };
  const compensated = await compensateChosen(more, best, ctx);
  o.mark('compensate');
  return { ...best, compensated };
}

async function choose(o: BestOptions, ctx: StageContext): Promise<Settled> {
  const count = plansOf(o);
  if (count === 1) return settle(o, ctx);
  const distanceOf = await openDistance(ctx.executor, o.prepared.model, o.judge!, o.threads);
  const made = new Map<string, { settled: Settled; distance: number }>();
  for (let variant = 0; variant < count; variant++) {
    const settled = await settle({ ...o, variant }, partOf(ctx, variant, count));
    if (made.has(settled.planHash)) continue;
    const distance = await distanceOf(openModelFile(settled.compensated.path));
    made.set(settled.planHash, { settled, distance });
    ctx.log(`plan ${variant + 1} of ${count}: ${settled.ratio.toFixed(3)}x, distance ${distance.toPrecision(4)}`);
  }
  return bestOf([...made.values()], o.budgetRatio);
}

/** The nearest of those within the budget; where none is, the fastest. */
export function bestOf(
  made: readonly { readonly settled: Settled; readonly distance: number }[],
  budgetRatio: number,
): Settled {
  const within = made.filter((m) => isWithin(m.settled.ratio / budgetRatio));
  const best = within.length
    ? within.reduce((a, b) => (b.distance < a.distance ? b : a))
    : made.reduce((a, b) => (b.settled.ratio < a.settled.ratio ? b : a));
  return best.settled;
}

/** Making one of several plans as a part of making plans. */
function partOf(ctx: StageContext, i: number, count: number): StageContext {
  return {
    ...ctx,
    progress: ({ stage, message, done }) =>
      ctx.progress({
        stage: 'allocate',
        message: `plan ${i + 1} of ${count}: ${message}`,
        done: (i + (stage === 'allocate' ? ALLOCATION * done : ALLOCATION + (1 - ALLOCATION) * done)) / count,
      }),
  };
}

/** Share of the time of a plan that goes before its compensation. */
const ALLOCATION = 0.75;
