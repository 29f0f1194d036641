/** What a finished compression came to, in the order in which a user needs to know it: what is wrong comes first. */
import type { ResultSummary } from '../../shared/contract/routes.ts';

/**
 * 'unreachable': nothing was made; 'ruined': below the quality floor, or not judged well enough to be above it; 'missed':
 * slower than the budget; 'close': the measurement does not tell whether the budget is met; 'unjudged': a report from
 * before results were judged. Only 'accepted' is a success.
 */
export type Verdict = 'accepted' | 'unreachable' | 'ruined' | 'missed' | 'close' | 'unjudged';

export interface Judgement {
  readonly verdict: Verdict;
  /** Sentences, worst first. */
  readonly reasons: readonly string[];
}

/** How a verdict looks: 'unsure' is neither a success nor a failure. */
export type Tone = 'good' | 'unsure' | 'bad';

export const toneOf = (v: Verdict): Tone =>
  v === 'accepted' ? 'good' : v === 'close' || v === 'unjudged' ? 'unsure' : 'bad';

/** A whole report, or the summary of one. */
export type Judged = Pick<ResultSummary, 'met' | 'unreachable' | 'accepted' | 'reasons' | 'latency'> & {
  /** Of a report on a component: its use decides about the budget. */
  readonly workload?: { readonly latency: NonNullable<ResultSummary['latency']> };
};

export function judgementOf(report: Judged): Judgement {
  const reasons = report.reasons ?? [];
  if (report.unreachable)
    return { verdict: 'unreachable', reasons: reasons.length ? reasons : [sentence(report.unreachable.reason)] };
  if (report.accepted === true) return { verdict: 'accepted', reasons };
  const latency = (report.workload?.latency ?? report.latency)?.verdict ?? (report.met ? 'met' : 'missed');
  const slow = latency === 'missed' ? 'missed' : latency === 'too-close' ? 'close' : null;
  if (report.accepted === undefined) return { verdict: slow ?? 'unjudged', reasons };
  // One reason that is not about the latency is enough to call the result ruined: that comes before its speed.
  return { verdict: slow && reasons.length <= 1 ? slow : 'ruined', reasons };
}

const sentence = (clause: string): string => {
  const text = clause.trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
};
