/** Decides whether a finished compression is accepted, and gives the reasons. */
import type { CompressReport, KeptFloor, LatencyVerdict, Quality, QualityFloor } from '../../../shared/model/job.ts';
import { DEFAULT_FLOOR } from '../../../shared/model/quality.ts';
import { latencyReason } from '../latency/verdict.ts';
import { judgeQuality, type Verdict } from './floor.ts';
import type { Meanings } from './meaning.ts';

type Told = Required<Pick<CompressReport, 'accepted' | 'reasons' | 'warnings' | 'floor'>> &
  Pick<CompressReport, 'keptFloor'>;

/** @param kept undefined where no search took place */
export function acceptance(o: {
  readonly original: Quality | null;
  readonly result: Quality | null;
  readonly floor: QualityFloor | undefined;
  readonly met: boolean;
  /** Latency of the final measurement; absent without one. */
  readonly latency?: LatencyVerdict | undefined;
  readonly meanings: Meanings;
  readonly kept?: KeptFloor | null | undefined;
  readonly budgetMs: number;
}): Told {
  const verdict: Verdict = judgeQuality(o.original, o.result, o.floor);
  const reasons = [...verdict.reasons];
  if (o.kept) {
    const fastest = `the fastest cut within the quality floor takes ${o.kept.ms.toPrecision(3)} ms (${o.kept.ratio.toFixed(2)}x), and the budget is ${o.budgetMs.toPrecision(3)} ms.`;
    // A short measurement on a noisy machine can be within the budget, so the two do not contradict each other.
    reasons.push(
      o.kept.ms > o.budgetMs
        ? `Budget and floor contradict each other: ${fastest}`
        : `Another cut may meet both: ${fastest} That was a short measurement; try a slightly looser budget.`,
    );
  } else if (o.kept === null) reasons.push('No cut that was tried for this budget is within the quality floor.');
  if (!o.met) reasons.push((o.latency && latencyReason(o.latency)) ?? 'The budget is not met.');
  const guesses = [...o.meanings.values()].filter((m) => m.guessed).map((m) => `${m.name} is read as ${m.reading}: ${m.why}.`); // prettier-ignore
  return {
    accepted: reasons.length === 0,
    reasons,
    warnings: [...verdict.warnings, ...guesses],
    floor: { ...DEFAULT_FLOOR, ...o.floor },
    ...(o.kept !== undefined && { keptFloor: o.kept }),
  };
}
