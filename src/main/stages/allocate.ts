/** Allocation as a stage of a job: which plan meets the budget with the least measured output change. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recipe } from '../../shared/model/job.ts';
import type { Model } from '../engine/ir/model.ts';
import { baselineState } from '../engine/pruning/allocation/baselines.ts';
import { GreedyPath, refill } from '../engine/pruning/allocation/greedy.ts';
import { goneNodes, isGroupGone, predictMs, type Space, type State } from '../engine/pruning/allocation/state.ts';
import { collectLayers } from '../engine/pruning/compensation/layers.ts';
import { LocalFits } from '../engine/pruning/compensation/local.ts';
import type { Surgery } from '../engine/pruning/surgery.ts';
import { FIT_SAMPLES } from './afford.ts';
import { firstSamples, type Calibration } from './calibration.ts';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { StageContext } from './context.ts';
import { curvatureCosts, offeredCounts } from './curvature-costs.ts';
import { isSmall, judgedByCurvature } from './decide.ts';
import { fitBudget, keyOf, stateOf, type Candidate } from './fit.ts';
import { tidy, type Prepared } from './prepare.ts';
import type { Scores } from './scores.ts';
import { openCutChange, openOutputChange, type OutputChange } from './sensitivity.ts';
import { OPENINGS, SLOW_MS, type Compare } from './side-by-side.ts';

/** Of what output changes mean; raised when the distance changes. */
const CHANGE_VERSION = 2;

/** Runs of models that are slow repeat so well that one look at a plan is enough. */
const SLOW_RUNS = 6;
/** Of the plan that was chosen: what is built on it takes longer. */
export const CONFIRMING = { precision: 0.003, minSeconds: 1.3, maxSeconds: 2, openings: OPENINGS };

export interface AllocationOptions {
  readonly recipe: Recipe;
  readonly prepared: Prepared;
  readonly calibration: Calibration;
  /** Samples that rank plans. */
  readonly rankingSamples: number;
  /** Samples that curvature is taken from. */
  readonly probes: number;
  readonly scores: Scores;
  readonly space: Space;
  /** What the recipe fixes by hand. */
  readonly start: State;
  readonly cut: (s: State) => Surgery;
  readonly compare: Compare;
  /** Of the original, and the budget as a share of it. */
  readonly baselineMs: number;
  readonly budgetRatio: number;
  /** What cached costs depend on. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly threads: number;
  /** Plans of this job that turned out too slow or faster than need be, with what they measured. */
  readonly known: readonly Candidate[];
}

/** Kept under the job: resumed, it goes on with the plan that it had; another job measures anew, from cached costs. */
export async function allocateStage(o: AllocationOptions, ctx: StageContext): Promise<Candidate> {
  const { identity, recipe, space, start, baselineMs, budgetRatio, known: before } = o;
  const key = { ...identity, job: ctx.job, known: before.map((c) => [keyOf(c.state), c.ratio]), version: 2 };
  const dir = await ctx.artifact('allocate', key, async (to) => {
    const { cost, known, evaluations, close, free } = await openCost(o, ctx);
    const goalMs = budgetRatio * baselineMs;
    const wholeMs = predictMs(space, start);
    const path = new GreedyPath(space, start, {
      cost,
      onProgress: (ms) =>
        ctx.progress({
          stage: 'allocate',
          message: `predicted ${ms.toFixed(2)} ms, ${evaluations()} plans tried`,
          done: Math.min(0.9, Math.max(0, (wholeMs - ms) / (wholeMs - goalMs))),
        }),
    });
    ctx.progress({ stage: 'allocate', message: 'measuring sensitivities', done: 0 });
    const { allocation } = recipe;
    const steered = allocation === 'measured' || allocation === 'fisher';
    try {
      const { best } = await fitBudget({
        budgetRatio,
        baselineMs,
        space,
        allocate: async (ms) =>
          steered ? (await path.reach(ms)).state : baselineState(allocation, space, o.scores, ms, start),
        ...(steered && { refill: (s: State, ms: number) => refill(space, s, ms, cost, start, free ? Infinity : 24) }),
        cut: (s) => plain(o, s),
        known: before,
        ...(baselineMs > SLOW_MS
          ? {
              measure: async (m: Model) =>
                (await o.compare(m, { precision: 0.006, maxSeconds: 2, runs: SLOW_RUNS })).ratio,
            }
          : {
              measure: async (m: Model) => (await o.compare(m, { maxSeconds: 2.5 })).ratio,
              confirm: async (m: Model) => (await o.compare(m, CONFIRMING)).ratio,
            }),
        onCandidate: (c, attempt) => {
          ctx.log(`attempt ${attempt + 1}: predicted ${c.predictedMs.toFixed(3)} ms, measured ${c.ratio.toFixed(3)}x`);
          ctx.point({ ratio: c.ratio, predictedRatio: c.predictedMs / baselineMs, change: known(c.state) });
        },
      });
      await writeFile(join(to, 'plan.json'), JSON.stringify({ ...best, state: keyOf(best.state) }));
    } finally {
      await close();
    }
  });
  const kept = JSON.parse(await readFile(join(dir, 'plan.json'), 'utf8')) as Omit<Candidate, 'state'> & {
    readonly state: string;
  };
  return { ...kept, state: stateOf(kept.state) };
}

function plain(o: AllocationOptions, s: State): Model {
  const { model } = o.cut(s);
  tidy(model);
  return model;
}

interface Cost {
  cost(s: State): Promise<number>;
  /** Without running anything: null for a plan that has no cost yet. */
  known(s: State): number | null;
  evaluations(): number;
  close(): Promise<void>;
  /** True where costs are a sum of known figures. */
  readonly free: boolean;
}

/** Closed form, from a backward pass over a few samples; what a group costs at each count is kept across runs. */
async function openCurvature(o: AllocationOptions, ctx: StageContext): Promise<Cost> {
  const { space, calibration } = o;
  const price = await curvatureCosts(
    {
      ...o,
      wanted: offeredCounts(space, o.start),
      real: calibration.real,
      calibration: () => Promise.resolve(calibration),
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

/** Output change of a plan, measured once per plan and kept across runs. */
async function openCost(o: AllocationOptions, ctx: StageContext): Promise<Cost> {
  const { recipe, prepared, calibration, space, threads } = o;
  if (judgedByCurvature(o.recipe, prepared)) {
    try {
      return await openCurvature(o, ctx);
    } catch (e) {
      if (!(e instanceof SecateurError && e.code === 'gradient-unsupported')) throw e;
      ctx.log(`no curvature, plans are run instead: ${e.message}`);
    }
  }
  const cutting = isSmall(prepared);
  const fitting = cutting && recipe.compensation === 'least-squares' && calibration.real;
  const memo = ctx.memo('output-change', {
    ...o.identity,
    criterion: recipe.criterion,
    used: o.rankingSamples,
    cut: cutting,
    fitted: fitting ? FIT_SAMPLES : 0,
    version: CHANGE_VERSION,
  });
  let change: OutputChange | null = null;
  // Opened when the first plan is not known yet.
  const open = async (): Promise<OutputChange> => {
    const few = firstSamples(calibration, o.rankingSamples);
    if (!cutting) return openOutputChange(ctx.executor, prepared, few, threads);
    const fits = fitting
      ? new LocalFits(
          await collectLayers(ctx.executor, prepared, firstSamples(calibration, FIT_SAMPLES).batches, threads),
        )
      : null;
    // Plans are judged as they will be: with the layers behind each cut refitted.
    const fitted = (s: State): Model => {
      const surgery = o.cut(s);
      fits?.apply(
        surgery,
        prepared.blocks.filter((b) => s.dropped.has(b.id)),
      );
      tidy(surgery.model);
      return surgery.model;
    };
    return openCutChange(ctx.executor, prepared.model, fitted, few, threads);
  };
  let count = 0;
  return {
    known: (s) => numberOrNull(memo.get(keyOf(s))),
    evaluations: () => count,
    close: async () => change?.close(),
    free: false,
    cost: async (s) => {
      const key = keyOf(s);
      let v = memo.get(key);
      if (v === undefined) {
        change ??= await open();
        v = await change.cost(space, s);
        memo.put(key, v);
      }
      count++;
      return v;
    },
  };
}
