/** Opens data for a model: preprocessed according to its files, in the shapes of its inputs. */
import { takesPictures } from '../../data/array-input.ts';
import { openDataset, type Dataset } from '../../data/dataset.ts';
import type { InputSpec } from '../../data/input-spec.ts';
import { resolvePreprocess } from '../../data/preprocess.ts';
import type { OutputReading, Preprocess } from '../../../shared/model/job.ts';
import { presetNamed, withPreset } from '../../../shared/model/preprocess-presets.ts';
import { DType, isFloat } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import { fedInputs, idLimit } from '../../runtime/random-inputs.ts';
import { requireLabelsWithin } from './class-labels.ts';
import type { StageContext } from '../context.ts';
import { figures } from '../stage.ts';
import { dataInputs, type DataInput } from './data-input.ts';
import { fillNotes, mayLeaveOut, shapesFrom, withNamedInputs } from './named-fill.ts';

/** Data sets that were already decoded once; their identities are the names of the figures. */
const seenData = figures({ name: 'images', version: 2, inputs: {} });

const NO_PREPROCESS = { preprocess: null, notes: [] };

/** The data source of a model. */
export interface ModelData {
  readonly data: string;
  readonly labels?: string | undefined;
  /** Path of a file, or the name of a preset. */
  readonly preprocess?: string | undefined;
  readonly seed?: number | undefined;
  /** Sizes of the model's dynamic axes, as given. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** Readings of outputs, as given. */
  readonly outputs?: Readonly<Record<string, OutputReading>> | undefined;
}

/**
 * @param path path of the model, beside which a preprocessing file may lie
 * @param instead replaces the preprocessing that is given or lies beside the model
 * @returns the data, and the shapes of a sample when those determine the sizes of the model's
 * inputs
 * @throws errors of `openDataset`, 'data-shape', 'data-labels'
 */
export async function openModelData(
  model: Model,
  path: string,
  o: ModelData,
  ctx: Pick<StageContext, 'memo'>,
  instead?: Preprocess,
): Promise<{ dataset: Dataset; notes: string[]; shapes: Readonly<Record<string, readonly number[]>> }> {
  const inputs = dataInputs(model);
  const specs = inputSpecs(model, o.dims);
  const preset = o.preprocess === undefined ? undefined : presetNamed(o.preprocess);
  // A preset sets the values; the crop of an image comes from the file beside the model.
  const given = preset ? undefined : o.preprocess;
  // A preprocessing file beside a model that only takes ids belongs to another component.
  const pictured = specs.some((s) => s.shape.length === 4 || takesPictures(s));
  const found = given === undefined && !pictured ? NO_PREPROCESS : await resolvePreprocess(path, given);
  const named = preset && withPreset(found.preprocess, preset, inputs.inputs.some((i) => isGrey(i.dims)) ? 1 : 3);
  const opened = await openDataset({
    data: o.data,
    labels: o.labels,
    preprocess: instead ?? named ?? found.preprocess,
    inputs: specs,
    ...(o.seed !== undefined && { seed: o.seed }),
    seen: seenData.open({}, ctx),
  });
  const presetNote = preset ? [`Preprocessing: ${preset.label}.`] : [];
  const filled = inputs.inputs.filter((i) => !opened.inputs.includes(i.name));
  const notes = [...(named ? presetNote : found.notes), ...opened.notes, ...fillNotes(filled)];
  try {
    const dataset = withNamedInputs(opened, model, inputs, { dims: o.dims, path: o.data });
    requireLabelsWithin(dataset, model, { path: o.labels ?? o.data, outputs: o.outputs });
    const open = new Set(specs.filter((s) => s.shape.some((d, axis) => d < 1 && (s.shared || axis > 0))).map((s) => s.name)); // prettier-ignore
    if (open.size === 0) return { dataset, notes, shapes: {} };
    const said = Object.entries(shapesFrom(await dataset.batch([0]), model, filled, o.dims));
    const shapes = said.filter(([name]) => open.has(name));
    return { dataset, notes, shapes: Object.fromEntries(shapes) };
  } catch (e) {
    await opened.close();
    throw e;
  }
}

/**
 * The open inputs of a model, from the view of the data.
 * @param dims sizes of dynamic axes, as given; open sizes come from the data
 */
export function inputSpecs(model: Model, dims: Readonly<Record<string, number>> = {}): InputSpec[] {
  const { inputs } = dataInputs(model);
  const values = new Map(fedInputs(model).map((v) => [v.name, v]));
  return inputs.map((input) => {
    const rows = isFloat(input.dtype) || input.dtype === DType.BOOL ? null : idLimit(values.get(input.name)!);
    return {
      name: input.name,
      dtype: input.dtype,
      shape: input.dims.map((size, axis) => knownSize(input, axis, model, dims) ?? size),
      likelyShape: input.dims,
      ...(rows !== null && { ids: rows }),
      ...(input.shared && { shared: true }),
      ...(mayLeaveOut(input, dims) && { optional: true }),
    };
  });
}

/**
 * Size of an axis for the data: 0 when the data decide it, undefined when it is declared or
 * settled.
 */
function knownSize(input: DataInput, axis: number, model: Model, dims: Readonly<Record<string, number>>) {
  const name = input.dynamic[axis] ?? null;
  if (name === null || model.sizes.has(name) || (axis === 0 && !input.shared)) return undefined;
  return dims[name] ?? 0;
}

/** True for one channel instead of three, on any axis. */
const isGrey = (dims: readonly number[]): boolean =>
  dims.length === 4 && dims[1] !== 3 && dims[3] !== 3 && (dims[1] === 1 || dims[3] === 1);
