/** A first look at data: the number of samples, their classes, and the preprocessed inputs. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { PreviewRequest } from '../../shared/model/tasks.ts';
import { PRESET_LIST } from '../../shared/model/preprocess-presets.ts';
import type { DataPreview, PresetPreview } from '../../shared/model/window.ts';
import type { Dataset } from '../data/dataset.ts';
import { dataUrlOf, picturesOf } from '../data/pictures.ts';
import { floats } from '../engine/heads/support/values.ts';
import { sizesIn } from '../runtime/axes.ts';
import { openModelFile } from '../storage/model-files.ts';
import { classNamesOf } from '../pipeline/prepare/class-names.ts';
import type { StageContext } from '../pipeline/context.ts';
import { otherInputs } from './sample-text.ts';
import { openWith, originalQuality, type OriginalOptions } from '../pipeline/prepare/original-quality.ts';
import { readOutputs } from '../pipeline/prepare/readings.ts';
import { openModelData } from '../pipeline/prepare/model-data.ts';
import { requireRunnable } from '../pipeline/prepare/runnable.ts';

/** Number of samples shown. */
const SHOWN = 24;
/** Limits for the original's predictions on the data; small, because a person is waiting. */
const GLIMPSE = { samples: 200, seconds: 5, trial: 60 };

/**
 * Opens data as a job would. Throws the same errors: file-*, data-*, preprocess-invalid,
 * image-unreadable.
 */
export async function runPreview(request: PreviewRequest, ctx: StageContext): Promise<DataPreview> {
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const model = openModelFile(request.model);
  requireRunnable(model);
  ctx.progress({ stage: 'data', message: 'opening the data', done: 0 });
  const { dataset, notes, shapes } = await openModelData(model, request.model, request, ctx);
  try {
    // Reading batches may add notes.
    const before = dataset.notes.length;
    const shown = Array.from({ length: Math.min(SHOWN, dataset.length) }, (_, i) => i);
    const names = await classNamesOf(model, request.model, dataset);
    const pictures = await showSamples(dataset, shown);
    const others = otherInputs(await dataset.batch(shown), shown.length, dataset, pictures !== null);
    const several = dataset.inputs.length > 1;
    const classes = dataset.labels ? (names?.length ?? dataset.labels.reduce((a, b) => Math.max(a, b), -1) + 1) : null;
    const all = [...notes, ...dataset.notes.slice(before)];
    if (!pictures && !several) all.push('The samples are not pictures of 1 or 3 channels, so none are shown.');
    ctx.progress({ stage: 'data', message: 'running the model on the data', done: 0.5 });
    const meanings = await readOutputs(model, { dataset, classNames: names, given: request.outputs }, ctx.executor);
    const look = { model, path: request.model, dataset, meanings, source: request, limits: GLIMPSE };
    const original = await originalQuality(look, ctx);
    const presets = pictures ? await presetPreviews(look, ctx) : [];
    ctx.progress({ stage: 'data', message: 'done', done: 1 });
    return {
      kind: await kindOf(request.data),
      samples: dataset.length,
      labelled: dataset.labels !== null,
      classes,
      classNames: names,
      images: (pictures ?? (several ? shown.map(() => '') : [])).map((src, i) => ({
        src,
        label: labelOf(dataset, names, i),
        ...(several && { others: others[i]! }),
      })),
      preprocess: { ...dataset.preprocess },
      sizes: sizesIn(model, Object.fromEntries(Object.entries(shapes).map(([name, dims]) => [name, { dims }]))),
      original,
      presets,
      notes: all,
    };
  } finally {
    await dataset.close();
  }
}

/**
 * The first sample as preprocessed by each preset: the image shows the channel order, the range
 * shows the values.
 */
async function presetPreviews(o: OriginalOptions, ctx: Pick<StageContext, 'memo'>): Promise<PresetPreview[]> {
  const now = o.dataset.preprocess;
  if (!now || now.dtype === 'uint8') return [];
  const out: PresetPreview[] = [];
  for (const preset of PRESET_LIST) {
    if (now.colorOrder === 'GRAY' && preset.colorOrder === 'BGR') continue;
    const dataset = await openWith(o, preset, ctx);
    try {
      const values = floats((await dataset.batch([0]))[dataset.main]!) ?? new Float32Array();
      let [min, max] = [Infinity, -Infinity];
      for (const x of values) {
        min = Math.min(min, x);
        max = Math.max(max, x);
      }
      const src = (await showSamples(dataset, [0]))?.[0] ?? '';
      out.push({ preset: preset.name, label: preset.label, min, max, src });
    } finally {
      await dataset.close();
    }
  }
  return out;
}

/** PNG data URLs of samples after preprocessing, or null when they are not images. */
export async function showSamples(dataset: Dataset, indices: readonly number[]): Promise<string[] | null> {
  if (indices.length === 0) return [];
  const pictures = picturesOf((await dataset.batch(indices))[dataset.main]!, dataset.preprocess);
  return pictures && Promise.all(pictures.map(dataUrlOf));
}

/** Class name of a sample, its number when classes have no names, null without labels. */
export function labelOf(dataset: Dataset, names: readonly string[] | null, index: number): string | null {
  const label = dataset.labels?.[index];
  return label === undefined ? null : (names?.[label] ?? String(label));
}

async function kindOf(path: string): Promise<string> {
  if ((await stat(path)).isDirectory()) return 'folder';
  const type = extname(path).toLowerCase();
  if (type === '.csv' || type === '.tsv') return 'table';
  return type === '.npy' || type === '.npz' ? 'array file' : 'single image';
}
