/** The built-in recipes. A recipe file names one of them as its base and overrides parts. */
import type { Recipe } from './job.ts';

export type PresetName = 'fast' | 'balanced' | 'best';

/** The criterion name that selects a criterion by model and data. */
export const AUTO = 'auto';

const balanced: Recipe = {
  name: 'balanced',
  criterion: AUTO,
  allocation: 'measured',
  blocks: true,
  channels: true,
  tokens: AUTO,
  floor: 0.1,
  freeze: [],
  keep: {},
  compensation: 'least-squares',
  calibrationSamples: 2048,
  allocationSeconds: 60,
  recovery: {
    enabled: true,
    seconds: 300,
    optimizer: 'muon',
    learningRate: 'auto',
    batch: 64,
    temperature: 2,
    alpha: 0.9,
    augment: true,
    holdout: 0.1,
  },
  latencyRuns: 100,
};

export const PRESETS: Readonly<Record<PresetName, Recipe>> = {
  /** No training: scores, surgery and compensation. Works without any data. */
  fast: {
    ...balanced,
    name: 'fast',
    calibrationSamples: 1024,
    recovery: { ...balanced.recovery, enabled: false, seconds: 0 },
  },
  balanced,
  /** More samples, a longer search and a longer recovery. */
  best: {
    ...balanced,
    name: 'best',
    calibrationSamples: 4096,
    allocationSeconds: 300,
    recovery: { ...balanced.recovery, seconds: 900 },
    latencyRuns: 200,
  },
};

export const DEFAULT_PRESET: PresetName = 'balanced';
