/** Allocation as a stage of a job: which plan meets the budget with the least measured output change. */
import type { Recipe } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import { allocationMethod } from '../../engine/allocation/methods/registry.ts';
import { predictMs, type Space, type State } from '../../engine/allocation/state.ts';
import type { Surgery } from '../../engine/pruning/surgery.ts';
import type { PredictionBias } from './prediction-bias.ts';
import type { Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import { CONTENT, fitBudget, keyOf, type Candidate } from '../../engine/allocation/fit-budget.ts';
import { cachedCandidate } from './cached-candidate.ts';
import { openCost } from './plan-cost.ts';
import { tidy, type Prepared } from '../prepare/prepare.ts';
import type { Scores } from '../../engine/criteria/contract.ts';
import { CONFIRMING, SLOW_MS, type Compare } from '../measure/paired-benchmark.ts';

/** Runs of models that are slow repeat so well that one look at a plan is enough. */
const GLANCE = { precision: 0.006, maxSeconds: 1.2, runs: 6, warmup: 2, absolute: false };

export interface AllocationOptions {
  readonly recipe: Recipe;
  readonly prepared: Prepared;
  readonly calibration: Calibration;
  /** Samples that rank plans. */
  readonly rankingSamples: number;
  /** Samples that the model is compensated with on the way. */
  readonly landingSamples: number;
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
  readonly bias: PredictionBias;
  /** What cached costs depend on. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly threads: number;
  /** Told how many plans were run so far, each time one was. */
  readonly onTried?: (plans: number) => void;
  /** Plans of this job that turned out too slow or faster than need be, with what they measured. */
  readonly known: readonly Candidate[];
}

/** Kept under the job: resumed, it goes on with the plan that it had; another job measures anew, from cached costs. */
export async function allocateStage(o: AllocationOptions, ctx: StageContext): Promise<Candidate> {
  const { identity, recipe, space, start, baselineMs, budgetRatio, known: before } = o;
  const key = { ...identity, job: ctx.job, known: before.map((c) => [keyOf(c.state), c.ratio]), version: 2 };
  return cachedCandidate('allocate', key, ctx, async () => {
    const goalMs = budgetRatio * baselineMs;
    const wholeMs = predictMs(space, start);
    let reached = wholeMs;
    const at = (ms: number, message: string): void => {
      reached = ms;
      ctx.progress({
        stage: 'allocate',
        message,
        done: Math.min(0.9, Math.max(0, (wholeMs - ms) / (wholeMs - goalMs))),
      });
    };
    const tried = (ms: number, count: number): void => at(ms, `predicted ${ms.toFixed(2)} ms, ${count} plans tried`);
    // A step of the path takes as long as all the plans that it chooses from: each of them is told.
    const plans = await openCost({ ...o, onTried: (count) => tried(reached, count) }, ctx);
    const { rebase } = plans;
    const allocator = allocationMethod(recipe.allocation).open({
      space,
      start,
      scores: o.scores,
      costs: {
        cost: plans.cost,
        free: plans.free,
        ...(rebase && {
          rebase: (s: State) => {
            at(predictMs(space, s), 'compensating what has been cut so far');
            return rebase(s);
          },
        }),
      },
      onProgress: (ms) => tried(ms, plans.evaluations()),
    });
    ctx.progress({ stage: 'allocate', message: 'measuring sensitivities', done: 0 });
    try {
      const { best } = await fitBudget({
        budgetRatio,
        baselineMs,
        space,
        allocate: (ms) => allocator.fill(ms),
        cut: (s) => cutModel(o, s),
        ...(allocator.wider && { wider: (s: State, ms: number) => allocator.wider!(s, ms) }),
        known: before,
        bias: o.bias.known,
        ...(baselineMs > SLOW_MS
          ? {
              measure: async (m: Model) =>
                (await o.compare(m, { ...GLANCE, band: [CONTENT[0] * budgetRatio, CONTENT[1] * budgetRatio] })).ratio,
            }
          : {
              measure: async (m: Model) => (await o.compare(m, { maxSeconds: 2.5 })).ratio,
              confirm: async (m: Model) => (await o.compare(m, CONFIRMING)).ratio,
            }),
        onCandidate: (c, attempt) => {
          ctx.log(`attempt ${attempt + 1}: predicted ${c.predictedMs.toFixed(3)} ms, measured ${c.ratio.toFixed(3)}x`);
          ctx.point({ ratio: c.ratio, predictedRatio: c.predictedMs / baselineMs, change: plans.known(c.state) });
        },
      });
      o.bias.keep((best.ratio * baselineMs) / best.predictedMs);
      return best;
    } finally {
      await plans.close();
    }
  });
}

/** What is left of the model, as it will run. */
export function cutModel(o: Pick<AllocationOptions, 'cut'>, s: State): Model {
  const { model } = o.cut(s);
  tidy(model);
  return model;
}
