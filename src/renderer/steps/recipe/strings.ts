/** Texts of the step Recipe. */

export const step = { name: 'Recipe', title: 'Recipe', lead: 'Choose a preset. All parameters are under Advanced.' };

export const presets: Readonly<Record<string, { title: string; text: string }>> = {
  fast: {
    title: 'Fast',
    text: 'No training: prunes, refits the remaining weights and measures. Works without data.',
  },
  balanced: {
    title: 'Balanced',
    text: 'Prunes and refits, then recovers quality by distillation from the original for up to five minutes.',
  },
  best: {
    title: 'Best quality',
    text: 'Uses more samples, searches for longer and recovers for up to fifteen minutes. For the model that you deploy.',
  },
};

export const strings = {
  bundleFolder: 'Bundle folder',
  bundleFolderHint: 'A new folder below this one, named after the model.',
  notTimed: 'The duration is not known before the first job of this model or of a similar one.',
  tookHere: 'Jobs of this model took up to',
  roughly: 'Roughly',
  fromOthers: 'estimated from other models of similar size.',
  groupsFound: 'Groups of this model',
  findGroup: 'Find a group',
  block: 'block',
  advanced: 'Advanced',
  criterion: 'Criterion',
  allocation: 'Allocation',
  compensation: 'Compensation',
  tokens: 'Fewer tokens',
  recovery: 'Recovery',
  seconds: 'Time limit in seconds',
  floor: 'Minimum keep ratio',
  calibration: 'Calibration samples',
  allocationSeconds: 'Time limit of the search in seconds',
  allocationSecondsHelp:
    'Plans are run to measure what they cost. After this time, choices rest on what is known by then',
  removeBlocks: 'Remove residual blocks',
  removeChannels: 'Remove channels',
  frozen: 'Groups that are not pruned',
  frozenHint: 'One name or pattern per line. * matches any text.',
  seed: 'Seed',
  learningRate: 'Learning rate',
  optimizer: 'Optimizer',
  temperature: 'Temperature',
  alpha: 'Distillation weight',
  alphaHelp: 'Share of the loss from the outputs of the original. The rest comes from the labels, if there are labels',
  holdout: 'Holdout share',
  holdoutHelp: 'Share of the samples that are not used for training. Quality is measured on them',
  augment: 'Augment images: shift, mirror and mix',
  automatic: 'automatic',
  runs: 'Runs of the final measurement',
} as const;
