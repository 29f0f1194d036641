// Deterministic latency: milliseconds are computed from a model's multiply-accumulates. It replaces
// the task `measure`, so that every verdict of a job depends on the models alone.
import { modelCosts } from '../../src/main/engine/ir/costs.ts';
import type { CandidateResult } from '../../src/main/runtime/bench.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import type { LatencyTable, StageContext } from '../../src/main/pipeline/context.ts';
import type { MeasureInput } from '../../src/main/pipeline/measure/measure.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { applySizes, settleSizes } from '../../src/main/runtime/settle-sizes.ts';

/** Base time of a run; each million multiply-accumulates adds a millisecond. */
const BASE_MS = 0.01;

export async function steadyMeasure({ models, yardstick, options }: MeasureInput): Promise<CandidateResult[]> {
  const out: CandidateResult[] = [];
  const { batch = 1, threads = 1, provider = 'cpu', runs = 50 } = options;
  const add = (name: string, ms: number): void => {
    const stats = { p50Ms: ms, p90Ms: 1.05 * ms, p95Ms: 1.1 * ms, p99Ms: 1.2 * ms, meanMs: ms, minMs: 0.98 * ms, stdMs: 0.01 * ms, noiseMs: 0.001 * ms, runs, batch, threads, provider }; // prettier-ignore
    const value = ms / (out[0]?.stats.p50Ms ?? ms);
    out.push({
      name,
      stats,
      contention: 0,
      quietMs: ms,
      quietRatio: value,
      ratio: { value, low: value, high: value },
      gain: 1 - value,
    });
  };
  for (const { name, model, dims } of models) {
    const opened = openModelFile(model);
    const executor = createExecutor();
    if (dims) applySizes(opened, await settleSizes(opened, executor, { batch, dims }));
    const { macs } = modelCosts(opened, await collectFacts(opened, executor, { batch }));
    add(name, BASE_MS + macs / 1e6);
  }
  if (yardstick) add('yardstick', 0.1);
  return out;
}

/**
 * Replaces the machine's operator table: times are computed from the sizes in a signature, so no
 * operator is timed. Stored times are not read.
 */
export const steadyTable: LatencyTable = {
  get(signature) {
    if (signature.endsWith('|reference')) return BASE_MS;
    const sizes = [...signature.matchAll(/float(w?):?(\d+(?:x\d+)*)/g)].map(([, w, dims]) => ({
      weight: w === 'w',
      dims: dims!.split('x').map(Number),
    }));
    const product = (of: readonly number[]): number => of.reduce((a, b) => a * b, 1);
    const inputs = sizes.filter((s) => !s.weight);
    const positions = product(inputs[0]?.dims.slice(2) ?? []);
    const weights = sizes.filter((s) => s.weight && s.dims.length > 1);
    const macs = positions * weights.reduce((n, s) => n + product(s.dims), 0);
    return (macs + inputs.reduce((n, s) => n + product(s.dims), 0)) / 1e6 + BASE_MS / 100;
  },
  put: () => undefined,
};

/** The context of a task with deterministic measurements; everything else is unchanged. */
export const steadily = (ctx: StageContext): StageContext => ({
  ...ctx,
  inSubprocess: (task, input) =>
    task === 'measure' ? steadyMeasure(input as MeasureInput) : ctx.inSubprocess(task, input),
});
