/** What a model and its pruned self say to the same samples, in a few words each. */
import type { OutputReading } from '../../shared/model/job.ts';
import type { ReviewData } from '../../shared/model/window.ts';
import type { Dataset } from '../data/dataset.ts';
import { inOrder, type Executor } from '../engine/executor.ts';
import type { Model } from '../engine/ir/model.ts';
import { boxLayout, matchedBoxes, pictureOf, readBoxes } from '../engine/heads/support/detections.ts';
import type { Meanings } from '../engine/quality/meaning.ts';
import { floats, type Outputs } from '../engine/quality/meter.ts';
import { argmax, difference } from '../engine/heads/support/metrics.ts';
import { localDevice } from '../runtime/device.ts';
import { classNamesOf } from '../pipeline/prepare/class-names.ts';
import { dataInput, pad, samplesOf } from '../pipeline/prepare/data-input.ts';
import { readOutputs } from '../pipeline/prepare/readings.ts';
import { labelOf, showSamples } from './preview.ts';

/** Samples that are shown. */
const SHOWN = 12;

/**
 * The predicted class of each sample before and after, by name where classes have names; of detectors how many boxes they
 * find. Other outputs are told by their cosine to the original's.
 * @param o.path of the original; @param o.from samples to take the first of, such as those that no stage has learned from
 */
export async function samplePredictions(
  o: {
    readonly model: Model;
    readonly path: string;
    readonly pruned: Model;
    readonly dataset: Dataset;
    readonly from: readonly number[];
    /** How outputs are read; default: inferred. */
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
  const picture = indices.length ? pictureOf((await dataset.batch(indices.slice(0, 1))).dims) : null;
  return indices.map((index, i) => ({
    src: pictures?.[i] ?? '',
    label: labelOf(dataset, names, index),
    ...(boxesIn(before[i]!, after[i]!, order, picture, meanings) ??
      answer(before[i]!, after[i]!, order, names, meanings)),
  }));
}

/** One sample at a time: so few need no batches, and a model of a fixed batch size gets its copies. */
async function outputsPerSample(
  model: Model,
  dataset: Dataset,
  indices: readonly number[],
  meanings: Meanings,
  executor: Executor,
): Promise<Outputs[]> {
  const input = dataInput(model);
  const size = input.fixedBatch ? Math.max(1, input.dims[0]!) : 1;
  const session = await executor.open(model, { threads: localDevice().cores });
  const out: Outputs[] = [];
  try {
    for (const i of indices)
      out.push(samplesOf(await session.run({ [input.name]: pad(await dataset.batch([i]), size) }), meanings, 1, size));
  } finally {
    await session.release();
  }
  return out;
}

/** What detectors find, and how much of it is the same. */
function boxesIn(
  before: Outputs,
  after: Outputs,
  order: readonly string[],
  picture: readonly [number, number] | null,
  meanings: Meanings,
): { readonly before: string; readonly after: string } | null {
  const detects = [...meanings.values()].some((m) => m.reading === 'boxes');
  const layout = detects ? boxLayout(before, order, picture) : null;
  if (!layout) return null;
  const [own, other] = [before, after].map((o) => readBoxes(o, layout, picture)[0] ?? []);
  const boxes = (n: number): string => (n === 1 ? '1 box' : `${n} boxes`);
  const same = matchedBoxes(own!, other!);
  const all = same === own!.length && same === other!.length;
  return { before: boxes(own!.length), after: all ? boxes(same) : `${boxes(other!.length)}, ${same} the same` };
}

/** Of the first output that holds floats. */
function answer(
  before: Outputs,
  after: Outputs,
  order: readonly string[],
  names: readonly string[] | null,
  meanings: Meanings,
): { readonly before: string; readonly after: string } {
  for (const [name, t] of inOrder(before, order)) {
    const [a, b] = [floats(t), after[name] ? floats(after[name]) : null];
    if (!a || !b) continue;
    if (meanings.get(name)?.reading === 'classes' && meanings.get(name)!.axis !== undefined) {
      const top = (x: ArrayLike<number>): string => {
        const k = argmax(x, 0, a.length);
        return names?.[k] ?? String(k);
      };
      return { before: top(a), after: top(b) };
    }
    if (a.length !== b.length) continue;
    const { dot, signal, other } = difference(a, b);
    const cosine = dot / Math.sqrt(signal * other || 1);
    return { before: 'cosine 1', after: `cosine ${cosine.toFixed(4)}` };
  }
  return { before: '', after: '' };
}
