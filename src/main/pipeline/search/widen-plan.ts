/**
 * Widens the chosen plan before recovery starts. The loop that chose it measures each plan for a few seconds, so it keeps a
 * distance to the budget that covers the noise. One plan can be measured for longer. Where it leaves a part of the budget
 * unused, plans that keep all that it keeps, and more, are tried.
 */
import { improving } from '../../engine/allocation/methods/support/by-cost.ts';
import { widened } from '../../engine/allocation/greedy.ts';
import { predictMs, type Space, type State } from '../../engine/allocation/state.ts';
import type { Model } from '../../engine/ir/model.ts';
import { cutModel, type AllocationOptions, type AllocationTools } from './allocate.ts';
import type { StageContext } from '../context.ts';
import { contains, isWithin, type Candidate } from '../../engine/allocation/fit-budget.ts';
import { candidatesLeaf } from '../leaves.ts';
import { input, stage } from '../stage.ts';
import { candidateFile } from './candidate-file.ts';
import { costInputs, openCost, type SearchScope } from './plan-cost.ts';
import { AT_LENGTH } from '../measure/paired-benchmark.ts';

/**
 * Shares of the budget to end between. The ratio of two models drifts by up to 2 % in a quarter of an hour, and the final
 * measurement has an interval as well.
 */
const BAND = [0.95, 0.968] as const;
/** Plans that are measured, at most. */
const LOOKS = 4;

/** True for a share of the budget, measured at length, below which widening is worth a try. */
export const leavesRoom = (share: number): boolean => share < BAND[0];

export interface WidenOptions {
  readonly budgetRatio: number;
  readonly space: Space;
  /** Plans predicted at most `ms` that keep all that `s` keeps and more, the one that helps most first. */
  readonly wider: (s: State, ms: number) => Promise<readonly State[]>;
  readonly cut: (s: State) => Model;
  /** Measured ratio of a model to the original, at length. */
  readonly measure: (m: Model) => Promise<number>;
  /** Plans that are too slow. A plan that keeps all of one of them is not measured. */
  readonly slow: readonly State[];
  readonly onCandidate?: (c: Candidate) => void;
}

/** The widest of the measured plans that stays within the band, or `start`. @internal */
export async function widenWithin(start: Candidate, o: WidenOptions): Promise<Candidate> {
  let best = start;
  const slow = [...o.slow];
  for (let looks = 0; looks < LOOKS; looks++) {
    const share = best.ratio / o.budgetRatio;
    if (!leavesRoom(share)) break;
    const options = await o.wider(best.state, (best.predictedMs * BAND[1]) / share);
    const state = options.find((s) => !slow.some((x) => contains(s, x)));
    if (!state) break;
    const c = { state, predictedMs: predictMs(o.space, state), ratio: await o.measure(o.cut(state)) };
    o.onCandidate?.(c);
    if (c.ratio / o.budgetRatio <= BAND[1]) best = c;
    else slow.push(state);
  }
  return best;
}

/** Cached per job, because the plan that it starts from is. */
const widening = stage({
  name: 'widen',
  version: 1,
  inputs: {
    ...costInputs,
    from: input<readonly Candidate[]>(),
    slow: input<readonly Candidate[]>(),
    search: input<SearchScope>(),
  },
  run: async ({ from, slow, search: scope }, ctx: AllocationTools, { given }) => {
    const { budgetRatio, space } = scope;
    const plans = await openCost(given, scope, ctx);
    try {
      return await widenWithin(from[0]!, {
        budgetRatio,
        space,
        slow: slow.map((c) => c.state),
        wider: (s, ms) => improving(widened(space, s, scope.start, ms), s, plans.cost),
        cut: (s) => cutModel(scope, s),
        measure: async (m) => {
          ctx.progress({ stage: 'allocate', message: 'measuring a wider plan', done: 0.95 });
          return (await scope.compare(m, AT_LENGTH)).ratio;
        },
        onCandidate: (c) => ctx.log(`a wider plan, measured with more runs: ${c.ratio.toFixed(3)}x`),
      });
    } finally {
      await plans.close();
    }
  },
  codec: candidateFile,
});

/** @param o.known measured plans; those that are too slow are not measured again */
export async function widenPlan(
  start: Candidate,
  o: AllocationOptions,
  ctx: AllocationTools & Pick<StageContext, 'artifact'>,
): Promise<Candidate> {
  const slow = o.known.filter((c) => !isWithin(c.ratio / o.search.value.budgetRatio));
  return (await widening.run({ ...o, from: candidatesLeaf([start]), slow: candidatesLeaf(slow) }, ctx)).value;
}
