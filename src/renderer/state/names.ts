/** The steps of the wizard, in order. */
export const STEPS = ['model', 'budget', 'data', 'recipe', 'run', 'review', 'export'] as const;
export type StepName = (typeof STEPS)[number];
export type Page = StepName | 'library' | 'settings';
