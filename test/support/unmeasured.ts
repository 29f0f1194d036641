/** A context of stages whose phases all take the same time, for tests that do not read times. */
import type { StageContext } from '../../src/main/pipeline/context.ts';
import type { MeasureInput } from '../../src/main/pipeline/measure/measure.ts';
import { plainExecutor } from './executor.ts';

const stats = { p50Ms: 1, p90Ms: 1, p95Ms: 1, p99Ms: 1, meanMs: 1, minMs: 1, stdMs: 0, noiseMs: 0, runs: 5, batch: 1, threads: 1, provider: 'cpu' }; // prettier-ignore

export const unmeasured = {
  executor: plainExecutor,
  progress: () => undefined,
  log: () => undefined,
  inSubprocess: (_: string, input: unknown) => Promise.resolve((input as MeasureInput).models.map(() => ({ stats }))),
} as unknown as StageContext;
