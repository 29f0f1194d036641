/**
 * Chooses one of several plans for the same budget. The samples that rank plans matter about as much as the criterion:
 * each plan is ranked on its own samples, compensated, and judged on samples that none of them has seen. The best plan is
 * measured at length, and widened where it leaves too much of the budget unused.
 */
import type { Model } from '../engine/ir/model.ts';
import { allocationMethod } from '../engine/allocation/methods/registry.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { Calibration } from './prepare/calibration.ts';
import type { StageContext } from './context.ts';
import { now, type Keyed, type Lazy } from './stage.ts';
import { judgedByCurvature } from './search/resolve-recipe.ts';
import { widenPlan, leavesRoom } from './search/widen-plan.ts';
import { isWithin, keyOf } from '../engine/allocation/fit-budget.ts';
import { openDistance } from './search/sensitivity.ts';
import { AT_LENGTH, SLOW_MS } from './measure/paired-benchmark.ts';
import {
  rankingBatches,
  buildPlan,
  compensatePlan,
  measureAgain,
  searchPlan,
  type FoundPlan,
  type SearchOptions,
} from './search-plan.ts';

export interface ChooseOptions extends Omit<SearchOptions, 'variant'> {
  /** Plans that the recipe asks for. */
  readonly plans: number;
  /** Samples that plans are judged on; null: there is only one plan. */
  readonly judge: Calibration | null;
  /** More samples, which the chosen plan is compensated with; default: none. */
  readonly final?: Keyed<Lazy<Calibration>> | null;
}

/** The number of plans to make. Plans differ only where they are run, on samples that differ. @internal */
export function planCount(o: ChooseOptions): number {
  const [allocation, calibration] = [o.allocation.value, o.calibration.value];
  const run = allocationMethod(allocation).cost === 'run' && !judgedByCurvature({ allocation }, o.prepared.value);
  if (!o.judge || !run || !calibration.real) return 1;
  return Math.max(1, Math.min(o.plans, Math.floor(calibration.batches.length / rankingBatches(o))));
}

export async function choosePlan(o: ChooseOptions, ctx: StageContext): Promise<FoundPlan> {
  const count = planCount(o);
  const best = count === 1 ? await searchPlan(o, ctx) : await nearest(o, count, ctx);
  if (!o.final || o.compensation.value === 'none') return best;
  const compensated = await compensatePlan({ ...o, calibration: await now(o.final) }, best.plan, ctx);
  o.mark('compensate');
  return { ...best, compensated };
}

async function nearest(o: ChooseOptions, count: number, ctx: StageContext): Promise<FoundPlan> {
  const distanceOf = await openDistance(ctx.executor, o.prepared.value, o.judge!, o.threads.value);
  const { baselineMs, budgetRatio } = o.search.value;
  const made = new Map<string, Made>();
  for (let variant = 0; variant < count; variant++) {
    const settled = await searchPlan({ ...o, variant }, partOf(ctx, variant, count));
    if (made.has(settled.planHash)) continue;
    const distance = await distanceOf(openModelFile(settled.compensated.value.path));
    made.set(settled.planHash, { settled, distance, variant });
    ctx.log(`plan ${variant + 1} of ${count}: ${settled.ratio.toFixed(3)}x, distance ${distance.toPrecision(4)}`);
  }
  if (baselineMs > SLOW_MS) return nearestPlan([...made.values()], budgetRatio).settled;
  return lookedAtLength(o, [...made.values()], distanceOf, ctx);
}

/**
 * The nearest plan that is within the budget when it is measured at length. A plan that is too slow is replaced by a
 * narrower one ranked on the same samples, which is about as near, or by another plan that is fast enough.
 */
async function lookedAtLength(
  o: ChooseOptions,
  plans: readonly Made[],
  distanceOf: Distance,
  ctx: StageContext,
): Promise<FoundPlan> {
  const { budgetRatio } = o.search.value;
  const missed = [...(o.missed ?? [])];
  let made = plans;
  // A measurement at length over a short one. The other plans are expected to differ by the same factor.
  let slower = 1;
  for (let looks = 0; looks < LOOKS; looks++) {
    const best = nearestPlan(made, budgetRatio / slower);
    const ratio = await measureAgain(o, best.settled, { round: 0, how: AT_LENGTH }, ctx);
    o.mark('measure');
    ctx.log(`measured at length: ${ratio.toFixed(3)}x`);
    const share = ratio / budgetRatio;
    const looked = { ...best, settled: { ...best.settled, ratio } };
    if (leavesRoom(share)) return fuller({ ...o, missed }, looked, distanceOf, ctx);
    if (isWithin(share)) return looked.settled;
    slower = Math.max(1, ratio / best.settled.ratio);
    missed.push({ ...best.settled.chosen, ratio });
    const settled = await searchPlan({ ...o, variant: best.variant, missed }, ctx);
    const distance = await distanceOf(openModelFile(settled.compensated.value.path));
    ctx.log(`a narrower plan: ${settled.ratio.toFixed(3)}x, distance ${distance.toPrecision(4)}`);
    const others = made.filter((m) => m !== best && m.settled.planHash !== settled.planHash);
    made = [...others, { settled, distance, variant: best.variant }];
  }
  return nearestPlan(made, budgetRatio / slower).settled;
}

/** A wider plan that is nearer to the original, or the same. */
async function fuller(o: ChooseOptions, now: Made, distanceOf: Distance, ctx: StageContext): Promise<FoundPlan> {
  const { missed = [] } = o;
  const { chosen, ratio } = now.settled;
  const filled = await widenPlan({ ...chosen, ratio }, { ...o, known: missed }, ctx);
  await o.beside.close();
  o.mark('allocate');
  if (keyOf(filled.state) === keyOf(chosen.state)) return now.settled;
  const wider = await buildPlan(o, filled, ctx);
  const distance = await distanceOf(openModelFile(wider.compensated.value.path));
  ctx.log(`a wider plan: ${wider.ratio.toFixed(3)}x, distance ${distance.toPrecision(4)}`);
  // A wider plan is usually nearer, but not always.
  return distance < now.distance ? wider : now.settled;
}

/** Plans that are measured at length, at most. */
const LOOKS = 2;

type Distance = (m: Model) => Promise<number>;

interface Made {
  /** The samples that ranked it. */
  readonly variant: number;
  readonly settled: FoundPlan;
  readonly distance: number;
}

/** The nearest plan within the budget, or the fastest where none is within it. @internal */
export function nearestPlan(made: readonly Made[], budgetRatio: number): Made {
  const within = made.filter((m) => isWithin(m.settled.ratio / budgetRatio));
  return within.length
    ? within.reduce((a, b) => (b.distance < a.distance ? b : a))
    : made.reduce((a, b) => (b.settled.ratio < a.settled.ratio ? b : a));
}

/** Reports the progress of one plan as a part of all plans. */
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

/** Share of a plan's time that passes before its compensation. */
const ALLOCATION = 0.75;
