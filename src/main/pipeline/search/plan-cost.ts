/**
 * What a plan costs: the change of the outputs. Small models are cut and run for every plan, with the layers behind each
 * cut refitted; large ones are judged in closed form, by curvature.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { ReferenceModel } from '../../engine/allocation/greedy.ts';
import { goneNodes, isGroupGone, planOf, type Space, type State } from '../../engine/allocation/state.ts';
import { collectLayers } from '../../engine/compensation/layers.ts';
import { LocalFits } from '../../engine/compensation/local.ts';
import { compensate } from '../../engine/compensation/sequential.ts';
import { putBack } from '../../engine/pruning/put-back.ts';
import { applyPlan, type Surgery } from '../../engine/pruning/surgery.ts';
import { difference } from '../../engine/quality/difference.ts';
import { FIT_SAMPLES } from './sample-limits.ts';
import type { PredictionBias } from './prediction-bias.ts';
import type { CompleteScores } from './scores.ts';
import { firstSamples, lastSamples, type Calibration } from '../prepare/calibration.ts';
import type { Figures, StageContext } from '../context.ts';
import { stateLeaf } from '../leaves.ts';
import { figures, input, type Given } from '../stage.ts';
import type { Compare } from '../measure/paired-benchmark.ts';
import { curvatureCosts, offeredCounts } from './curvature-costs.ts';
import { isSmall, judgedByCurvature } from './resolve-recipe.ts';
import { keyOf } from '../../engine/allocation/fit-budget.ts';
import { tidy, type Prepared } from '../prepare/prepare.ts';
import { openCutChange, openOutputChange, type OutputChange } from './sensitivity.ts';

/** A model put back into the original's shape that differs by more, relative to its outputs, is not the same function. */
const SAME = 1e-3;
/** Samples that the model is compensated with on the way, at least; and none that plans are ranked on. */
const LEAST_LANDING = 64;
/** Grounds that stay open: the search goes back by one at most, as a rule. */
const MOST_OPEN = 2;
/** Rounds of the activation-aware fit behind a landing. */
const ROUNDS = 2;

export interface PlanCost extends Pick<ReferenceModel, 'cost'> {
  /** Where plans can be judged on a model that was compensated on the way. */
  readonly rebase?: (s: State) => Promise<ReferenceModel | null>;
  /** Without running anything: null for a plan that has no cost yet. */
  known(s: State): number | null;
  evaluations(): number;
  close(): Promise<void>;
  /** True where costs are a sum of known figures. */
  readonly free: boolean;
}

/** What the cost of a plan depends on, beside the plan. */
export const costInputs = {
  prepared: input<Prepared>(),
  calibration: input<Calibration>(),
  scored: input<CompleteScores>(),
  allocation: input<Recipe['allocation']>(),
  compensation: input<Recipe['compensation']>(),
  /** Samples that rank plans. */
  ranking: input<number>(),
  /** Samples that the model is compensated with on the way. */
  landing: input<number>(),
  /** Samples that curvature is taken from. */
  probes: input<number>(),
  threads: input<number>(),
};
export type CostInputs = Given<typeof costInputs>;

/** What a job searches with: it holds what this job has measured and measures with. */
export interface SearchScope {
  readonly space: Space;
  /** What the recipe fixes by hand. */
  readonly start: State;
  readonly cut: (s: State) => Surgery;
  readonly compare: Compare;
  /** Of the original, and the budget as a share of it. */
  readonly baselineMs: number;
  readonly budgetRatio: number;
  readonly bias: PredictionBias;
}

export interface CostScope extends Pick<SearchScope, 'space' | 'start' | 'cut'> {
  /** Told how many plans were run so far, each time one was. */
  readonly onTried?: (plans: number) => void;
}

export type CostTools = Pick<StageContext, 'executor' | 'memo' | 'log' | 'progress'>;

export async function openCost(o: CostInputs, scope: CostScope, ctx: CostTools): Promise<PlanCost> {
  if (judgedByCurvature({ allocation: o.allocation.value }, o.prepared.value)) {
    try {
      return await openCurvature(o, scope, ctx);
    } catch (e) {
      if (!(e instanceof SecateurError && e.code === 'gradient-unsupported')) throw e;
      ctx.log(`no curvature, plans are run instead: ${e.message}`);
    }
  }
  return new MeasuredCost(o, scope, ctx);
}

/** Closed form, from a backward pass over a few samples; what a group costs at each count is kept across runs. */
async function openCurvature(o: CostInputs, { space, start }: CostScope, ctx: CostTools): Promise<PlanCost> {
  const price = await curvatureCosts(
    o,
    {
      space,
      wanted: offeredCounts(space, start),
      onProgress: (done) => ctx.progress({ stage: 'allocate', message: 'measuring sensitivities', done: done / 2 }),
    },
    ctx,
  );
  const sum = (s: State): number => {
    const gone = goneNodes(space, s.dropped);
    let total = 0;
    for (const id of s.dropped) total += price.block(id);
    for (const g of space.groups) if (!isGroupGone(g, gone)) total += price.group(g, s.keep.get(g.id) ?? g.units);
    return total;
  };
  let count = 0;
  return {
    cost: (s) => {
      count++;
      return Promise.resolve(sum(s));
    },
    // Counts that no allocator offers have no price.
    known: (s) => numberOrNull(sum(s)),
    evaluations: () => count,
    close: () => Promise.resolve(),
    free: true,
  };
}

const numberOrNull = (x: number | undefined): number | null => (x === undefined || Number.isNaN(x) ? null : x);

const outputChange = figures({
  name: 'output-change',
  version: 5,
  inputs: {
    prepared: costInputs.prepared,
    calibration: costInputs.calibration,
    scored: costInputs.scored,
    compensation: costInputs.compensation,
    ranking: costInputs.ranking,
    landing: costInputs.landing,
    threads: costInputs.threads,
    /** The plan that the model was compensated at; null: none. */
    landed: input<State | null>(),
  },
});

/** Output change of plans, measured once per plan and ground and kept across runs. */
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
  /** What refits are made from: where there are enough, none that plans are judged on, or they would look too good. */
  readonly #refitSamples: Calibration;
  readonly #grounds = new Map<string, MeasuredGround>();
  /** The latest last. */
  #openGrounds: MeasuredGround[] = [];
  #count = 0;
  #landable: boolean;

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
    const enough = behind.batches.length * behind.size >= LEAST_LANDING;
    this.#refitSamples = enough ? behind : firstSamples(calibration, FIT_SAMPLES);
    this.#landable = this.#fitting && enough;
    this.#ground(null);
  }

  readonly cost = (s: State): Promise<number> => this.#grounds.get(WHOLE_MODEL)!.cost(s);

  get rebase(): PlanCost['rebase'] {
    return this.#landable ? (s) => this.#land(s) : undefined;
  }

  known(s: State): number | null {
    // The last ground that knows it was the nearest.
    return [...this.#grounds.values()].reduce<number | null>((found, g) => g.known(s) ?? found, null);
  }

  evaluations(): number {
    return this.#count;
  }

  async close(): Promise<void> {
    for (const g of this.#grounds.values()) await g.close();
  }

  /** @param landed what was compensated, null for the model as it was given */
  #ground(landed: State | null): MeasuredGround {
    const key = landed ? keyOf(landed) : WHOLE_MODEL;
    const found = this.#grounds.get(key);
    if (found) return found;
    const memo = outputChange.open({ ...this.#given, landed: stateLeaf(landed) }, this.#ctx);
    const ground: MeasuredGround = new MeasuredGround(landed ?? this.#scope.start, memo, {
      open: async () => {
        await this.#makeRoom(ground);
        return this.#open(landed);
      },
      space: this.#scope.space,
      counted: () => {
        this.#count++;
        this.#scope.onTried?.(this.#count);
      },
    });
    this.#grounds.set(key, ground);
    return ground;
  }

  /** Moments of every layer are held by each ground that is open. */
  async #makeRoom(next: MeasuredGround): Promise<void> {
    this.#openGrounds = [...this.#openGrounds.filter((g) => g !== next), next];
    while (this.#openGrounds.length > MOST_OPEN) await this.#openGrounds.shift()!.close();
  }

  /** Opened when the first plan is not known yet. */
  async #open(landed: State | null): Promise<OutputChange | null> {
    const { space, cut } = this.#scope;
    const [prepared, threads] = [this.#prepared, this.#threads];
    const { executor } = this.#ctx;
    if (!this.#cutting) return openOutputChange(executor, prepared, this.#few, threads);
    if (!this.#fitting) return openCutChange(executor, prepared, (s) => tidied(cut(s).model), this.#few, threads);
    const { batches } = this.#refitSamples;
    const on = landed ? await this.#compensated(landed, batches) : prepared;
    if (!on) return null;
    const fits = new LocalFits(await collectLayers(executor, on, batches, threads));
    // Plans are judged as they will be: with the layers behind each cut refitted.
    const fitted = (s: State): Model => {
      const surgery = applyPlan(on.model, on.facts, on.analysis, planOf(space, s, ''), on.blocks);
      fits.apply(
        surgery,
        on.blocks.filter((b) => s.dropped.has(b.id)),
      );
      return tidied(surgery.model);
    };
    return openCutChange(executor, prepared, fitted, this.#few, threads);
  }

  async #land(landed: State): Promise<ReferenceModel | null> {
    if (!this.#landable) return null;
    const before = await this.#nearest(landed);
    const ground = this.#ground(landed);
    // What cannot be put back into the original's shape here cannot be put back with more cut away.
    this.#landable = await ground.holds();
    if (!this.#landable) return null;
    // Where samples are few, compensation may help none but those that it has seen.
    return (await ground.cost(landed)) < before ? ground : null;
  }

  /** Cost of a plan on the ground that it was chosen on. */
  #nearest(s: State): Promise<number> {
    const known = this.known(s);
    return known === null ? this.cost(s) : Promise.resolve(known);
  }

  /** The model cut and compensated, in the original's shape; null where that is not the same function. */
  async #compensated(
    s: State,
    batches: Calibration['batches'],
  ): Promise<Pick<Prepared, 'model' | 'facts' | 'analysis' | 'blocks'> | null> {
    const [prepared, threads] = [this.#prepared, this.#threads];
    const { executor } = this.#ctx;
    const surgery = this.#scope.cut(s);
    const dropped = prepared.blocks.filter((b) => s.dropped.has(b.id));
    await compensate(executor, prepared, surgery, dropped, batches, {
      threads,
      kind: 'least-squares',
      rounds: ROUNDS,
    });
    const back = putBack(prepared, surgery, dropped);
    if (!back) return null;
    const [a, b] = [await this.#outputs(surgery.model, batches[0]!), await this.#outputs(back.model, batches[0]!)];
    const distance = difference(a, b);
    if (distance <= SAME) return back;
    this.#ctx.log(
      `plans are judged on the original further on: compensated in its shape it differs by ${distance.toPrecision(2)}`,
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

/** Whether a ground holds, in its own memo; no plan has this key. */
const HOLDS = 'holds';

interface GroundOptions {
  /** Called when the first plan is not known yet; null where nothing can be judged. */
  readonly open: () => Promise<OutputChange | null>;
  readonly space: Space;
  readonly counted: () => void;
}

class MeasuredGround implements ReferenceModel {
  readonly floor: State;
  readonly #memo: Figures;
  readonly #how: GroundOptions;
  #change: OutputChange | null | undefined;

  constructor(floor: State, memo: Figures, how: GroundOptions) {
    this.floor = floor;
    this.#memo = memo;
    this.#how = how;
  }

  /** False where nothing can be judged on it; found out once. */
  async holds(): Promise<boolean> {
    const known = this.#memo.get(HOLDS);
    if (known !== undefined) return known === 1;
    const holds = (await this.#opened()) !== null;
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
      v = await (await this.#opened())!.cost(this.#how.space, s);
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
