/** Texts of the window: those shared by all pages are here, those of one page in its folder. */
import type { StepName } from '../state/names.ts';
import { step as modelStep, strings as modelText } from '../steps/model/strings.ts';
import { step as budgetStep, strings as budgetText } from '../steps/budget/strings.ts';
import { step as dataStep, strings as dataText } from '../steps/data/strings.ts';
import { step as recipeStep, strings as recipeText } from '../steps/recipe/strings.ts';
import { step as runStep, strings as runText } from '../steps/run/strings.ts';
import { step as reviewStep, strings as reviewText } from '../steps/review/strings.ts';
import { step as exportStep, strings as exportText } from '../steps/export/strings.ts';
import { strings as graphText } from '../graph/strings.ts';
import { strings as libraryText } from '../library/strings.ts';
import { strings as settingsText } from '../settings/strings.ts';
import { strings as tryText } from '../try/strings.ts';

export { families, roles } from '../steps/model/strings.ts';
export { budgetText, floorText } from '../steps/budget/strings.ts';
export { readingLabel } from '../steps/data/strings.ts';
export { presets } from '../steps/recipe/strings.ts';
export { status, stages } from '../steps/run/strings.ts';
export { verdicts, shortVerdicts, interval, interval95 } from '../steps/review/strings.ts';
export { inside } from '../steps/export/strings.ts';
export { kinds, passedText } from '../library/strings.ts';
export { page as tryPage } from '../try/strings.ts';

export const steps: Readonly<Record<StepName, { name: string; title: string; lead: string }>> = {
  model: modelStep,
  budget: budgetStep,
  data: dataStep,
  recipe: recipeStep,
  run: runStep,
  review: reviewStep,
  export: exportStep,
};

export const t = {
  ...modelText,
  ...budgetText,
  ...dataText,
  ...recipeText,
  ...runText,
  ...reviewText,
  ...exportText,
  ...graphText,
  ...libraryText,
  ...settingsText,
  trial: tryText,
  app: 'Secateur',
  library: 'Library',
  settings: 'Settings',
  skip: 'Skip to content',
  back: 'Back',
  next: 'Next',
  start: 'Start pruning',
  startAnyway: 'Start anyway',
  working: 'Working',
  close: 'Close',
  cancel: 'Cancel',
  choose: 'Choose',
  change: 'Change',
  clear: 'Clear',
  copy: 'Copy details',
  copied: 'Copied',
  retry: 'Try again',
  blocked: {
    model: 'Choose a model first.',
    component: 'No component of this package can be pruned.',
    opening: 'The model is being opened.',
    budget: 'Set a budget first.',
    data: 'The data, labels or preprocessing cannot be used. See the step Data.',
    looking: 'The data are being checked.',
    job: 'Run a job first.',
    unfinished: 'This job has no result yet.',
    nothing: 'This job has no result to export.',
  },
  dropUnknown:
    'These files cannot be used here. Drop an .onnx file or the folder of a package, or open a model and drop data on the step Data.',
  uploading: 'Uploading',
  lost: 'Secateur does not respond. The window reconnects automatically.',
  lostHint: (port: string) => `If Secateur was stopped, start it again: secateur serve --port ${port}`,
  lostToken: 'Secateur was restarted and does not accept this window. Open the address that it prints.',
  typedPath: 'Path of a file or folder',
  go: 'Go',
  moreEntries: (n: number) => `${n} more are not listed. Type the path to reach them.`,
  model: 'Model',
  gone: 'file not found',
  family: 'Family',
  size: 'Size',
  chooseData: 'Choose a folder',
  none: 'none',
  up: 'Up',
  emptyFolder: 'This folder has no matching files.',
  useFolder: 'Use this folder',
} as const;
