/** Texts of the step Run. */
import type { JobStatus } from '../../../shared/model/job-record.ts';

export const step = {
  name: 'Run',
  title: 'Run',
  lead: 'Prunes, measures and adjusts until the measured latency is within the budget.',
};

export const status: Readonly<Record<JobStatus, string>> = {
  queued: 'waiting',
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  interrupted: 'interrupted',
};

export const stages: Readonly<Record<string, string>> = {
  load: 'Reading the model',
  baseline: 'Measuring the original',
  latency: 'Timing operators at different widths',
  score: 'Scoring units',
  allocate: 'Choosing what to prune',
  tokens: 'Comparing fewer tokens',
  compensate: 'Refitting weights',
  evaluate: 'Evaluating on samples',
  recover: 'Recovering quality',
  measure: 'Measuring the result',
  bundle: 'Writing the bundle',
};

export const strings = {
  package: 'Package',
  tableHint: 'Finished stages are kept. A resumed job continues after the last of them.',
  broken: 'This job ended before it finished.',
  cancelled: 'You cancelled this job.',
  startAnew: 'Resuming would fail in the same way. Start another job with different settings.',
  thisJob: 'This job',
  data: 'Data',
  recipe: 'Recipe',
  widths: 'Widths',
  floorFact: 'Quality floor',
  byDefault: 'default',
  byTheRecipe: 'set by the recipe',
  setByHand: 'groups set by hand',
  setByHandHint: 'Show the widths set by hand',
  notRun: 'was not run',
  elapsed: 'elapsed',
  inAll: 'in total',
  left: 'left',
  estimating: 'estimating',
  log: 'Log',
  noLog: 'No output yet.',
  candidates: 'Measured candidates',
  noCandidates: 'Each plan that is pruned and measured appears here.',
  pauseQueue: 'Pause the queue',
  resumeQueue: 'Resume the queue',
  resume: 'Resume',
  waits: 'Another job is measuring. This job starts when that job ends.',
  paused: 'The queue is paused. This job waits.',
  outputChange: 'Output change',
} as const;
