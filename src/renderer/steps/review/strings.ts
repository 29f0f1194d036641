/** Texts of the step Results. */
import type { Interval } from '../../../shared/model/quality.ts';
import type { Verdict } from '../../state/verdict.ts';

export const step = {
  name: 'Results',
  title: 'Results',
  lead: 'Latency, size and quality before and after, and the slowest operators.',
};

export const verdicts: Readonly<Record<Verdict, string>> = {
  accepted: 'Accepted: within the budget and above the quality floor',
  unreachable: 'The budget cannot be reached: nothing was removed',
  ruined: 'Not accepted',
  missed: 'The budget is missed',
  close: 'Too close to call',
  unjudged: 'Budget met; quality was not evaluated',
};

/** Short verdicts for list rows. */
export const shortVerdicts: Readonly<Record<Verdict, string>> = {
  accepted: 'accepted',
  unreachable: 'out of reach',
  ruined: 'not accepted',
  missed: 'budget missed',
  close: 'too close to call',
  unjudged: 'quality not evaluated',
};

/** A 95 % interval of a share. */
export const interval = ({ low, high }: Interval): string => `${(100 * low).toFixed(0)}–${(100 * high).toFixed(0)} %`;

/** A 95 % interval of latency as a share of the budget. */
export const interval95 = ({ low, high }: Interval): string =>
  `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)} % of the budget (95 % interval)`;

export const strings = {
  atBest: 'at best',
  shareOfBudget: 'its share of the budget:',
  pareto: 'Latency against output change',
  paretoHint:
    'Every plan that was pruned and measured. On the line, no other plan is both faster and closer to the original.',
  finalPlan: 'Chosen',
  quality: 'Quality',
  exact: 'exact',
  samplesBehind: 'Samples',
  notJudged: 'not evaluated',
  beforeAndAfter: 'Before and after',
  before: 'Before',
  after: 'After',
  latency: 'Latency p50',
  latency95: 'Latency p95',
  fileSize: 'File size',
  accuracy: 'Top-1',
  agreement: 'Agreement',
  sliders: 'Widths of the groups',
  noSliders: 'No group has a width that can be changed.',
  slidersHint:
    'Drag to update the predicted latency and output change. Apply runs a job with these widths and reuses earlier measurements.',
  predicted: 'Predicted',
  apply: 'Apply',
  reset: 'Reset',
  keptUnits: 'units kept',
  staircase: 'Latency over kept units',
  ownSamples: 'Samples before and after',
  holds: 'Slowest operators',
} as const;
