/** Calibration samples as batches in memory, and the original's outputs on them. */
import { joinRows, rowsAt, type ExecSession, type Executor, type HostTensor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import { seededRandom } from '../../engine/random.ts';
import type { Dataset } from '../../data/dataset.ts';
import { batchOf } from '../../runtime/axes.ts';
import { fedInputs, randomFeeds } from '../../runtime/random-inputs.ts';
import { derived, input } from '../stage.ts';
import { dataInputs, mapSample, pad } from './data-input.ts';
import type { Samples } from './job-data.ts';

export interface Calibration {
  /** The image input, else the first input. */
  readonly input: string;
  /** Inputs without a batch axis, whose value all samples share; default: none. */
  readonly shared?: ReadonlySet<string>;
  /** Samples per batch; all batches have the same size. */
  readonly size: number;
  readonly batches: readonly Readonly<Record<string, HostTensor>>[];
  readonly labels: readonly (readonly number[] | null)[];
  /** False when the inputs are random numbers because there are no data. */
  readonly real: boolean;
}

/** @param indices samples to use, cut to whole batches @internal */
export async function calibrationOf(
  model: Model,
  dataset: Dataset | null,
  indices: readonly number[],
  size: number,
  seed: number,
): Promise<Calibration> {
  if (!dataset) {
    const feeds = (i: number): Record<string, HostTensor> => randomFeeds(model, { batch: size }, seed + i);
    const first = feeds(0);
    // In the graph's order, because an object would put numeric names first.
    const input = fedInputs(model)[0]!.name;
    const given = first[input]!;
    // A model with a fixed batch size uses that size.
    const per = Math.max(1, batchOf(model, first) ?? given.dims[0] ?? size);
    const batches = Array.from({ length: Math.max(4, Math.ceil((4 * size) / per)) }, (_, i) => (i ? feeds(i) : first));
    return { input, size: per, batches, labels: batches.map(() => null), real: false };
  }
  const { fixedBatch, shared } = dataInputs(model);
  const per = fixedBatch ?? Math.max(1, Math.min(size, indices.length));
  const batches: Record<string, HostTensor>[] = [];
  const labels: (number[] | null)[] = [];
  for (let at = 0; at + per <= indices.length; at += per) {
    const chunk = indices.slice(at, at + per);
    batches.push(await dataset.batch(chunk));
    labels.push(dataset.labels ? chunk.map((i) => dataset.labels![i]!) : null);
  }
  return { input: dataset.main, shared, size: per, batches, labels, real: true };
}

/** Calibration samples of a job: `count` training samples, in batches of `size`. */
export const drawCalibration = derived({
  name: 'calibration',
  version: 1,
  inputs: {
    source: input<Model>(),
    samples: input<Samples>(),
    count: input<number>(),
    size: input<number>(),
    seed: input<number>(),
  },
  run: ({ source, samples, count, size, seed }) =>
    calibrationOf(source, samples.dataset, draw(samples.train, count, seed), size, seed),
});

/** The first batches, with `n` samples or slightly more. */
export function firstSamples(c: Calibration, n: number): Calibration {
  const k = Math.max(1, Math.ceil(n / c.size));
  return { ...c, batches: c.batches.slice(0, k), labels: c.labels.slice(0, k) };
}

/** The last batches, with `n` samples or slightly fewer. */
export function lastSamples(c: Calibration, n: number): Calibration {
  const from = c.batches.length - Math.floor(n / c.size);
  return { ...c, batches: c.batches.slice(from), labels: c.labels.slice(from) };
}

/**
 * The same samples in batches of another size. A remainder is dropped; too few samples for one
 * batch are filled up by repeating the first.
 */
export function resized(c: Calibration, size: number): Record<string, HostTensor>[] {
  if (c.size === size) return [...c.batches];
  const per = Math.ceil(size / c.size);
  const out: Record<string, HostTensor>[] = [];
  for (let i = 0; i < c.batches.length; i += per) {
    const whole = joined(c, i, i + per);
    const rows = Math.min(per, c.batches.length - i) * c.size;
    const perSample = (f: (t: HostTensor) => HostTensor) =>
      mapSample(whole, (t, name) => (c.shared?.has(name) ? t : f(t)));
    for (let at = 0; at + size <= rows; at += size) out.push(perSample((t) => rowsAt(t, at, size)));
    if (out.length === 0) out.push(perSample((t) => pad(t, size)));
  }
  return out;
}

/** Joins consecutive batches into one. */
function joined({ batches, shared }: Calibration, from: number, to: number): Readonly<Record<string, HostTensor>> {
  const [first, ...others] = batches.slice(from, to);
  if (others.length === 0) return first!;
  return mapSample(first!, (t, name) => (shared?.has(name) ? t : joinRows([t, ...others.map((b) => b[name]!)])));
}

/**
 * The same samples in batches of `least` or slightly more, when the given batches are smaller and
 * divide evenly; without labels.
 */
export function inLargerBatches(c: Calibration, least: number): Calibration {
  const count = c.batches.length;
  const k = Array.from({ length: count }, (_, i) => i + 1).find((n) => count % n === 0 && n * c.size >= least) ?? count;
  if (k === 1 || !c.real) return c;
  const batches = Array.from({ length: count / k }, (_, i) => joined(c, k * i, k * (i + 1)));
  return { ...c, size: k * c.size, batches, labels: batches.map(() => null) };
}

/** Draws `n` of the given indices. */
function draw(indices: readonly number[], n: number, seed: number): number[] {
  const all = [...indices];
  seededRandom(seed).shuffle(all);
  return all.slice(0, n);
}

/** Runs a session on all batches and returns one record of outputs per batch. */
async function runAll(session: ExecSession, c: Calibration): Promise<Record<string, HostTensor>[]> {
  const out: Record<string, HostTensor>[] = [];
  for (const feeds of c.batches) out.push(await session.run(feeds));
  return out;
}

export async function outputsOf(executor: Executor, model: Model, c: Calibration, threads: number) {
  const session = await executor.open(model, { threads });
  try {
    return await runAll(session, c);
  } finally {
    await session.release();
  }
}
