/**
 * The measurement that decides whether a result is within its budget. It measures the delivered
 * model once, for a length that was set in advance. Shorter and repeated measurements only steer
 * the search. The yardstick runs beside the two models, so that figures of different days can be
 * compared.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LatencyVerdict } from '../../../shared/model/job.ts';
import type { Budget, LatencyStats } from '../../../shared/model/types.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { TimedPhase } from '../../engine/latency/phases.ts';
import { latencyVerdict, meanInterval, planFinal, type FinalPlan } from '../../engine/latency/verdict.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { scratchFolder } from '../../storage/scratch.ts';
import type { StageContext } from '../context.ts';
import type { MeasureInput } from './measure.ts';
import { atPercentile, statsTogether } from './paired-benchmark.ts';
import { foldPhases, perPhase } from './phases.ts';

/** Seconds per opening, for all models together. */
const SECONDS = 1;

export interface Final {
  readonly original: LatencyStats;
  readonly pruned: LatencyStats;
  readonly latency: LatencyVerdict;
  /**
   * The budget in milliseconds: as given, or its share of the original's latency in this
   * measurement.
   */
  readonly budgetMs: number;
  /** Latency as a share of the budget. */
  readonly share: number;
  readonly yardstickMs: number;
  /** Half-width of the yardstick's interval. */
  readonly yardstickNoiseMs: number;
  readonly notes: readonly string[];
}

export interface FinalOptions {
  /** Path of a file. */
  readonly original: string;
  /** As it will be shipped. */
  readonly result: Model;
  readonly budget: Budget;
  /** Sizes of the dynamic axes besides the batch. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** Phases of a component of a package: both models are measured in all of them. */
  readonly phases?: readonly TimedPhase[] | undefined;
  /** Number of runs that the recipe asks for. */
  readonly runs: number;
  /** Latency of the original as known so far; it sets the length of the measurement. */
  readonly baselineMs: number;
}

/** @throws SecateurError 'runtime-rejected', and errors of a process that ends early */
export async function finalMeasure(
  o: FinalOptions,
  ctx: Pick<StageContext, 'inSubprocess' | 'progress'>,
): Promise<Final> {
  const { budget, dims = {}, phases } = o;
  const plan = planFinal(o.runs, budget.percentile, o.baselineMs);
  const folder = await scratchFolder();
  try {
    const file = join(folder, 'model.onnx');
    saveModelFile(o.result, file);
    const { threads, provider, batch } = budget;
    const input: MeasureInput = {
      models: [
        ...perPhase({ name: 'original', model: o.original }, phases),
        ...perPhase({ name: 'pruned', model: file }, phases),
      ],
      yardstick: true,
      // The measurement never ends early by precision, only by its time and runs.
      options: { threads, provider, batch, dims, warmup: 3, runs: plan.runs, precision: Infinity, minSeconds: SECONDS, maxSeconds: Infinity }, // prettier-ignore
    };
    const openings: (readonly CandidateResult[])[] = [];
    for (let i = 0; i < plan.openings; i++) {
      ctx.progress({ stage: 'measure', message: `the original and the result, side by side (${i + 1} of ${plan.openings})`, done: i / plan.openings }); // prettier-ignore
      openings.push(foldPhases((await ctx.inSubprocess('measure', input)) as readonly CandidateResult[], phases));
    }
    return judgeFinal(openings, budget, plan);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The verdict on the figures of several openings, each of the original, the result and the
 * yardstick. @internal
 */
export function judgeFinal(
  openings: readonly (readonly CandidateResult[])[],
  budget: Budget,
  plan: Pick<FinalPlan, 'raisedFrom' | 'openings' | 'runs'>,
): Final {
  const of = (i: number): LatencyStats[] => openings.map((o) => o[i]!.stats);
  const [original, pruned, pace] = [of(0), of(1), of(2)];
  const at = (s: LatencyStats): number => atPercentile(s, budget.percentile);
  const shares = pruned.map((s, i) => at(s) / (budget.ms ?? budget.ratio! * at(original[i]!)));
  const latency = latencyVerdict(shares);
  const yardstick = meanInterval(pace.map((s) => s.p50Ms));
  const [before, after] = [statsTogether(original), statsTogether(pruned)];
  const budgetMs = budget.ms ?? budget.ratio! * at(before);
  return {
    original: before,
    pruned: after,
    latency,
    budgetMs,
    share: at(after) / budgetMs,
    yardstickMs: yardstick.value,
    yardstickNoiseMs: (yardstick.high - yardstick.low) / 2,
    notes:
      plan.raisedFrom === null
        ? []
        : [
            `${plan.raisedFrom} runs are too few for an interval of the p${budget.percentile}. It was measured with at least ${plan.openings * plan.runs}.`,
          ],
  };
}

/**
 * Shares of the budget: the least that a plan with an uncertain or missed result is taken to need,
 * and the most over its measured latency.
 */
const TOO_SLOW = [1.003, 1.05] as const;

/**
 * The share of the budget that a result which is not certainly within it is taken to need: the
 * upper end of its interval, so that the next result's interval lies within. A very wide interval
 * moves the plan by a few per cent only.
 */
export const remadeFrom = ({ share, latency }: Pick<Final, 'share' | 'latency'>): number =>
  Math.max(share, TOO_SLOW[0], Math.min(latency.high, share * TOO_SLOW[1]));
