/** Texts of the step Budget. */
import type { QualityFloor } from '../../../shared/model/job.ts';
import type { Budget } from '../../../shared/model/types.ts';

export const step = {
  name: 'Device and budget',
  title: 'Set the latency budget',
  lead: 'In milliseconds, or as a share of the current latency. Both are measured on this device.',
};

/** The budget in words, with conditions that differ from the defaults. */
export function budgetText({ ms, ratio, percentile, threads, batch, provider }: Budget): string {
  const goal = ms === undefined ? `${Math.round(100 * (ratio ?? 1))} % of the original's time` : `${ms} ms`;
  const how = [
    percentile === 50 ? '' : `p${percentile}`,
    `${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    batch === 1 ? '' : `batch ${batch}`,
    provider === 'cpu' ? '' : provider,
  ];
  return `${goal}, ${how.filter(Boolean).join(', ')}`;
}

/** The quality floor in words, where it differs from the default. */
export const floorText = ({ minAgreement, maxDrop, minPsnrDb }: QualityFloor): string =>
  [
    minAgreement === undefined ? '' : `agreement ≥ ${Math.round(1000 * minAgreement) / 10} %`,
    maxDrop === undefined ? '' : `top-1 drop ≤ ${Math.round(1000 * maxDrop) / 10} %`,
    minPsnrDb === undefined ? '' : `PSNR ≥ ${minPsnrDb} dB`,
  ]
    .filter(Boolean)
    .join(', ');

export const strings = {
  prunedComponent: 'Pruned component:',
  shareOfUse: 'Share of the current latency of one use',
  usePartsTitle: 'Parts of one use',
  otherComponents: 'other components',
  reachableBudgets: 'Reachable by pruning this component:',
  processor: 'Processor',
  runtime: 'Runtime',
  notMeasurable: 'measured on that device, not here',
  otherDevices: 'To measure another device, run Secateur on it. Its profile is in the library.',
  floorTitle: 'Quality floor',
  floorHint: 'A result below it is not accepted, even within the budget.',
  minAgreement: 'Minimum agreement with the original',
  minAgreementHelp: 'Share of samples with the same class. For detectors, the F1 score of matching boxes.',
  maxDrop: 'Maximum drop in top-1 accuracy',
  maxDropHelp: 'In percentage points. Needs labels.',
  minPsnr: 'Minimum PSNR against the original',
  minPsnrHelp: 'For outputs that are images.',
  default: 'default',
  defaults: 'Use the defaults',
  device: 'Device',
  threads: 'Threads',
  provider: 'Execution provider',
  batch: 'Batch size',
  percentile: 'Percentile',
  budget: 'Budget',
  share: 'Share of the current latency',
  inMs: 'Milliseconds',
  reachable: 'Reachable latency on this device',
  measureReach: 'Measure reachable latency',
  reachHint: 'Measures the model and its operators on this device. Later jobs reuse the measurements.',
  reachAxes: 'Kept share of the units, the same in every group → · milliseconds ↑',
  present: 'current',
  least: 'maximum pruning',
  outOfReach: 'This budget is out of reach. Even maximum pruning is predicted to be slower.',
  alreadyMet: 'The original already meets this budget. Nothing has to be removed.',
  withinReach: 'Within reach, predicted from operator latencies.',
} as const;
