/**
 * Determines the readings of a model's outputs from a run on a sample and from the data's labels
 * and classes.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { OutputReading } from '../../../shared/model/job.ts';
import type { Dataset } from '../../data/dataset.ts';
import { batchFirst } from '../../engine/batch-first.ts';
import type { ExecSession, Executor, HostTensor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import { labelledOutput } from '../../engine/heads/support/labelled.ts';
import { outputOf } from '../../engine/heads/support/output.ts';
import {
  ImpossibleReading,
  layoutsIn,
  outputMeanings,
  type Evidence,
  type Meanings,
} from '../../engine/quality/meaning.ts';
import { batchOf } from '../../runtime/axes.ts';
import { batchAxesOfOutputs, declaredBatchAxes } from '../../runtime/output-axes.ts';
import { fedInputs, randomFeeds } from '../../runtime/random-inputs.ts';
import { largestLabel, requireLabelsIn } from './class-labels.ts';
import { classNamesOf } from './class-names.ts';
import type { StageContext } from '../context.ts';
import { dataInputs, padded, pictureIn } from './data-input.ts';
import { meaningsLeaf } from '../leaves.ts';
import type { Keyed } from '../stage.ts';
import { withReadings, type Prepared } from './prepare.ts';

export interface ReadingOptions {
  readonly dataset: Dataset | null;
  readonly classNames?: readonly string[] | null;
  readonly given?: Readonly<Record<string, OutputReading>> | undefined;
  /** Samples per run when the model leaves the batch open; default 1. */
  readonly batch?: number | undefined;
  /** Input values; default: a sample of the data, else random numbers. */
  readonly feeds?: Readonly<Record<string, HostTensor>>;
}

/** @throws 'usage' for an output that does not exist or does not allow the reading */
export async function readOutputs(model: Model, o: ReadingOptions, executor: Executor): Promise<Meanings> {
  const sampled = o.feeds ? null : await feedsOf(model, o.dataset, o.batch ?? 1);
  const feeds = o.feeds ?? sampled!.feeds;
  const declared = declaredBatchAxes(model);
  const session = await executor.open(model, { threads: 1, memoryPattern: false });
  let axes: ReadonlyMap<string, number>;
  let outputs: Record<string, HostTensor>;
  try {
    const raw = await session.run(feeds);
    const batch = sampled?.batch ?? batchOf(model, feeds) ?? Object.values(feeds)[0]?.dims[0] ?? 1;
    const told = model.graph.outputs.every((v) => declared.has(v.name));
    const other = told || !sampled?.larger ? null : await anotherRun(session, sampled.larger);
    axes = batchAxesOfOutputs(model, { outputs: raw, batch }, other);
    outputs = mapped(raw, (name, t) => batchFirst(t, axes.get(name) ?? 0));
  } finally {
    await session.release();
  }
  const order = model.graph.outputs.map((v) => v.name);
  const names = o.classNames ?? o.dataset?.classNames;
  const evidence = {
    shapeOf: (name: string) => outputs[name],
    batchAxisOf: (name: string) => axes.get(name),
    inputs: Object.entries(feeds).map(([name, t]) => ({ name, dims: t.dims, dtype: t.dtype })),
    largestLabel: largestLabel(o.dataset),
    classNames: names?.length ?? null,
    layouts: layoutsIn(outputs, order, pictureIn(feeds, o.dataset?.main ?? fedInputs(model)[0]?.name)),
    ...(o.given && { given: o.given }),
  };
  try {
    const meanings = outputMeanings(model, evidence);
    requireLabelled(model, o.dataset, evidence);
    return meanings;
  } catch (e) {
    if (e instanceof ImpossibleReading) throw new SecateurError('usage', { reason: e.message });
    throw e;
  }
}

/**
 * For models that needed a run to identify the labelled output. @throws 'data-labels' for a label
 * outside its classes
 */
function requireLabelled(model: Model, dataset: Dataset | null, e: Evidence): void {
  if (!dataset?.labels) return;
  const outputs = model.graph.outputs.map((v) => outputOf(v, e.shapeOf(v.name), e.batchAxisOf?.(v.name)));
  const found = labelledOutput(outputs, { ...e, largestLabel: e.largestLabel ?? -1 });
  if (found && !found.fits) requireLabelsIn(dataset, found, 'given');
}

interface Sampled {
  readonly feeds: Record<string, HostTensor>;
  readonly batch: number;
  /** The same with one more sample; null when the batch is not open. */
  readonly larger: { readonly feeds: Record<string, HostTensor>; readonly batch: number } | null;
}

async function feedsOf(model: Model, dataset: Dataset | null, batch: number): Promise<Sampled> {
  if (!dataset || dataset.length === 0) {
    const feeds = randomFeeds(model, { batch }, 1);
    const own = batchOf(model, feeds);
    const larger = own === null ? null : { feeds: randomFeeds(model, { batch: batch + 1 }, 1), batch: batch + 1 };
    return { feeds, batch: own ?? Object.values(feeds)[0]?.dims[0] ?? 1, larger };
  }
  const inputs = dataInputs(model);
  const sample = await dataset.batch([0]);
  const feeds = (size: number): Record<string, HostTensor> => ({ ...padded(sample, size, inputs) });
  const size = inputs.fixedBatch ?? batch;
  const larger = inputs.fixedBatch !== null ? null : { feeds: feeds(size + 1), batch: size + 1 };
  return { feeds: feeds(size), batch: size, larger };
}

/** Null when the model does not run at that size; the declared shapes are used then. */
async function anotherRun(session: ExecSession, { feeds, batch }: NonNullable<Sampled['larger']>) {
  try {
    return { outputs: await session.run(feeds), batch };
  } catch (e) {
    if (e instanceof SecateurError && e.code === 'runtime-rejected') return null;
    throw e;
  }
}

const mapped = (
  tensors: Readonly<Record<string, HostTensor>>,
  f: (name: string, t: HostTensor) => HostTensor,
): Record<string, HostTensor> => Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, f(name, t)]));

/** A job's working model, with its outputs read by all available evidence. */
export async function withMeanings(
  prepared: Keyed<Prepared>,
  o: Pick<ReadingOptions, 'dataset' | 'given' | 'batch'> & { readonly model: Model; readonly path: string },
  ctx: Pick<StageContext, 'executor'>,
): Promise<Keyed<Prepared>> {
  const classNames = await classNamesOf(o.model, o.path, o.dataset);
  const meanings = await readOutputs(o.model, { ...o, classNames }, ctx.executor);
  return withReadings.run({ prepared, meanings: meaningsLeaf(meanings) }, ctx);
}
