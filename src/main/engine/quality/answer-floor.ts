/** Decides whether the answers of a smaller package are good enough, and what limits the confidence in that. */
import type { QualityFloor } from '../../../shared/model/job.ts';
import { DEFAULT_FLOOR, FEW_SAMPLES, TOO_FEW_SAMPLES } from '../../../shared/model/quality.ts';
import { wilson } from '../heads/support/intervals.ts';

export interface JudgedAnswers {
  readonly answers: number;
  /** Answers with the original's tokens. */
  readonly equal: number;
  /** Right answers of both, where right answers are known. */
  readonly right?: { readonly known: number; readonly before: number; readonly after: number };
}

const percent = (n: number, of: number): string => `${((100 * n) / Math.max(1, of)).toFixed(1)} %`;

/**
 * With enough right answers, the drop of right answers decides, and equal answers only where their share was asked for: an
 * answer may differ from the original's and be as right.
 * @returns sentences, worst first; a result without reasons is accepted
 */
export function judgeAnswers(
  { answers, equal, right }: JudgedAnswers,
  given: QualityFloor = {},
): { readonly reasons: string[]; readonly warnings: string[] } {
  const [reasons, warnings]: [string[], string[]] = [[], []];
  const isKnown = right !== undefined && right.known >= TOO_FEW_SAMPLES;
  if (isKnown) {
    const most = given.maxDrop ?? DEFAULT_FLOOR.maxDrop;
    const drop = (right.before - right.after) / right.known;
    if (drop > most + 1e-9)
      reasons.push(
        `Right answers fell from ${percent(right.before, right.known)} to ${percent(right.after, right.known)}: ${(100 * drop).toFixed(1)} points, and at most ${(100 * most).toFixed(1)} are allowed.`,
      );
  }
  const least = given.minAgreement ?? DEFAULT_FLOOR.minAgreement;
  if ((!isKnown || given.minAgreement !== undefined) && equal / Math.max(1, answers) < least - 1e-9) {
    const { low, high } = wilson(equal, answers);
    reasons.push(
      `${percent(equal, answers)} of the answers are those of the original (95 % interval ${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %), below the floor of ${(100 * least).toFixed(1)} %.`,
    );
  }
  if (answers < TOO_FEW_SAMPLES)
    reasons.push(`Judged on ${answers} answers only: no result is accepted on fewer than ${TOO_FEW_SAMPLES}. Give more pictures and prompts.`); // prettier-ignore
  else if (answers < FEW_SAMPLES)
    warnings.push(`Judged on ${answers} answers: fewer than ${FEW_SAMPLES} give a large uncertainty.`);
  return { reasons, warnings };
}
