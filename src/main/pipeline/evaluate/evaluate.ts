/**
 * Runs models on data and compares them with the original. Sessions run one batch at a time, so
 * memory stays bounded.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Quality } from '../../../shared/model/job.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Sample } from '../../data/input-spec.ts';
import type { ExecSession, Executor, SessionOptions } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Outputs } from '../../engine/heads/contract.ts';
import { createQualityMeter, type OutputFigures } from '../../engine/quality/meter.ts';
import type { Meanings } from '../../engine/quality/meaning.ts';
import { plainOf } from '../measure/hold-boxes.ts';
import { dataInputs, padded, pictureIn, samplesOf } from '../prepare/data-input.ts';
import { heldNote, runHeld } from '../../engine/passes/held-choices.ts';
import { readOutputs } from '../prepare/readings.ts';

export interface EvaluateOptions extends SessionOptions {
  readonly executor: Executor;
  readonly dataset: Dataset;
  /** Indices of the samples to use; default: all. */
  readonly indices?: readonly number[];
  /** Samples per run, default 32; a model with a fixed batch size overrides it. */
  readonly batch?: number;
  /**
   * The prepared original from which candidates were cut, for detectors that only run with held
   * choices of boxes; default: the original.
   */
  readonly prepared?: () => Promise<Model>;
  /** Reading of each output; default: inferred from the model and the data. */
  readonly meanings?: Meanings | undefined;
  /** Called with the share of this evaluation, 0..1. */
  readonly onProgress?: (done: number) => void;
}

/** Memory limit, in bytes, for outputs of the original kept for the next comparison. */
const KEEP = 256 * 2 ** 20;

export interface Evaluator {
  /** Quality of the original: accuracy when there are labels; agreement 1. */
  readonly reference: Quality;
  /** Reading of each output. */
  readonly meanings: Meanings;
  /** Quality of another model with the same inputs and outputs, against the original. */
  evaluate(model: Model, onProgress?: (done: number) => void): Promise<Quality>;
  /** Figures per output of the last evaluation. */
  outputs(): readonly OutputFigures[];
  /** Notes on the last evaluation. */
  notes(): readonly string[];
  /** Closes the original's session. */
  close(): Promise<void>;
}

/**
 * Measures the original once and keeps the data that later comparisons need. Close it when done.
 */
export async function createEvaluator(original: Model, options: EvaluateOptions): Promise<Evaluator> {
  const { dataset } = options,
    // The evaluation judges the boxes that a model finds, so choices are held only by the
    // evaluation itself.
    executor = plainOf(options.executor),
    inputs = dataInputs(original),
    indices = options.indices ?? Array.from({ length: dataset.length }, (_, i) => i),
    wanted = Math.max(1, Math.min(options.batch ?? 32, indices.length)),
    size = inputs.fixedBatch ?? wanted;
  const chunks: (readonly number[])[] = [];
  for (let at = 0; at < indices.length; at += size) chunks.push(indices.slice(at, at + size));
  const labelsOf = (chunk: readonly number[]): number[] | null =>
    dataset.labels ? chunk.map((i) => dataset.labels![i]!) : null;
  const order = original.graph.outputs.map((v) => v.name);
  const kept: (Outputs | undefined)[] = [];
  let room = KEEP,
    last: readonly OutputFigures[] = [],
    said: readonly string[] = [],
    whole: Promise<Model> | undefined;

  const prepared = (): Promise<Model> => (whole ??= options.prepared?.() ?? Promise.resolve(original));
  const run = async (meanings: Meanings, session: ExecSession, batch: Sample, count: number): Promise<Outputs> =>
    samplesOf(await session.run(batch), meanings, count, size);
  const batchOf = async (chunk: readonly number[]): Promise<Sample> => padded(await dataset.batch(chunk), size, inputs);
  const added = (work: () => void): void => {
    try {
      work();
    } catch (e) {
      throw e instanceof RangeError
        ? new SecateurError('data-labels', { path: 'given', reason: e.message }, { cause: e })
        : e;
    }
  };

  let picture: readonly [number, number] | null = null;
  const first = await executor.open(original, options);
  try {
    const meanings = options.meanings ?? (await readOutputs(original, { dataset }, executor));
    let meter = createQualityMeter({ order, meanings });
    for (const [k, chunk] of chunks.entries()) {
      const batch = await batchOf(chunk);
      if (k === 0) {
        picture = pictureIn(batch, dataset.main);
        meter = createQualityMeter({ order, meanings, picture });
      }
      const outputs = await run(meanings, first, batch, chunk.length);
      added(() => meter.add(outputs, outputs, chunk.length, labelsOf(chunk)));
      const bytes = Object.values(outputs).reduce((n, t) => n + t.data.byteLength, 0);
      if (bytes <= room) {
        room -= bytes;
        kept[k] = outputs;
      }
      options.onProgress?.((k + 1) / chunks.length);
    }
    return {
      reference: meter.result(),
      meanings,
      evaluate: async (model, onProgress) => {
        const meter = createQualityMeter({ order, meanings, picture }),
          session = await executor.open(model, options);
        let foreign = 0;
        try {
          for (const [k, chunk] of chunks.entries()) {
            const batch = await batchOf(chunk);
            const reference = kept[k] ?? (await run(meanings, first, batch, chunk.length));
            const { outputs, held } = await runHeld(model, session, batch, { ...options, executor, prepared });
            const candidate = samplesOf(outputs, meanings, chunk.length, size);
            if (held) foreign += chunk.length;
            added(() => meter.add(reference, candidate, chunk.length, labelsOf(chunk), { noBoxes: held }));
            onProgress?.((k + 1) / chunks.length);
          }
        } finally {
          await session.release();
        }
        last = meter.outputs();
        said = foreign > 0 ? [heldNote(foreign, indices.length)] : [];
        return meter.result();
      },
      outputs: () => last,
      notes: () => said,
      close: () => first.release(),
    };
  } catch (e) {
    await first.release();
    throw e;
  }
}

export interface Comparison {
  readonly original: Quality;
  readonly pruned: Quality;
  readonly meanings: Meanings;
  readonly outputs: readonly OutputFigures[];
  readonly notes: readonly string[];
}

/** Compares two models on the same samples. */
export async function compareModels(original: Model, pruned: Model, options: EvaluateOptions): Promise<Comparison> {
  const half = (from: number) => (done: number) => options.onProgress?.(from + done / 2);
  const evaluator = await createEvaluator(original, { ...options, onProgress: half(0) });
  try {
    const quality = await evaluator.evaluate(pruned, half(0.5));
    return {
      original: evaluator.reference,
      pruned: quality,
      meanings: evaluator.meanings,
      outputs: evaluator.outputs(),
      notes: evaluator.notes(),
    };
  } finally {
    await evaluator.close();
  }
}
