/** Texts of the settings. */

export const strings = {
  appearance: 'Appearance',
  folders: 'Folders',
  about: 'About',
  host: 'Machine',
  keys: 'Keyboard',
  keysText:
    'Alt+1 to Alt+7 open a step. Alt+← and Alt+→ open the previous and the next step. Tab moves through the controls.',
  threadsHint: 'Default number of threads for new budgets.',
  homeHint: 'Holds jobs, measured latencies and finished stages. Set SECATEUR_HOME to change it.',
  outHint: 'Default folder for the bundles of new jobs.',
  theme: 'Theme',
  themes: { system: 'System', light: 'Light', dark: 'Dark' },
  outFolder: 'Bundle folder',
  dataFolder: 'Data folder',
} as const;
