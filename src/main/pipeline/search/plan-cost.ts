/**
 * The cost of a plan: the change of the outputs. Small models are cut and run for every plan, with
 * the layers after each cut refitted. Large ones are judged in closed form, by curvature.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import { goneNodes, isGone, levelOf, planOf, type Space, type State } from '../../engine/allocation/state.ts';
import { collectLayers } from '../../engine/compensation/layers.ts';
import { hasClosedForm } from '../../engine/allocation/curvature.ts';
import { LocalFits } from '../../engine/compensation/local.ts';
import { applyPlan, type Surgery } from '../../engine/structures/apply.ts';
import { FIT_SAMPLES } from './sample-limits.ts';
import type { PredictionBias } from './prediction-bias.ts';
import type { CompleteScores } from './scores.ts';
import { firstSamples, lastSamples, type Calibration } from '../prepare/calibration.ts';
import type { Figures, StageContext } from '../context.ts';
import { figures, input, type Given } from '../stage.ts';
import type { Compare } from '../measure/paired-benchmark.ts';
import { curvatureCosts, offeredLevels } from './curvature-costs.ts';
import { isSmall, judgedByCurvature } from './resolve-recipe.ts';
import { keyOf } from '../../engine/allocation/fit-budget.ts';
import { tidy, type Prepared } from '../prepare/prepare.ts';
import { openCutChange, openOutputChange, type OutputChange } from './sensitivity.ts';

/** Least number of samples for refits when none of them may rank plans. */
const LEAST_REFIT = 64;

export interface PlanCost {
  /** Change of the outputs by a plan. */
  readonly cost: (s: State) => Promise<number>;
  /** The known cost of a plan, or null. Nothing is run. */
  known(s: State): number | null;
  evaluations(): number;
  /** True once the costs of this search have used their time. */
  readonly expired: () => boolean;
  close(): Promise<void>;
  /** True when a cost is a sum of known figures. */
  readonly free: boolean;
}

/** The inputs of a plan's cost besides the plan. */
export const costInputs = {
  prepared: input<Prepared>(),
  calibration: input<Calibration>(),
  scored: input<CompleteScores>(),
  allocation: input<Recipe['allocation']>(),
  compensation: input<Recipe['compensation']>(),
  /** Number of samples that rank plans. */
  ranking: input<number>(),
  /** Number of samples for refits of candidate plans. */
  refit: input<number>(),
  /** Number of samples for curvature. */
  probes: input<number>(),
  threads: input<number>(),
};
export type CostInputs = Given<typeof costInputs>;

/** The search space of a job, with its measurements and its instrument. */
export interface SearchScope {
  readonly space: Space;
  /** Widths set by hand in the recipe. */
  readonly start: State;
  readonly cut: (s: State) => Surgery;
  readonly compare: Compare;
  /** Latency of the original, and the budget as a share of it. */
  readonly baselineMs: number;
  readonly budgetRatio: number;
  readonly bias: PredictionBias;
  /** Time limit for costs, in seconds. */
  readonly costSeconds: number;
}

export interface CostScope extends Pick<SearchScope, 'space' | 'start' | 'cut' | 'costSeconds'> {
  /** Clock in milliseconds; default: the machine's. */
  readonly now?: () => number;
  /** Called after each plan with the number of plans run so far. */
  readonly onTried?: (plans: number) => void;
}

export type CostTools = Pick<StageContext, 'executor' | 'memo' | 'log' | 'progress'>;

export async function openCost(o: CostInputs, scope: CostScope, ctx: CostTools): Promise<PlanCost> {
  if (judgedByCurvature({ allocation: o.allocation.value, allocationSeconds: scope.costSeconds }, o.prepared.value)) {
    try {
      const { structures, levels } = scope.space;
      const other = structures.find((s) => levels.has(s.id) && !hasClosedForm(s));
      if (other) {
        const reason = 'its cost does not follow from gradients';
        throw new SecateurError('gradient-unsupported', { operator: other.kind.name, node: other.id, reason });
      }
      return await openCurvature(o, scope, ctx);
    } catch (e) {
      if (!(e instanceof SecateurError && e.code === 'gradient-unsupported')) throw e;
      ctx.log(`no curvature, plans are run instead: ${e.message}`);
    }
  }
  return new MeasuredCost(o, scope, ctx);
}

/**
 * Costs in closed form, from a backward pass over a few samples. The cost of a group at each count
 * is cached.
 */
async function openCurvature(o: CostInputs, { space, start }: CostScope, ctx: CostTools): Promise<PlanCost> {
  const price = await curvatureCosts(
    o,
    {
      space,
      wanted: offeredLevels(space, start),
      onProgress: (done) => ctx.progress({ stage: 'allocate', message: 'measuring sensitivities', done: done / 2 }),
    },
    ctx,
  );
  const sum = (s: State): number => {
    const gone = goneNodes(space, s);
    let total = 0;
    for (const x of space.structures) {
      const level = levelOf(x, s);
      if (level === 0 || !isGone(x, gone)) total += price(x, level);
    }
    return total;
  };
  let count = 0;
  return {
    cost: (s) => {
      count++;
      return Promise.resolve(sum(s));
    },
    // Counts that no allocator offers have no cost.
    known: (s) => numberOrNull(sum(s)),
    evaluations: () => count,
    expired: () => false,
    close: () => Promise.resolve(),
    free: true,
  };
}

const numberOrNull = (x: number | undefined): number | null => (x === undefined || Number.isNaN(x) ? null : x);

const outputChange = figures({
  name: 'output-change',
  version: 7,
  inputs: {
    prepared: costInputs.prepared,
    calibration: costInputs.calibration,
    scored: costInputs.scored,
    compensation: costInputs.compensation,
    ranking: costInputs.ranking,
    refit: costInputs.refit,
    threads: costInputs.threads,
  },
});

/** Output change of plans, measured once per plan, and cached. */
class MeasuredCost implements PlanCost {
  readonly free = false;
  readonly #memo: Figures;
  readonly #scope: CostScope;
  readonly #open: () => Promise<OutputChange>;
  #change: OutputChange | null = null;
  #count = 0;
  #spentMs = 0;

  constructor(o: CostInputs, scope: CostScope, ctx: CostTools) {
    this.#memo = outputChange.open(o, ctx);
    this.#scope = scope;
    this.#open = () => openChange(o, scope, ctx);
  }

  readonly cost = async (s: State): Promise<number> => {
    const key = keyOf(s);
    let v = this.#memo.get(key);
    if (v === undefined) {
      v = await this.#timed(async () => (this.#change ??= await this.#open()).cost(this.#scope.space, s));
      this.#memo.put(key, v);
    }
    this.#count++;
    this.#scope.onTried?.(this.#count);
    return v;
  };

  known(s: State): number | null {
    return numberOrNull(this.#memo.get(keyOf(s)));
  }

  evaluations(): number {
    return this.#count;
  }

  readonly expired = (): boolean => this.#spentMs >= 1000 * this.#scope.costSeconds;

  async close(): Promise<void> {
    await this.#change?.close();
    this.#change = null;
  }

  /** Runs work on the clock of the time limit. */
  async #timed<T>(work: () => Promise<T>): Promise<T> {
    const { now = () => performance.now() } = this.#scope;
    const started = now();
    try {
      return await work();
    } finally {
      this.#spentMs += now() - started;
    }
  }
}

/** Opens the comparison at the first plan without a known cost. */
async function openChange(o: CostInputs, { space, cut }: CostScope, ctx: CostTools): Promise<OutputChange> {
  const [prepared, calibration, threads] = [o.prepared.value, o.calibration.value, o.threads.value];
  const { executor } = ctx;
  const few = firstSamples(calibration, o.ranking.value);
  if (!isSmall(prepared)) return openOutputChange(executor, prepared, few, threads);
  if (o.compensation.value !== 'least-squares' || !calibration.real)
    return openCutChange(executor, prepared, (s) => tidied(cut(s).model), few, threads);
  // When there are enough samples, samples for refits do not rank plans, because a fit looks better
  // on its own samples.
  const left = (calibration.batches.length - few.batches.length) * calibration.size;
  const behind = lastSamples(calibration, Math.min(o.refit.value, left));
  const enough = behind.batches.length * behind.size >= LEAST_REFIT;
  const { batches } = enough ? behind : firstSamples(calibration, FIT_SAMPLES);
  const fits = new LocalFits(await collectLayers(executor, prepared, batches, threads));
  // The layers after each cut are refitted, as in the result.
  const fitted = (s: State): Model => {
    const surgery = applyPlan(prepared, planOf(space, s, {}));
    fits.apply(surgery);
    return tidied(surgery.model);
  };
  return openCutChange(executor, prepared, fitted, few, threads);
}

const tidied = (m: Model): Model => {
  tidy(m);
  return m;
};
