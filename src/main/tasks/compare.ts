/**
 * Compares a pruned model with its original: latency measured interleaved, and quality on the same
 * samples.
 */
import { availableParallelism } from 'node:os';
import type { ModelMeasure, Quality } from '../../shared/model/job.ts';
import type { CompareReport, CompareRequest } from '../../shared/model/tasks.ts';
import { modelCosts } from '../engine/ir/costs.ts';
import { benchmark } from '../runtime/bench.ts';
import { measuredHere } from '../runtime/device.ts';
import { collectFacts } from '../runtime/facts.ts';
import { speedupOf } from './bench.ts';
import type { StageContext } from '../pipeline/context.ts';
import { compareModels } from '../pipeline/evaluate/evaluate.ts';
import { loadWithHash, type LoadedModel } from '../pipeline/prepare/load.ts';
import { classNamesOf } from '../pipeline/prepare/class-names.ts';
import { readOutputs } from '../pipeline/prepare/readings.ts';
import { openModelData } from '../pipeline/prepare/model-data.ts';
import { boxesNotes } from '../pipeline/measure/hold-boxes.ts';
import { measureHolding } from '../pipeline/measure/measure.ts';
import { prepare } from '../pipeline/prepare/prepare.ts';
import { randomNotes } from '../pipeline/prepare/random-notes.ts';
import { threadsNote } from '../pipeline/measure/threads-note.ts';
import { sized } from '../pipeline/prepare/sized.ts';

export async function runCompare(request: CompareRequest, ctx: StageContext): Promise<CompareReport> {
  const { provider, threads, runs } = request;
  ctx.progress({ stage: 'load', message: 'reading the models', done: 0 });
  const file = await loadWithHash(request.original);
  const pruned = await loadWithHash(request.pruned);
  const { dataset, notes, shapes } = await openModelData(file.model, request.original, request, ctx);
  try {
    const original = await sized(file, { ...request, shapes }, ctx);
    const { batch } = original.sizes;
    pruned.model.sizes = original.model.sizes;
    ctx.progress({ stage: 'measure', message: 'measuring latency', done: 0 });
    const options = { provider, threads, batch, runs, maxSeconds: 20, minSeconds: 1, whole: true };
    const [a, b] = await measureHolding(
      [
        { name: 'original', model: original.model },
        { name: 'pruned', model: pruned.model },
      ],
      (list) => benchmark(list, options),
      { options },
    );
    if (!a || !b) throw new Error('nothing was measured');
    ctx.progress({ stage: 'evaluate', message: `${dataset.length} samples`, done: 0 });
    const meanings = await readOutputs(
      original.model,
      { dataset, classNames: await classNamesOf(original.model, request.original, dataset), given: request.outputs },
      ctx.executor,
    );
    const quality = await compareModels(original.model, pruned.model, {
      meanings,
      executor: ctx.executor,
      dataset,
      provider,
      // Quality does not depend on the thread count; more threads only shorten the wait.
      threads: availableParallelism(),
      batch: 64,
      prepared: async () => (await prepare(original.model, ctx, batch)).model,
      onProgress: (done) => ctx.progress({ stage: 'evaluate', message: `${dataset.length} samples`, done }),
    });
    const measure = async (m: LoadedModel, stats: typeof a.stats, q: Quality): Promise<ModelMeasure> => {
      const { macs, params } = modelCosts(m.model, await collectFacts(m.model, ctx.executor, { batch }));
      return { ...stats, macs, params, bytes: m.bytes, quality: q };
    };
    return {
      original: await measure(original, a.stats, quality.original),
      pruned: await measure(pruned, b.stats, quality.pruned),
      speedup: inverse(speedupOf(b)),
      outputs: [...meanings.values()],
      provenance: measuredHere(),
      notes: [
        ...threadsNote(threads, request.threadsAsked),
        ...notes,
        ...(await randomNotes(original.model)),
        ...original.notes,
        ...boxesNotes([b]),
      ],
    };
  } finally {
    await dataset.close();
  }
}

const inverse = (ratio: number | null): number | null => (ratio === null ? null : 1 / ratio);
