/** Data as a model wants it: preprocessed as its files say, in the shape of its input. */
import { openDataset, type Dataset } from '../../data/dataset.ts';
import { resolvePreprocess } from '../../data/preprocess.ts';
import type { OutputReading, Preprocess } from '../../../shared/model/job.ts';
import { presetNamed, withPreset } from '../../../shared/model/preprocess-presets.ts';
import type { Model } from '../../engine/ir/model.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import { axisNames, batchAxes } from '../../runtime/axes.ts';
import { requireLabelsWithin } from './class-labels.ts';
import type { StageContext } from '../context.ts';
import { figures } from '../stage.ts';
import { dataInput } from './data-input.ts';

/** Which data sets were seen to decode: their identities are the names of the figures. */
const seenData = figures({ name: 'images', version: 1, inputs: {} });

/** How data are given. */
export interface ModelData {
  readonly data: string;
  readonly labels?: string | undefined;
  /** A file, or the name of a preset. */
  readonly preprocess?: string | undefined;
  readonly seed?: number | undefined;
  /** Sizes of the model's dynamic axes, as given. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** How outputs are read, as given. */
  readonly outputs?: Readonly<Record<string, OutputReading>> | undefined;
}

/**
 * @param path of the model, beside which a preprocessing file may lie
 * @param instead of the preprocessing that is given or lies beside the model
 * @returns the data, and the shape of a sample where that says how large the model's input is
 */
export async function openModelData(
  model: Model,
  path: string,
  o: ModelData,
  ctx: Pick<StageContext, 'memo'>,
  instead?: Preprocess,
): Promise<{ dataset: Dataset; notes: string[]; shapes: Readonly<Record<string, readonly number[]>> }> {
  const input = dataInput(model);
  const batch = model.graph.inputs.find((v) => v.name === input.name);
  const axis = batch ? axisNames(batch).findIndex((n) => n !== null && batchAxes(model).has(n)) : 0;
  if (axis > 0)
    throw new SecateurError('data-shape', {
      reason: `samples lie along axis ${axis} of the input ${input.name}, and data are given along the first`,
    });
  // Sizes that nothing has settled are the data's own.
  const open = input.dynamic.map((name, axis) => axis > 0 && name !== null && !model.sizes.has(name) && o.dims?.[name]);
  const sizeOf = (axis: number): number => (open[axis] === undefined ? 0 : open[axis] || input.dims[axis]!);
  const preset = o.preprocess === undefined ? undefined : presetNamed(o.preprocess);
  // A preset says what values are; what is cut out of a picture is told by what lies beside the model.
  const found = await resolvePreprocess(path, preset ? undefined : o.preprocess);
  const named = preset && withPreset(found.preprocess, preset, isGrey(input.dims) ? 1 : 3);
  const dataset = await openDataset({
    data: o.data,
    labels: o.labels,
    preprocess: instead ?? named ?? found.preprocess,
    inputShape: input.dims.map((_, axis) => sizeOf(axis)),
    likelyShape: input.dims,
    inputDtype: input.dtype,
    ...(o.seed !== undefined && { seed: o.seed }),
    seen: seenData.open({}, ctx),
  });
  const said = preset ? [`Preprocessing: ${preset.label}.`] : [];
  const notes = [...(named ? said : found.notes), ...dataset.notes];
  try {
    requireLabelsWithin(dataset, model, { path: o.labels ?? o.data, outputs: o.outputs });
  } catch (e) {
    await dataset.close();
    throw e;
  }
  if (!open.includes(undefined)) return { dataset, notes, shapes: {} };
  try {
    return { dataset, notes, shapes: { [input.name]: (await dataset.batch([0])).dims } };
  } catch (e) {
    await dataset.close();
    throw e;
  }
}

/** One channel and not three, wherever it stands. */
const isGrey = (dims: readonly number[]): boolean =>
  dims.length === 4 && dims[1] !== 3 && dims[3] !== 3 && (dims[1] === 1 || dims[3] === 1);
