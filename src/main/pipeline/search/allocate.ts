/**
 * Allocation as a stage of a job: finds the plan that meets the budget with the least measured
 * output change.
 */
import type { Model } from '../../engine/ir/model.ts';
import { allocationMethod } from '../../engine/allocation/methods/registry.ts';
import { predictMs, type State } from '../../engine/allocation/state.ts';
import type { StageContext } from '../context.ts';
import { BAND, fitBudget, type Candidate } from '../../engine/allocation/fit-budget.ts';
import { candidatesLeaf } from '../leaves.ts';
import { input, stage, type Keyed } from '../stage.ts';
import { candidateFile } from './candidate-file.ts';
import { costInputs, openCost, type CostInputs, type CostTools, type SearchScope } from './plan-cost.ts';
import { tidy } from '../prepare/prepare.ts';
import { CONFIRMING, SLOW_MS } from '../measure/paired-benchmark.ts';

/** Slow models repeat so closely that one short measurement of a plan is enough. */
const GLANCE = { precision: 0.006, maxSeconds: 1.2, runs: 6, warmup: 2, absolute: false };

/** For fast models: the place of a session in memory matters more than the number of runs. */
const LOOK = { maxSeconds: 0.8, openings: 3 };

export interface AllocationOptions extends CostInputs {
  readonly search: Keyed<SearchScope>;
  /** Plans of this job that were too slow or unnecessarily fast, with their measurements. */
  readonly known: readonly Candidate[];
}

export type AllocationTools = CostTools & Pick<StageContext, 'point'>;

/**
 * Another job measures anew, from cached costs: the allocation depends on the job's own
 * measurements.
 */
const allocation = stage({
  name: 'allocate',
  version: 5,
  inputs: { ...costInputs, known: input<readonly Candidate[]>(), search: input<SearchScope>() },
  run: ({ search, known }, ctx: AllocationTools, { given }) => allocate(given, search, known, ctx),
  codec: candidateFile,
});

/** Cached per job, so that a resumed job continues with its plan. */
export async function allocateStage(
  o: AllocationOptions,
  ctx: AllocationTools & Pick<StageContext, 'artifact'>,
): Promise<Candidate> {
  return (await allocation.run({ ...o, known: candidatesLeaf(o.known) }, ctx)).value;
}

async function allocate(
  o: CostInputs,
  scope: SearchScope,
  before: readonly Candidate[],
  ctx: AllocationTools,
): Promise<Candidate> {
  const { space, start, baselineMs, budgetRatio, bias, compare, looks } = scope;
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
  // A step of the path takes as long as all plans it compares, so each of them is reported.
  const plans = await openCost(o, { ...scope, onTried: (count) => tried(reached, count) }, ctx);
  const { rebase } = plans;
  const allocator = allocationMethod(o.allocation.value).open({
    space,
    start,
    scores: o.scored.value.scores,
    costs: {
      cost: plans.cost,
      free: plans.free,
      expired: plans.expired,
      ...(rebase && {
        rebase: (s: State) => {
          at(predictMs(space, s), 'compensating the plan so far');
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
      cut: (s) => cutModel(scope, s),
      known: before,
      ...(looks !== undefined && { attempts: looks }),
      bias: bias.known,
      ...(baselineMs > SLOW_MS
        ? {
            measure: async (m: Model) =>
              (await compare(m, { ...GLANCE, band: [BAND[0] * budgetRatio, BAND[1] * budgetRatio] })).ratio,
          }
        : {
            measure: async (m: Model) => (await compare(m, LOOK)).ratio,
            ...(looks === undefined && { confirm: async (m: Model) => (await compare(m, CONFIRMING)).ratio }),
          }),
      onCandidate: (c, attempt) => {
        ctx.log(`attempt ${attempt + 1}: predicted ${c.predictedMs.toFixed(3)} ms, measured ${c.ratio.toFixed(3)}x`);
        ctx.point({ ratio: c.ratio, predictedRatio: c.predictedMs / baselineMs, change: plans.known(c.state) });
      },
    });
    bias.keep((best.ratio * baselineMs) / best.predictedMs);
    return { ...best, limited: plans.expired() };
  } finally {
    await plans.close();
  }
}

/** The cut model as it will run. */
function cutModel(scope: Pick<SearchScope, 'cut'>, s: State): Model {
  const { model } = scope.cut(s);
  tidy(model);
  return model;
}
