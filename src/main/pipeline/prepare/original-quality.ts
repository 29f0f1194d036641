/**
 * The original's quality on the data, before any pruning: it reveals wrong preprocessing and wrong
 * labels.
 */
import type { CompressRequest, OutputMeaning } from '../../../shared/model/job.ts';
import { PRESET_LIST, withPreset, type PresetInfo } from '../../../shared/model/preprocess-presets.ts';
import type { Interval, OriginalQuality, PresetTrial } from '../../../shared/model/quality.ts';
import type { Dataset } from '../../data/dataset.ts';
import { sampleIndices } from '../../data/split.ts';
import { inOrder, type HostTensor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import { wilson } from '../../engine/heads/support/intervals.ts';
import { classesIn, type Meanings } from '../../engine/quality/meaning.ts';
import { floats } from '../../engine/heads/support/values.ts';
import { argmax } from '../../engine/heads/support/metrics.ts';
import { localDevice } from '../../runtime/device.ts';
import { classNamesOf } from './class-names.ts';
import type { StageContext } from '../context.ts';
import { dataInputs, padded, samplesOf } from './data-input.ts';
import { openModelData, type ModelData } from './model-data.ts';

/** Limits on samples and seconds; presets are tried on fewer samples. */
const LOOK = { samples: 500, seconds: 20, trial: 100 } as const;
const BATCH = 32;
/**
 * Other presets are tried below this accuracy: a good model that is only mediocre here may get
 * wrong inputs.
 */
const MEDIOCRE = 0.6;
/** Share of samples in one class above which predictions are suspicious, when labels differ. */
const MONOTONE = 0.9;
const SHOWN = 10;

export interface OriginalOptions {
  readonly model: Model;
  readonly path: string;
  readonly dataset: Dataset;
  readonly meanings: Meanings;
  /** The data source, which presets open again. */
  readonly source: ModelData;
  readonly limits?: { readonly samples: number; readonly seconds: number; readonly trial: number };
}

interface Seen {
  readonly samples: number;
  readonly right: number;
  /** Accuracy if labels were one larger, or one smaller. */
  readonly shifted: readonly [number, number];
  readonly labels: ReadonlyMap<number, number>;
  readonly predicted: ReadonlyMap<number, number>;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly nonFinite: number;
  readonly classes: number;
}

export async function originalQuality(
  o: OriginalOptions,
  ctx: Pick<StageContext, 'executor' | 'memo'>,
): Promise<OriginalQuality> {
  const { samples, seconds, trial } = o.limits ?? LOOK;
  const { dataset, model } = o;
  const named = classesIn(o.meanings);
  const found = named === undefined ? undefined : o.meanings.get(named);
  const scored = found?.axis === undefined ? undefined : found;
  const seen = await look({ model, dataset, meanings: o.meanings, scored, count: samples, seconds }, ctx);
  const names = await classNamesOf(model, o.path, dataset);
  const common = {
    samples: seen.samples,
    of: dataset.length,
    outputs: [...o.meanings.values()],
    input: { min: seen.min, max: seen.max, mean: seen.mean },
    nonFinite: seen.nonFinite,
    ...(scored && { predicted: sharesOf(seen, names) }),
  };
  const warnings: string[] = [];
  if (seen.nonFinite) warnings.push(`The model gives NaN or infinity on ${seen.nonFinite} of ${seen.samples} samples.`);
  const top = Math.max(0, ...seen.predicted.values()) / seen.samples;
  if (!scored || !dataset.labels) {
    if (scored && seen.samples >= SHOWN && top > MONOTONE)
      warnings.push(`The model gives the same class for ${percent(top)} of the samples: check the preprocessing.`);
    return { ...common, warnings };
  }
  const top1 = seen.right / seen.samples;
  const interval = wilson(seen.right, seen.samples);
  const chance = Math.max(1 / seen.classes, Math.max(...seen.labels.values()) / seen.samples);
  const near = interval.low <= chance;
  if (near)
    warnings.push(
      `The original is right on ${percent(top1)} of ${seen.samples} samples${range(interval)}, not above chance (${percent(chance)}): check preprocessing and labels.`,
    );
  const shift = seen.shifted.findIndex((n) => wilson(n, seen.samples).low > interval.high);
  if (shift >= 0)
    warnings.push(
      `With labels one ${shift === 0 ? 'larger' : 'smaller'} it would be right on ${percent(seen.shifted[shift]! / seen.samples)}: classes may be counted from another number.`,
    );
  const tried = near || top1 < MEDIOCRE ? await tryPresets(o, scored, trial, seconds, ctx) : [];
  const best = tried[0];
  const proposed = best && best.interval.low > interval.high ? best : undefined;
  if (proposed)
    warnings.push(
      `With --preprocess ${proposed.preset} it is right on ${percent(proposed.top1)} of ${proposed.samples} samples${range(proposed.interval)}.`,
    );
  return {
    ...common,
    top1,
    interval,
    chance,
    warnings,
    ...(tried.length > 0 && { tried }),
    ...(proposed && { proposed: proposed.preset }),
  };
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
const range = (i: Interval): string => ` (${(100 * i.low).toFixed(0)} to ${(100 * i.high).toFixed(0)} %)`;

function sharesOf(seen: Seen, names: readonly string[] | null): NonNullable<OriginalQuality['predicted']> {
  return [...seen.predicted]
    .sort((a, b) => b[1] - a[1])
    .slice(0, SHOWN)
    .map(([c, n]) => ({ label: names?.[c] ?? String(c), share: n / seen.samples }));
}

/**
 * Trials of presets, best first. Empty when arrays are passed through unchanged, since presets
 * would have no effect.
 */
async function tryPresets(
  o: OriginalOptions,
  scored: OutputMeaning,
  count: number,
  seconds: number,
  ctx: Pick<StageContext, 'executor' | 'memo'>,
): Promise<PresetTrial[]> {
  const { dataset, model } = o;
  const now = dataset.preprocess;
  if (!now || now.dtype === 'uint8') return [];
  const grey = now.colorOrder === 'GRAY';
  const out: PresetTrial[] = [];
  for (const preset of PRESET_LIST) {
    if (grey && preset.colorOrder === 'BGR') continue;
    const other = await openWith(o, preset, ctx);
    try {
      const seen = await look(
        { model, dataset: other, meanings: o.meanings, scored, count, seconds: seconds / 4 },
        ctx,
      );
      const top1 = seen.right / seen.samples;
      out.push({ preset: preset.name, top1, interval: wilson(seen.right, seen.samples), samples: seen.samples });
    } finally {
      await other.close();
    }
  }
  return out.sort((a, b) => b.top1 - a.top1);
}

/** Opens the same data with a preset; geometry and layout stay as in force. */
export async function openWith(
  o: Pick<OriginalOptions, 'model' | 'path' | 'dataset' | 'source'>,
  preset: PresetInfo,
  ctx: Pick<StageContext, 'memo'>,
): Promise<Dataset> {
  const now = o.dataset.preprocess;
  const channels = now?.colorOrder === 'GRAY' ? 1 : 3;
  return (await openModelData(o.model, o.path, o.source, ctx, withPreset(now, preset, channels))).dataset;
}

async function look(
  o: {
    readonly model: Model;
    readonly dataset: Dataset;
    readonly meanings: Meanings;
    readonly scored: OutputMeaning | undefined;
    readonly count: number;
    readonly seconds: number;
  },
  ctx: Pick<StageContext, 'executor'>,
): Promise<Seen> {
  const { model, dataset, scored, meanings } = o;
  const inputs = dataInputs(model);
  const size = inputs.fixedBatch ?? Math.min(BATCH, dataset.length);
  const indices = sampleIndices(dataset.length, o.count, { seed: 0, labels: dataset.labels });
  const order = model.graph.outputs.map((v) => v.name);
  const [labels, predicted] = [new Map<number, number>(), new Map<number, number>()];
  let [samples, right, up, down, classes, nonFinite] = [0, 0, 0, 0, 1, 0];
  let [min, max, sum, elements] = [Infinity, -Infinity, 0, 0];
  const count = (of: Map<number, number>, key: number): void => void of.set(key, (of.get(key) ?? 0) + 1);
  const session = await ctx.executor.open(model, { threads: localDevice().cores, memoryPattern: false });
  const until = performance.now() + 1000 * o.seconds;
  try {
    for (let at = 0; at < indices.length && (at === 0 || performance.now() < until); at += size) {
      const chunk = indices.slice(at, at + size);
      const batch = await dataset.batch(chunk);
      for (const x of numbersOf(batch[dataset.main]!)) {
        if (x < min) min = x;
        if (x > max) max = x;
        sum += x;
        elements++;
      }
      const outputs = samplesOf(await session.run(padded(batch, size, inputs)), meanings, chunk.length, size);
      samples += chunk.length;
      nonFinite += brokenIn(
        inOrder(outputs, order).map(([, t]) => t),
        chunk.length,
      );
      const scores = scored && outputs[scored.name];
      const x = scores && floats(scores);
      if (!x) continue;
      classes = x.length / chunk.length;
      chunk.forEach((index, i) => {
        const best = argmax(x, i * classes, classes);
        count(predicted, best);
        const label = dataset.labels?.[index];
        if (label === undefined) return;
        count(labels, label);
        if (best === label) right++;
        if (best === label + 1) up++;
        if (best === label - 1) down++;
      });
    }
  } finally {
    await session.release();
  }
  return { samples, right, shifted: [up, down], labels, predicted, min, max, mean: sum / Math.max(1, elements), nonFinite, classes }; // prettier-ignore
}

const numbersOf = (t: HostTensor): Iterable<number> =>
  floats(t) ?? Array.from(t.data as ArrayLike<number | bigint>, Number);

/** Number of samples in a batch with NaN or infinity in any output. */
function brokenIn(outputs: readonly HostTensor[], count: number): number {
  const broken = new Set<number>();
  for (const t of outputs) {
    const x = floats(t);
    if (!x || t.dims[0] !== count) continue;
    const size = x.length / count;
    for (let i = 0; i < x.length; i++) if (!Number.isFinite(x[i])) broken.add(Math.floor(i / size));
  }
  return broken.size;
}

/** Limits of the look at the start of a job. */
const GLIMPSE = { samples: 256, seconds: 10, trial: 100 };

/** Suspicious findings about the original on the data of a job, as sentences; none without data. */
export async function firstLook(
  o: {
    readonly request: CompressRequest;
    readonly model: Model;
    readonly meanings: Meanings;
    readonly dataset: Dataset | null;
  },
  ctx: StageContext,
): Promise<readonly string[]> {
  const { request, dataset } = o;
  if (!dataset) return [];
  ctx.progress({ stage: 'load', message: 'what the original makes of the data', done: 0.5 });
  const source = { ...request, data: request.data! };
  const look = { ...o, dataset, path: request.model, source, limits: GLIMPSE };
  const { warnings } = await originalQuality(look, ctx);
  for (const w of warnings) ctx.log(`original: ${w}`);
  return warnings;
}
