/** The steps of the wizard, in order. */
export const STEPS = ['model', 'budget', 'data', 'recipe', 'run', 'review', 'export'] as const;
export type StepName = (typeof STEPS)[number];
export type Page = StepName | 'try' | 'library' | 'settings';

/** Reason why a step cannot be opened; the sentences are `t.blocked`. */
export type Obstacle =
  'model' | 'component' | 'opening' | 'budget' | 'data' | 'looking' | 'job' | 'unfinished' | 'nothing';

/** A budget compared with measurements; 'unknown' when there are none. */
export type Reach = 'unknown' | 'met' | 'within' | 'out';
