/**
 * From a space of plans to the compensated model of one: allocation, surgery, compensation and a second measurement. A plan
 * is measured when it is chosen, and again after compensation, because one measurement depends on its moment. Where the
 * mean of both leaves the band under the budget, allocation goes on with that figure before recovery starts.
 */
import type { Plan } from '../../shared/model/types.ts';
import type { State } from '../engine/allocation/state.ts';
import { openModelFile } from '../storage/model-files.ts';
import { allocateStage } from './search/allocate.ts';
import type { CostInputs, SearchScope } from './search/plan-cost.ts';
import { firstSamples, rotateCalibration } from './prepare/calibration.ts';
import { compensateStage, type Compensated } from './compensate/compensate-stage.ts';
import type { StageContext } from './context.ts';
import { lookLeaf, numberLeaf, planLeaf } from './leaves.ts';
import { input, jsonFile, stage, type Keyed } from './stage.ts';
import { isSurprise, keyOf, type Candidate } from '../engine/allocation/fit-budget.ts';
import { CONFIRMING, SLOW_MS, type CompareOptions, type PairedBenchmark } from './measure/paired-benchmark.ts';

/** Second measurements that may send the plan back, at most. */
const RETURNS = 2;

export interface SearchOptions extends CostInputs {
  readonly search: Keyed<SearchScope>;
  /** Closes the sessions that `search` measures with. */
  readonly beside: Pick<PairedBenchmark, 'close'>;
  readonly planOf: (s: State) => Plan;
  /** The samples that rank plans: 0 for the first ones, n for the n-th part behind them. Default 0. */
  readonly variant?: number;
  /** Plans that were too slow in the final measurement, with what they measured; default: none. */
  readonly missed?: readonly Candidate[];
  /** Rounds of the activation-aware fit. */
  readonly rounds: Keyed<number>;
  /** Ends a part of the job, for its times. */
  readonly mark: (part: string) => void;
}

export interface FoundPlan {
  readonly plan: Plan;
  /** The key of the plan. */
  readonly planHash: string;
  readonly compensated: Keyed<Compensated>;
  /** Measured ratio to the original: the mean of its measurements. */
  readonly ratio: number;
  readonly chosen: Candidate;
}

export async function searchPlan(o: SearchOptions, ctx: StageContext): Promise<FoundPlan> {
  const { variant = 0, missed = [] } = o;
  const known: Candidate[] = [...missed];
  const { baselineMs, budgetRatio } = o.search.value;
  const by = numberLeaf(variant * rankingBatches(o));
  const calibration =
    variant > 0 ? await rotateCalibration.run({ calibration: o.calibration, by }, ctx) : o.calibration;
  for (;;) {
    const chosen = await allocateStage({ ...o, calibration, known }, ctx);
    // Compensation needs the memory.
    await o.beside.close();
    o.mark('allocate');
    const settled = await buildPlan(o, chosen, ctx);
    // Slow models repeat well, and measuring one takes long.
    const twice = known.some((c) => keyOf(c.state) === keyOf(chosen.state));
    if (twice || known.length - missed.length >= RETURNS || baselineMs > SLOW_MS) return settled;
    const again = await measureAgain(o, settled, { round: known.length, how: CONFIRMING }, ctx);
    o.mark('measure');
    const ratio = (chosen.ratio + again) / 2;
    ctx.log(`measured again: ${again.toFixed(3)}x, together ${ratio.toFixed(3)}x`);
    if (!isSurprise(chosen.ratio / budgetRatio, ratio / budgetRatio)) return { ...settled, ratio };
    known.push({ ...chosen, ratio });
  }
}

/** The compensated model of a plan. */
export async function buildPlan(o: SearchOptions, chosen: Candidate, ctx: StageContext): Promise<FoundPlan> {
  const plan = o.planOf(chosen.state);
  const compensated = await compensatePlan(o, plan, ctx);
  o.mark('compensate');
  return { plan, planHash: planLeaf(plan).key, compensated, ratio: chosen.ratio, chosen };
}

/** A plan, cut and compensated with the samples of `o`. */
export const compensatePlan = (o: SearchOptions, plan: Plan, ctx: StageContext): Promise<Keyed<Compensated>> =>
  compensateStage.run({ ...o, plan: planLeaf(plan) }, ctx);

/** Batches that hold the samples which rank plans. */
export const rankingBatches = (o: Pick<SearchOptions, 'calibration' | 'ranking'>): number =>
  firstSamples(o.calibration.value, o.ranking.value).batches.length;

interface Look {
  /** Tells apart measurements of the same length. */
  readonly round: number;
  readonly how: CompareOptions;
}

const secondLook = stage({
  name: 'second-look',
  version: 1,
  inputs: { compensated: input<Compensated>(), look: input<Look>(), search: input<Pick<SearchScope, 'compare'>>() },
  run: async ({ compensated, look, search }, ctx: Pick<StageContext, 'progress'>) => {
    ctx.progress({ stage: 'compensate', message: 'measuring the compensated model', done: 1 });
    return (await search.compare(openModelFile(compensated.path), look.how)).ratio;
  },
  codec: jsonFile<number>('ratio.json'),
});

/** Measured ratio to the original. It is kept, so that a resumed job takes the same decisions. */
export async function measureAgain(
  { search }: Pick<SearchOptions, 'search'>,
  { compensated }: Pick<FoundPlan, 'compensated'>,
  look: Look,
  ctx: StageContext,
): Promise<number> {
  return (await secondLook.run({ compensated, look: lookLeaf(look), search }, ctx)).value;
}
