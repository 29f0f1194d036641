/** The verdict on a finished compression. Problems come first. */
import type { ResultSummary } from '../../shared/contract/routes.ts';

/**
 * 'unreachable': no model was made; 'ruined': below the quality floor, or not judged well enough to
 * be above it; 'missed': slower than the budget; 'close': the measurement does not decide whether
 * the budget is met; 'unjudged': a report of an earlier version without a judgement. Only
 * 'accepted' is a success.
 */
export type Verdict = 'accepted' | 'unreachable' | 'ruined' | 'missed' | 'close' | 'unjudged';

export interface Judgement {
  readonly verdict: Verdict;
  /** Reasons as sentences, worst first. */
  readonly reasons: readonly string[];
}

/** Colour of a verdict: 'unsure' is neither a success nor a failure. */
export type Tone = 'good' | 'unsure' | 'bad';

export const toneOf = (v: Verdict): Tone =>
  v === 'accepted' ? 'good' : v === 'close' || v === 'unjudged' ? 'unsure' : 'bad';

/** A whole report, or the summary of one. */
export type Judged = Pick<ResultSummary, 'met' | 'unreachable' | 'accepted' | 'reasons' | 'latency'> & {
  /** For a report on a component: the use decides about the budget. */
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
  // One reason besides latency is enough for 'ruined', which takes precedence over the speed.
  return { verdict: slow && reasons.length <= 1 ? slow : 'ruined', reasons };
}

const sentence = (clause: string): string => {
  const text = clause.trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
};
