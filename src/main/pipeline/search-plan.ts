/**
 * From a space of plans to a compensated model: allocation in the closed loop, surgery,
 * compensation.
 */
import type { Plan } from '../../shared/model/types.ts';
import type { Candidate } from '../engine/allocation/fit-budget.ts';
import type { State } from '../engine/allocation/state.ts';
import { compensateStage, type Compensated } from './compensate/compensate-stage.ts';
import type { StageContext } from './context.ts';
import { planLeaf } from './leaves.ts';
import type { PairedBenchmark } from './measure/paired-benchmark.ts';
import { allocateStage } from './search/allocate.ts';
import type { CostInputs, SearchScope } from './search/plan-cost.ts';
import type { Keyed } from './stage.ts';

export interface SearchOptions extends CostInputs {
  readonly search: Keyed<SearchScope>;
  /** The benchmark whose sessions are closed when the search ends. */
  readonly beside: Pick<PairedBenchmark, 'close'>;
  readonly planOf: (s: State) => Plan;
  /** Plans that were too slow in the final measurement, with their measurements; default: none. */
  readonly missed?: readonly Candidate[];
  /** Rounds of the activation-aware fit. */
  readonly rounds: Keyed<number>;
  /** Marks the end of a part of the job, for its times. */
  readonly mark: (part: string) => void;
}

export interface FoundPlan {
  readonly plan: Plan;
  /** Key of the plan. */
  readonly planHash: string;
  readonly compensated: Keyed<Compensated>;
  readonly chosen: Candidate;
}

export async function searchPlan(o: SearchOptions, ctx: StageContext): Promise<FoundPlan> {
  const chosen = await allocateStage({ ...o, known: o.missed ?? [] }, ctx);
  // Frees the memory for compensation.
  await o.beside.close();
  o.mark('allocate');
  return buildPlan(o, chosen, ctx);
}

/** Returns the compensated model of a plan. */
export async function buildPlan(o: SearchOptions, chosen: Candidate, ctx: StageContext): Promise<FoundPlan> {
  const plan = planLeaf(o.planOf(chosen.state));
  const compensated = await compensateStage.run({ ...o, plan }, ctx);
  o.mark('compensate');
  return { plan: plan.value, planHash: plan.key, compensated, chosen };
}
