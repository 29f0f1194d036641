/** Allocation as a stage of a job: which plan meets the budget with the least measured output change. */
import type { Recipe } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import { baselineState } from '../../engine/allocation/methods/support/by-scores.ts';
import { plansBetween } from '../../engine/allocation/exhaustive.ts';
import { GreedyPath, refill, widened, type Step } from '../../engine/allocation/greedy.ts';
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

/** Plans that are compared at most to use up the time, where each has to be measured. */
const TRIES = 24;
/** Plans that use a smaller share of the time they may are worth another try. */
const NEAR = 0.97;

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
    const { rebase: land } = plans;
    const path = new GreedyPath(space, start, {
      cost: plans.cost,
      ...(land && {
        rebase: (s: State) => {
          at(predictMs(space, s), 'compensating what has been cut so far');
          return land(s);
        },
      }),
      onProgress: (ms) => tried(ms, plans.evaluations()),
    });
    ctx.progress({ stage: 'allocate', message: 'measuring sensitivities', done: 0 });
    const { allocation } = recipe;
    const steered = allocation === 'measured' || allocation === 'fisher';
    try {
      const { best } = await fitBudget({
        budgetRatio,
        baselineMs,
        space,
        allocate: async (ms) => {
          if (!steered) return baselineState(allocation, space, o.scores, ms, start);
          const filled = ({ state, reference: ground }: Step): Promise<State> =>
            refill(space, state, ms, ground.cost, ground.floor, plans.free ? Infinity : TRIES);
          const used = (s: State): number => predictMs(space, s) / ms;
          const direct = await filled(await path.reach(ms));
          if (used(direct) >= NEAR) return direct;
          const other = await path.approach(ms);
          const careful = other && (await filled(other));
          const found = careful && used(careful) > used(direct) ? careful : direct;
          if (used(found) >= NEAR) return found;
          // The slowest that there is, and what comes near it.
          const slower = plansBetween(space, start, predictMs(space, found), ms);
          const near = slower.filter((s) => used(s) >= NEAR * used(slower[0]!));
          return (await byCost(near.slice(0, TRIES), plans.cost))[0]?.state ?? found;
        },
        cut: (s) => cutModel(o, s),
        ...(steered && { wider: (s: State, ms: number) => improving(widened(space, s, start, ms), s, plans.cost) }),
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

/** Those of the states that make things better than `now`, the best first. */
export async function improving(
  states: readonly State[],
  now: State,
  cost: (s: State) => Promise<number>,
): Promise<readonly State[]> {
  if (states.length === 0) return [];
  const limit = await cost(now);
  // The largest steps first: they are the ones that fill what is left.
  const priced = await byCost(states.slice(0, TRIES), cost);
  return priced.filter((p) => p.cost < limit).map(({ state }) => state);
}

/** States with what they cost, the cheapest first. */
async function byCost(
  states: readonly State[],
  cost: (s: State) => Promise<number>,
): Promise<{ readonly state: State; readonly cost: number }[]> {
  const priced: { state: State; cost: number }[] = [];
  for (const state of states) priced.push({ state, cost: await cost(state) });
  return priced.sort((a, b) => a.cost - b.cost);
}

/** What is left of the model, as it will run. */
export function cutModel(o: Pick<AllocationOptions, 'cut'>, s: State): Model {
  const { model } = o.cut(s);
  tidy(model);
  return model;
}
