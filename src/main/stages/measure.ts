/**
 * One look at several models, as a task for a process that does nothing else. In a process that has trained, memory lies
 * otherwise: there a pruned ResNet-56 took 0.48 of the original's time, and 0.49 in new processes in the same minutes.
 */
import { benchmark, type BenchOptions, type CandidateResult } from '../runtime/bench.ts';
import { yardstick } from './yardstick.ts';

export interface MeasureInput {
  /** Files. */
  readonly models: readonly { readonly name: string; readonly model: string }[];
  /** Measured beside them, and comes last. */
  readonly yardstick?: boolean;
  readonly options: BenchOptions;
}

export const runMeasure = ({ models, options, yardstick: beside = false }: MeasureInput): Promise<CandidateResult[]> =>
  benchmark(beside ? [...models, yardstick()] : models, options);
