/** Finds the largest cut that keeps the quality floor when the plan for the budget does not. */
import type { CompressRequest, KeptFloor, Quality } from '../../shared/model/job.ts';
import { allocationMethod } from '../engine/allocation/methods/registry.ts';
import { predictMs } from '../engine/allocation/state.ts';
import { judgeQuality } from '../engine/quality/floor.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { StageContext } from './context.ts';
import { openResultEvaluator, type JudgeParts } from './evaluate/judge-stage.ts';
import type { Stopwatch } from './stopwatch.ts';
import { keyOf, type Candidate } from '../engine/allocation/fit-budget.ts';
import { openCost } from './search/plan-cost.ts';
import { buildPlan, type SearchOptions } from './search-plan.ts';

/**
 * Largest number of plans made and judged. Each halves the interval between the original and the
 * budget.
 */
const STEPS = 4;
/**
 * Largest number of predicted times tried. With coarse steps, several of them lead to the same
 * plan.
 */
const GOALS = 12;
const GLANCE = { precision: 0.006, maxSeconds: 2.5 };

export interface FloorSearch extends SearchOptions {
  /** The plan that did not keep the floor. */
  readonly chosen: Candidate;
  readonly evaluate: (path: string) => Promise<Quality>;
  readonly keeps: (q: Quality) => boolean;
  /** Time limit, in seconds, after which no further plan is started. */
  readonly seconds: number;
}

/**
 * Returns the fastest tried plan that keeps the floor, compensated and measured but not recovered;
 * null when none keeps it. @internal
 */
export async function searchFloor(o: FloorSearch, ctx: StageContext): Promise<KeptFloor | null> {
  const { space, start, compare, baselineMs } = o.search.value;
  let tell: (plans: number) => void = () => undefined;
  const plans = await openCost(o, { ...o.search.value, onTried: (n) => tell(n) }, ctx);
  const until = performance.now() + 1000 * o.seconds;
  let kept: { path: string; quality: Quality } | null = null;
  try {
    const scores = o.scored.value.scores;
    const allocator = allocationMethod(o.allocation.value).open({ space, start, scores, costs: plans });
    const judged = new Map([
      [keyOf(o.chosen.state), false],
      [keyOf(start), true],
    ]);
    let [fails, keeps, made] = [o.chosen.predictedMs, predictMs(space, start), 0];
    for (let goals = 0; goals < GOALS && made < STEPS && performance.now() < until; goals++) {
      const goal = (fails + keeps) / 2;
      const told = (more: string): void =>
        ctx.progress({
          stage: 'evaluate',
          message: `searching a cut within the quality floor (${made + 1} of at most ${STEPS})${more}`,
          done: made / STEPS,
        });
      tell = (count) => told(`: ${count} plans tried`);
      told('');
      const state = await allocator.reach(goal);
      const key = keyOf(state);
      // Another goal may lead to a plan that was already judged; its verdict then directs the
      // search.
      let good = judged.get(key);
      if (good === undefined) {
        const predictedMs = predictMs(space, state);
        const { compensated } = await buildPlan(o, { state, predictedMs, ratio: predictedMs / baselineMs }, ctx);
        const quality = await o.evaluate(compensated.value.path);
        good = o.keeps(quality);
        made++;
        judged.set(key, good);
        ctx.log(`a wider plan, predicted ${predictedMs.toFixed(3)} ms: ${good ? 'keeps' : 'does not keep'} the floor`);
        if (good) kept = { path: compensated.value.path, quality };
      }
      if (good) keeps = goal;
      else fails = goal;
    }
  } finally {
    await plans.close();
  }
  if (!kept) return null;
  const measured = await compare(openModelFile(kept.path), GLANCE).finally(() => o.beside.close());
  return { ratio: measured.ratio, ms: measured.pruned.p50Ms, quality: kept.quality };
}

/** The parts of a job that the search reads. */
interface JobParts extends JudgeParts {
  readonly request: Pick<CompressRequest, 'floor'>;
  readonly clock: Pick<Stopwatch, 'seconds' | 'mark'>;
}

/**
 * Shortest and longest search time in seconds. Between these limits the search takes half the time
 * of the job so far.
 */
const SEARCH_SECONDS = [20, 180] as const;

/**
 * Searches only when the result is below the floor. @returns undefined when it is not, null when no
 * cut keeps the floor
 */
export async function searchFloorIfRuined(
  job: JobParts,
  o: Omit<FloorSearch, 'evaluate' | 'keeps' | 'seconds'>,
  learned: { readonly original: Quality | null; readonly result: Quality | null },
  ctx: StageContext,
): Promise<KeptFloor | null | undefined> {
  const { clock, request } = job;
  if (!judgeQuality(learned.original, learned.result, request.floor).ruined) return undefined;
  if (!job.data.dataset) return undefined;
  const judge = await openResultEvaluator(job, { threads: o.threads.value }, ctx);
  if (!judge) return undefined;
  const spent = Object.values(clock.seconds()).reduce((a, b) => a + b, 0);
  try {
    const kept = await searchFloor(
      {
        ...o,
        evaluate: (path) => judge.evaluate(openModelFile(path)),
        keeps: (q) => !judgeQuality(judge.reference, q, request.floor).ruined,
        seconds: Math.min(SEARCH_SECONDS[1], Math.max(SEARCH_SECONDS[0], spent / 2)),
      },
      ctx,
    );
    clock.mark('floor');
    return kept;
  } finally {
    await judge.close();
  }
}
