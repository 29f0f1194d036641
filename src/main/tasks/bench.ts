/** Latency of one model, or of two measured interleaved. */
import type { BenchReport, BenchRequest } from '../../shared/model/tasks.ts';
import { benchmark } from '../runtime/bench.ts';
import { measuredHere } from '../runtime/device.ts';
import type { StageContext } from '../pipeline/context.ts';
import { loadWithHash } from '../pipeline/prepare/load.ts';
import { boxesNotes } from '../pipeline/measure/hold-boxes.ts';
import { measureHolding } from '../pipeline/measure/measure.ts';
import { threadsNote } from '../pipeline/measure/threads-note.ts';
import { sized } from '../pipeline/prepare/sized.ts';

export async function runBench(request: BenchRequest, ctx: StageContext): Promise<BenchReport> {
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const { provider, threads, runs } = request;
  const model = await sized(await loadWithHash(request.model), request, ctx);
  const { batch, sizes } = model.sizes;
  ctx.progress({ stage: 'measure', message: 'measuring', done: 0 });
  const candidates = [{ name: 'model', model: request.model }];
  if (request.vs !== undefined) candidates.push({ name: 'vs', model: request.vs });
  const options = {
    provider,
    threads,
    batch,
    dims: sizes,
    runs,
    maxSeconds: 20,
    minSeconds: 1,
    whole: true,
  };
  const [first, vs] = await measureHolding(candidates, (list) => benchmark(list, options), { options });
  ctx.progress({ stage: 'measure', message: 'done', done: 1 });
  if (!first) throw new Error('nothing was measured');
  return {
    model: request.model,
    latency: first.stats,
    vs: vs && request.vs !== undefined ? { model: request.vs, latency: vs.stats } : null,
    speedup: vs ? speedupOf(vs) : null,
    provenance: measuredHere(),
    notes: [...threadsNote(threads, request.threadsAsked), ...model.notes, ...boxesNotes([first])],
  };
}

/** Latency of the second candidate over the first; null when 1 lies within the interval. */
export function speedupOf(second: { ratio: { value: number; low: number; high: number } }): number | null {
  const { value, low, high } = second.ratio;
  return low > 1 || high < 1 ? value : null;
}
