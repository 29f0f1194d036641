/**
 * The cost of a plan: the change of the outputs. Small models are cut and run for every plan, with
 * the layers after each cut refitted. Large ones are judged in closed form, by curvature.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Reference } from '../../engine/allocation/greedy.ts';
import { goneNodes, isGone, levelOf, planOf, type Space, type State } from '../../engine/allocation/state.ts';
import { collectLayers } from '../../engine/compensation/layers.ts';
import { hasClosedForm } from '../../engine/allocation/curvature.ts';
import { LocalFits } from '../../engine/compensation/local.ts';
import { applyPlan, type Surgery } from '../../engine/structures/apply.ts';
import type { Subject } from '../../engine/structures/contract.ts';
import { FIT_SAMPLES } from './sample-limits.ts';
import type { PredictionBias } from './prediction-bias.ts';
import type { CompleteScores } from './scores.ts';
import { firstSamples, lastSamples, type Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import { stateLeaf } from '../leaves.ts';
import { figures, input, type Given } from '../stage.ts';
import type { Compare } from '../measure/paired-benchmark.ts';
import { curvatureCosts, offeredLevels } from './curvature-costs.ts';
import { isSmall, judgedByCurvature } from './resolve-recipe.ts';
import { keyOf } from '../../engine/allocation/fit-budget.ts';
import { tidy, type Prepared } from '../prepare/prepare.ts';
import { compensatedSubject, MeasuredReference } from './reference.ts';
import { openCutChange, openOutputChange, type OutputChange } from './sensitivity.ts';

/** Least number of samples for refits when none of them may rank plans. */
const LEAST_REFIT = 64;

export interface PlanCost {
  /** Change of the outputs by a plan. */
  readonly cost: (s: State) => Promise<number>;
  /**
   * Returns a reference compensated at the plan, or null where it would be no better or would not fit in the time
   * limit. Absent where all plans are made from the original.
   */
  readonly rebase?: (s: State) => Promise<Reference | null>;
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
  /** Plans that are measured at most, each shortly, where a plan near the goal is enough; default: the closed loop. */
  readonly looks?: number;
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
  version: 8,
  inputs: {
    prepared: costInputs.prepared,
    calibration: costInputs.calibration,
    scored: costInputs.scored,
    compensation: costInputs.compensation,
    ranking: costInputs.ranking,
    refit: costInputs.refit,
    threads: costInputs.threads,
    /** The plan at which the reference was compensated; null: the original. */
    reference: input<State | null>(),
  },
});

/** Open references hold the moments of every layer, so only the latest stay open. */
const MOST_OPEN = 2;

/** Output change of plans, measured once per plan and reference, and cached. */
class MeasuredCost implements PlanCost {
  readonly free = false;
  readonly #given: CostInputs;
  readonly #scope: CostScope;
  readonly #ctx: CostTools;
  readonly #tools: CutTools;
  readonly #references = new Map<string, MeasuredReference>();
  readonly #original: MeasuredReference;
  #open: MeasuredReference[] = [];
  #count = 0;
  #spentMs = 0;
  /** `#spentMs` when the present reference was requested. */
  #rebasedAt = 0;
  #canRebase: boolean;

  constructor(o: CostInputs, scope: CostScope, ctx: CostTools) {
    this.#given = o;
    this.#scope = scope;
    this.#ctx = ctx;
    this.#tools = cutTools(o);
    this.#canRebase = this.#tools.refit !== null && this.#tools.refit.apart;
    this.#original = this.#referenceAt(null);
  }

  readonly cost = (s: State): Promise<number> => this.#original.cost(s);

  get rebase(): PlanCost['rebase'] {
    return this.#canRebase ? (s) => this.#rebase(s) : undefined;
  }

  /** The latest reference that judged the plan is the nearest to it. */
  known(s: State): number | null {
    return numberOrNull(
      [...this.#references.values()]
        .reverse()
        .find((r) => r.known(s) !== undefined)
        ?.known(s),
    );
  }

  evaluations(): number {
    return this.#count;
  }

  readonly expired = (): boolean => this.#spentMs >= this.#limitMs;

  async close(): Promise<void> {
    for (const r of this.#open) await r.close();
    this.#open = [];
  }

  get #limitMs(): number {
    return 1000 * this.#scope.costSeconds;
  }

  async #rebase(from: State): Promise<Reference | null> {
    // All costs are measured anew, which takes about as long as since the last time.
    const stretch = this.#spentMs - this.#rebasedAt;
    if (!this.#canRebase || this.#spentMs + stretch > this.#limitMs) return null;
    this.#rebasedAt = this.#spentMs;
    const before = this.known(from) ?? (await this.cost(from));
    const reference = this.#referenceAt(from);
    // Where a model cannot be made, it cannot be made with more removed.
    this.#canRebase = await reference.opens();
    if (!this.#canRebase) return null;
    // With few samples, compensation may help only on its own samples.
    return (await reference.cost(from)) < before ? reference : null;
  }

  #referenceAt(from: State | null): MeasuredReference {
    const key = from ? keyOf(from) : 'original';
    const found = this.#references.get(key);
    if (found) return found;
    const memo = outputChange.open({ ...this.#given, reference: stateLeaf(from) }, this.#ctx);
    const reference: MeasuredReference = new MeasuredReference(from ?? this.#scope.start, memo, {
      space: this.#scope.space,
      open: async () => {
        await this.#makeRoom(reference);
        return openChange(this.#tools, { from, scope: this.#scope, ctx: this.#ctx });
      },
      timed: (work) => this.#timed(work),
      onTried: () => {
        this.#count++;
        this.#scope.onTried?.(this.#count);
      },
    });
    this.#references.set(key, reference);
    return reference;
  }

  async #makeRoom(next: MeasuredReference): Promise<void> {
    this.#open = [...this.#open.filter((r) => r !== next), next];
    while (this.#open.length > MOST_OPEN) await this.#open.shift()!.close();
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

/** How plans are cut and judged, by the size of the model and the samples. */
interface CutTools {
  readonly prepared: Prepared;
  readonly threads: number;
  /** Samples that judge plans. */
  readonly few: Calibration;
  /** True where plans are cut; otherwise they run through gates. */
  readonly cutting: boolean;
  /** Samples for refits, and whether none of them judges plans; null without refits. */
  readonly refit: { readonly batches: Calibration['batches']; readonly apart: boolean } | null;
}

function cutTools(o: CostInputs): CutTools {
  const [prepared, calibration, threads] = [o.prepared.value, o.calibration.value, o.threads.value];
  const few = firstSamples(calibration, o.ranking.value);
  const cutting = isSmall(prepared);
  const base = { prepared, threads, few, cutting };
  if (!cutting || o.compensation.value !== 'least-squares' || !calibration.real) return { ...base, refit: null };
  // When there are enough samples, samples for refits do not rank plans, because a fit looks better
  // on its own samples.
  const left = (calibration.batches.length - few.batches.length) * calibration.size;
  const behind = lastSamples(calibration, Math.min(o.refit.value, left));
  const apart = behind.batches.length * behind.size >= LEAST_REFIT;
  const { batches } = apart ? behind : firstSamples(calibration, FIT_SAMPLES);
  return { ...base, refit: { batches, apart } };
}

interface Opening {
  /** The plan at which the reference is compensated; null: the original. */
  readonly from: State | null;
  readonly scope: CostScope;
  readonly ctx: CostTools;
}

/** Opens the comparison at the first plan without a known cost; null where the reference cannot be made. */
async function openChange(
  { prepared, threads, few, cutting, refit }: CutTools,
  { from, scope: { space, cut }, ctx }: Opening,
): Promise<OutputChange | null> {
  const { executor } = ctx;
  if (!cutting) return openOutputChange(executor, prepared, few, threads);
  if (!refit) return openCutChange(executor, prepared, (s) => tidied(cut(s).model), few, threads);
  const { batches } = refit;
  let subject: Subject = prepared;
  if (from) {
    const plan = planOf(space, from, {});
    const given = { executor, whole: prepared, surgery: cut(from), plan, batches, threads };
    const made = await compensatedSubject(given);
    if (typeof made === 'string') {
      ctx.log(`further plans are made from the original, not from a compensated model: ${made}`);
      return null;
    }
    subject = made;
  }
  const fits = new LocalFits(await collectLayers(executor, subject, batches, threads));
  // The layers after each cut are refitted, as in the result.
  const fitted = (s: State): Model => {
    const surgery = applyPlan(subject, planOf(space, s, {}));
    fits.apply(surgery);
    return tidied(surgery.model);
  };
  return openCutChange(executor, prepared, fitted, few, threads);
}

const tidied = (m: Model): Model => {
  tidy(m);
  return m;
};
