/** Texts of the library. */

/** Names of job kinds. */
export const kinds: Readonly<Record<string, string>> = {
  compress: 'compression',
  verify: 'verification',
  bench: 'measurement',
  workload: 'measurement of a package',
  compare: 'comparison',
};

/** Outcome of a verification. */
export const passedText = (passed: boolean): string => (passed ? 'verified' : 'checks failed');

export const strings = {
  bundle: 'Bundle',
  opened: 'Opened',
  qualityNotJudged: 'quality not evaluated',
  samplesUnit: 'samples',
  budgetAndRecipe: 'Budget and recipe',
  result: 'Result',
  delete: 'Delete',
  duplicate: 'Duplicate with another budget',
  show: 'Show',
  revealShort: 'Reveal',
  noJobs: 'No jobs yet. Start a job from the step Recipe.',
  noBundles: 'No bundles yet. Every finished job writes one.',
  noModels: 'No models yet. Models that you open on the step Model are listed here.',
  noneFound: 'Nothing matches the search.',
  newJob: 'Start with a model',
  thisMachine: 'this machine, measured',
  otherMachine: 'profile, measured on another machine',
  cores: 'cores',
  open: 'Open',
  forget: 'Forget',
  ask: {
    experimental: [
      'Use a result that was not accepted?',
      'It misses the budget or the quality floor, or too few samples were evaluated. Use it only for experiments.',
    ],
    outOfReach: [
      'Start with a budget that is predicted to be out of reach?',
      'Even maximum pruning is predicted to be slower than this budget. The job measures it first and ends if it is too slow.',
    ],
    alreadyMet: [
      'Start with a budget that is already met?',
      'The original already meets this budget. Nothing has to be removed.',
    ],
    job: ['Delete this job?', 'Its log and its report are deleted. Its bundle is kept.'],
    bundle: ['Delete this bundle?', 'Its folder and its zip file are deleted from the disk.'],
    model: ['Forget this model?', 'The model is removed from this list. The file is kept.'],
    device: ['Forget this device?', 'Its profile is removed. Reports of jobs are kept.'],
  },
  search: 'Search',
  models: 'Models',
  jobs: 'Jobs',
  bundles: 'Bundles',
  devices: 'Devices',
} as const;
