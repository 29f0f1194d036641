/**
 * The cost of a plan: the change of the outputs. Small models are cut and run for every plan, with the layers behind each
 * cut refitted. Large ones are judged in closed form, by curvature.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { ReferenceModel } from '../../engine/allocation/greedy.ts';
import { goneNodes, isGone, levelOf, planOf, type Space, type State } from '../../engine/allocation/state.ts';
import { collectLayers } from '../../engine/compensation/layers.ts';
import { hasClosedForm } from '../../engine/allocation/curvature.ts';
import { LocalFits } from '../../engine/compensation/local.ts';
import { compensate } from '../../engine/compensation/sequential.ts';
import type { Subject } from '../../engine/structures/contract.ts';
import { putBack } from '../../engine/structures/put-back.ts';
import { applyPlan, type Surgery } from '../../engine/structures/apply.ts';
import { difference } from '../../engine/quality/difference.ts';
import { FIT_SAMPLES } from './sample-limits.ts';
import type { PredictionBias } from './prediction-bias.ts';
import type { CompleteScores } from './scores.ts';
import { firstSamples, lastSamples, type Calibration } from '../prepare/calibration.ts';
import type { Figures, StageContext } from '../context.ts';
import { stateLeaf } from '../leaves.ts';
import { figures, input, type Given } from '../stage.ts';
import type { Compare } from '../measure/paired-benchmark.ts';
import { curvatureCosts, offeredLevels } from './curvature-costs.ts';
import { isSmall, judgedByCurvature } from './resolve-recipe.ts';
import { keyOf } from '../../engine/allocation/fit-budget.ts';
import { tidy, type Prepared } from '../prepare/prepare.ts';
import { openCutChange, openOutputChange, type OutputChange } from './sensitivity.ts';

/** Relative difference of the outputs above which a model in the original's shape is another function. */
const SAME = 1e-3;
/** Samples that a reference is compensated with, at least. None of them ranks plans. */
const LEAST_REBASING = 64;
/** References that stay open. The search rarely goes back by more than one. */
const MOST_OPEN = 2;
/** Rounds of the activation-aware fit of a reference. */
const ROUNDS = 2;

export interface PlanCost extends Pick<ReferenceModel, 'cost'> {
  /** Opens a reference that was cut and compensated; absent where plans are always compared with the original. */
  readonly rebase?: (s: State) => Promise<ReferenceModel | null>;
  /** The cost of a plan that is known already, or null. Nothing is run. */
  known(s: State): number | null;
  evaluations(): number;
  /** True once the costs of this search have taken the time that they may take. */
  readonly expired: () => boolean;
  close(): Promise<void>;
  /** True where a cost is a sum of known figures. */
  readonly free: boolean;
}

/** The inputs of a plan's cost, besides the plan. */
export const costInputs = {
  prepared: input<Prepared>(),
  calibration: input<Calibration>(),
  scored: input<CompleteScores>(),
  allocation: input<Recipe['allocation']>(),
  compensation: input<Recipe['compensation']>(),
  /** Samples that rank plans. */
  ranking: input<number>(),
  /** Samples that references are compensated with. */
  landing: input<number>(),
  /** Samples that curvature is taken from. */
  probes: input<number>(),
  threads: input<number>(),
};
export type CostInputs = Given<typeof costInputs>;

/** The space that a job searches, with its measurements and its instrument. */
export interface SearchScope {
  readonly space: Space;
  /** The widths that the recipe sets by hand. */
  readonly start: State;
  readonly cut: (s: State) => Surgery;
  readonly compare: Compare;
  /** Latency of the original, and the budget as a share of it. */
  readonly baselineMs: number;
  readonly budgetRatio: number;
  readonly bias: PredictionBias;
  /** Seconds that costs may take. */
  readonly costSeconds: number;
}

export interface CostScope extends Pick<SearchScope, 'space' | 'start' | 'cut' | 'costSeconds'> {
  /** Milliseconds of a clock; default: the machine's. */
  readonly now?: () => number;
  /** Called with the number of plans run so far, after each. */
  readonly onTried?: (plans: number) => void;
}

export type CostTools = Pick<StageContext, 'executor' | 'memo' | 'log' | 'progress'>;

export async function openCost(o: CostInputs, scope: CostScope, ctx: CostTools): Promise<PlanCost> {
  if (judgedByCurvature({ allocation: o.allocation.value }, o.prepared.value)) {
    try {
      const { structures, levels } = scope.space;
      const other = structures.find((s) => levels.has(s.id) && !hasClosedForm(s));
      if (other) throw new SecateurError('gradient-unsupported', { operator: other.id });
      return await openCurvature(o, scope, ctx);
    } catch (e) {
      if (!(e instanceof SecateurError && e.code === 'gradient-unsupported')) throw e;
      ctx.log(`no curvature, plans are run instead: ${e.message}`);
    }
  }
  return new MeasuredCost(o, scope, ctx);
}

/** Costs in closed form, from a backward pass over a few samples. The cost of a group at each count is kept. */
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
  version: 6,
  inputs: {
    prepared: costInputs.prepared,
    calibration: costInputs.calibration,
    scored: costInputs.scored,
    compensation: costInputs.compensation,
    ranking: costInputs.ranking,
    landing: costInputs.landing,
    threads: costInputs.threads,
    /** The plan that the reference was compensated at; null: the original. */
    rebased: input<State | null>(),
  },
});

/** Output change of plans, measured once per plan and reference, and kept. */
class MeasuredCost implements PlanCost {
  readonly free = false;
  readonly #given: CostInputs;
  readonly #prepared: Prepared;
  readonly #threads: number;
  readonly #scope: CostScope;
  readonly #ctx: CostTools;
  readonly #cutting: boolean;
  readonly #fitting: boolean;
  readonly #few: Calibration;
  /** Samples for refits. Where there are enough, none of them ranks plans: a fit looks better on its own samples. */
  readonly #refitSamples: Calibration;
  readonly #references = new Map<string, MeasuredReference>();
  /** The latest last. */
  #openReferences: MeasuredReference[] = [];
  #count = 0;
  #spentMs = 0;
  #canRebase: boolean;

  constructor(o: CostInputs, scope: CostScope, ctx: CostTools) {
    this.#given = o;
    this.#prepared = o.prepared.value;
    this.#threads = o.threads.value;
    this.#scope = scope;
    this.#ctx = ctx;
    const calibration = o.calibration.value;
    this.#cutting = isSmall(this.#prepared);
    this.#fitting = this.#cutting && o.compensation.value === 'least-squares' && calibration.real;
    this.#few = firstSamples(calibration, o.ranking.value);
    const left = (calibration.batches.length - this.#few.batches.length) * calibration.size;
    const behind = lastSamples(calibration, Math.min(o.landing.value, left));
    const enough = behind.batches.length * behind.size >= LEAST_REBASING;
    this.#refitSamples = enough ? behind : firstSamples(calibration, FIT_SAMPLES);
    this.#canRebase = this.#fitting && enough;
    this.#referenceFor(null);
  }

  readonly cost = (s: State): Promise<number> => this.#references.get(WHOLE_MODEL)!.cost(s);

  get rebase(): PlanCost['rebase'] {
    return this.#canRebase ? (s) => this.#rebase(s) : undefined;
  }

  known(s: State): number | null {
    // The last reference that knows the plan is the nearest.
    return [...this.#references.values()].reduce<number | null>((found, g) => g.known(s) ?? found, null);
  }

  evaluations(): number {
    return this.#count;
  }

  readonly expired = (): boolean => this.#spentMs >= 1000 * this.#scope.costSeconds;

  /** Runs what costs time, on the clock of the limit. */
  async #timed<T>(work: () => Promise<T>): Promise<T> {
    const { now = () => performance.now() } = this.#scope;
    const started = now();
    try {
      return await work();
    } finally {
      this.#spentMs += now() - started;
    }
  }

  async close(): Promise<void> {
    for (const g of this.#references.values()) await g.close();
  }

  /** @param rebased the plan that the reference is compensated at; null: the original */
  #referenceFor(rebased: State | null): MeasuredReference {
    const key = rebased ? keyOf(rebased) : WHOLE_MODEL;
    const found = this.#references.get(key);
    if (found) return found;
    const memo = outputChange.open({ ...this.#given, rebased: stateLeaf(rebased) }, this.#ctx);
    const reference: MeasuredReference = new MeasuredReference(rebased ?? this.#scope.start, memo, {
      open: async () => {
        await this.#makeRoom(reference);
        return this.#open(rebased);
      },
      space: this.#scope.space,
      timed: (work) => this.#timed(work),
      counted: () => {
        this.#count++;
        this.#scope.onTried?.(this.#count);
      },
    });
    this.#references.set(key, reference);
    return reference;
  }

  /** An open reference holds the moments of every layer, so only a few stay open. */
  async #makeRoom(next: MeasuredReference): Promise<void> {
    this.#openReferences = [...this.#openReferences.filter((g) => g !== next), next];
    while (this.#openReferences.length > MOST_OPEN) await this.#openReferences.shift()!.close();
  }

  /** Opens a reference, when the first plan without a known cost is asked for. */
  async #open(rebased: State | null): Promise<OutputChange | null> {
    const { space, cut } = this.#scope;
    const [prepared, threads] = [this.#prepared, this.#threads];
    const { executor } = this.#ctx;
    if (!this.#cutting) return openOutputChange(executor, prepared, this.#few, threads);
    if (!this.#fitting) return openCutChange(executor, prepared, (s) => tidied(cut(s).model), this.#few, threads);
    const { batches } = this.#refitSamples;
    const on = rebased ? await this.#compensated(rebased, batches) : prepared;
    if (!on) return null;
    const fits = new LocalFits(await collectLayers(executor, on, batches, threads));
    // The layers behind each cut are refitted, as they will be in the result.
    const fitted = (s: State): Model => {
      const surgery = applyPlan(on, planOf(space, s, {}));
      fits.apply(surgery);
      return tidied(surgery.model);
    };
    return openCutChange(executor, prepared, fitted, this.#few, threads);
  }

  async #rebase(rebased: State): Promise<ReferenceModel | null> {
    if (!this.#canRebase) return null;
    const before = await this.#nearest(rebased);
    const reference = this.#referenceFor(rebased);
    // Where the original's shape cannot be restored here, it cannot be restored with more cut away.
    this.#canRebase = await reference.holds();
    if (!this.#canRebase) return null;
    // With few samples, compensation may help only on the samples that it has seen.
    return (await reference.cost(rebased)) < before ? reference : null;
  }

  /** Cost of a plan on the reference that it was chosen on. */
  #nearest(s: State): Promise<number> {
    const known = this.known(s);
    return known === null ? this.cost(s) : Promise.resolve(known);
  }

  /** The model cut and compensated, in the original's shape; null where that computes another function. */
  async #compensated(s: State, batches: Calibration['batches']): Promise<Subject | null> {
    const [prepared, threads] = [this.#prepared, this.#threads];
    const { executor } = this.#ctx;
    const surgery = this.#scope.cut(s);
    await compensate(executor, prepared, surgery, batches, {
      threads,
      kind: 'least-squares',
      rounds: ROUNDS,
    });
    const back = putBack(prepared, surgery, planOf(this.#scope.space, s, {}));
    if (!back) return null;
    const [a, b] = [await this.#outputs(surgery.model, batches[0]!), await this.#outputs(back.model, batches[0]!)];
    const distance = difference(a, b);
    if (distance <= SAME) return back;
    this.#ctx.log(
      `further plans are compared with the original model: the compensated model differs by ${distance.toPrecision(2)}`,
    );
    return null;
  }

  async #outputs(model: Model, feeds: Calibration['batches'][number]) {
    const session = await this.#ctx.executor.open(model, { threads: this.#threads });
    try {
      return await session.run(feeds);
    } finally {
      await session.release();
    }
  }
}

const WHOLE_MODEL = 'whole';
const tidied = (m: Model): Model => {
  tidy(m);
  return m;
};

/** Name of the figure that tells whether a reference can judge. No plan has this name. */
const HOLDS = 'holds';

interface ReferenceOptions {
  /** Called at the first plan without a known cost; null where the reference cannot judge. */
  readonly open: () => Promise<OutputChange | null>;
  readonly space: Space;
  readonly timed: <T>(work: () => Promise<T>) => Promise<T>;
  readonly counted: () => void;
}

class MeasuredReference implements ReferenceModel {
  readonly floor: State;
  readonly #memo: Figures;
  readonly #how: ReferenceOptions;
  #change: OutputChange | null | undefined;

  constructor(floor: State, memo: Figures, how: ReferenceOptions) {
    this.floor = floor;
    this.#memo = memo;
    this.#how = how;
  }

  /** False where the reference cannot judge. It is found out once and kept. */
  async holds(): Promise<boolean> {
    const known = this.#memo.get(HOLDS);
    if (known !== undefined) return known === 1;
    const holds = (await this.#how.timed(() => this.#opened())) !== null;
    this.#memo.put(HOLDS, holds ? 1 : 0);
    return holds;
  }

  known(s: State): number | null {
    return numberOrNull(this.#memo.get(keyOf(s)));
  }

  readonly cost = async (s: State): Promise<number> => {
    const key = keyOf(s);
    let v = this.#memo.get(key);
    if (v === undefined) {
      const { space, timed } = this.#how;
      v = await timed(async () => (await this.#opened())!.cost(space, s));
      this.#memo.put(key, v);
    }
    this.#how.counted();
    return v;
  };

  async close(): Promise<void> {
    await this.#change?.close();
    this.#change = undefined;
  }

  async #opened(): Promise<OutputChange | null> {
    if (this.#change === undefined) this.#change = await this.#how.open();
    return this.#change;
  }
}
