/** Predictions of a model and of its pruned version for the same samples, in a few words each. */
import type { OutputReading } from '../../shared/model/job.ts';
import type { ReviewData } from '../../shared/model/window.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Executor } from '../engine/executor.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Meanings, Outputs } from '../engine/heads/contract.ts';
import { sayPrediction } from '../engine/quality/prediction.ts';
import { localDevice } from '../runtime/device.ts';
import { classNamesOf } from '../pipeline/prepare/class-names.ts';
import { dataInputs, padded, pictureIn, samplesOf } from '../pipeline/prepare/data-input.ts';
import { readOutputs } from '../pipeline/prepare/readings.ts';
import { labelOf, showSamples } from './preview.ts';
import { otherInputs } from './sample-text.ts';

/** Number of samples shown. */
const SHOWN = 12;

/**
 * Predictions for each sample before and after pruning, in the words of the output's head.
 * @param o.path path of the original
 * @param o.from indices of samples to choose from, such as those that no stage trained on; the
 * first ones are shown
 */
export async function samplePredictions(
  o: {
    readonly model: Model;
    readonly path: string;
    readonly pruned: Model;
    readonly dataset: Dataset;
    readonly from: readonly number[];
    /** Reading per output; default: inferred. */
    readonly given?: Readonly<Record<string, OutputReading>> | undefined;
  },
  executor: Executor,
): Promise<ReviewData['samples']> {
  const { model, pruned, dataset } = o;
  const indices = o.from.slice(0, SHOWN);
  const names = await classNamesOf(model, o.path, dataset);
  const order = model.graph.outputs.map((v) => v.name);
  const meanings = await readOutputs(model, { dataset, classNames: names, given: o.given }, executor);
  const pictures = await showSamples(dataset, indices);
  const before = await outputsPerSample(model, dataset, indices, meanings, executor);
  const after = await outputsPerSample(pruned, dataset, indices, meanings, executor);
  const batch = indices.length > 0 ? await dataset.batch(indices) : {};
  const others = otherInputs(batch, indices.length, dataset, pictures !== null);
  const picture = indices.length ? pictureIn(batch, dataset.main) : null;
  return indices.map((index, i) => ({
    src: pictures?.[i] ?? '',
    label: labelOf(dataset, names, index),
    ...(dataset.inputs.length > 1 && { others: others[i]! }),
    ...sayPrediction(before[i]!, after[i]!, { order, meanings, picture, names }),
  }));
}

/**
 * Runs one sample at a time: so few need no batches, and a model of a fixed batch size gets copies
 * of the sample.
 */
async function outputsPerSample(
  model: Model,
  dataset: Dataset,
  indices: readonly number[],
  meanings: Meanings,
  executor: Executor,
): Promise<Outputs[]> {
  const inputs = dataInputs(model);
  const size = inputs.fixedBatch ?? 1;
  const session = await executor.open(model, { threads: localDevice().cores });
  const out: Outputs[] = [];
  try {
    for (const i of indices)
      out.push(samplesOf(await session.run(padded(await dataset.batch([i]), size, inputs)), meanings, 1, size));
  } finally {
    await session.release();
  }
  return out;
}
