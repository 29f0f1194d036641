/** What a whole recipe may hold, for files and requests alike: two lists would come to differ. */
import { z } from 'zod';

const share = z.number().gt(0).lte(1);
const whole = z.number().int().positive();
const text = z.string().min(1).max(1000);

export const recipeSchema = z.strictObject({
  name: z.string().min(1).max(200),
  criterion: z.string().min(1).max(64),
  allocation: z.enum(['measured', 'fisher', 'uniform', 'global', 'isomorphic']),
  blocks: z.boolean(),
  channels: z.boolean(),
  floor: share,
  freeze: z.array(text).max(10_000),
  keep: z.record(text, share),
  compensation: z.enum(['least-squares', 'bias', 'none']),
  calibrationSamples: whole.max(1_000_000),
  plans: whole.max(8),
  recovery: z.strictObject({
    enabled: z.boolean(),
    seconds: z.number().min(0).max(604_800),
    optimizer: z.enum(['muon', 'adamw', 'sgd']),
    learningRate: z.union([z.literal('auto'), z.number().gt(0).max(10)]),
    batch: whole.max(65_536),
    temperature: z.number().gt(0).max(100),
    alpha: z.number().min(0).max(1),
    augment: z.boolean(),
    holdout: z.number().gt(0).lt(1),
  }),
  latencyRuns: whole.min(5).max(100_000),
});
