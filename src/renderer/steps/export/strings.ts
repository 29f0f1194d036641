/** Texts of the step Export. */

export const step = { name: 'Export', title: 'Export', lead: 'The bundle with the pruned model and its measurements.' };

/** Contents of a bundle: each file and its description. */
export const inside: readonly (readonly [string, string])[] = [
  ['models/…/model.onnx', 'the pruned model'],
  ['manifest.json', 'SHA-256 of every file, the budget, the measurements and the device'],
  ['secateur/plan.json, recipe.json', 'the removed units, and the settings of the job'],
  ['secateur/report.json', 'the whole report, with skipped operators and the reasons'],
  ['golden/', 'inputs and expected outputs with a tolerance, to check a copy by running it'],
  ['preprocess.json, labels.txt', 'the conversion from pixels to the input, and the names of the classes'],
  ['README.md', 'model card with an example'],
];

export const strings = {
  experimental: 'Experimental',
  experimentalHint:
    'This result was not accepted. The bundle is marked as experimental and is not meant for deployment.',
  showExperimental: 'Show the experimental bundle',
  inside: 'Contents',
  where: 'Location',
  verify: 'Verify',
  verified: 'Verified',
  checks: 'Checks of the bundle',
  notVerified: 'Verification failed',
  reveal: 'Show in the file manager',
  noDesktop: 'There is no file manager on this machine. The bundle is here:',
} as const;
