/** Data as a model wants it: preprocessed as its files say, in the shape of its input. */
import { openDataset, type Dataset } from '../data/dataset.ts';
import { resolvePreprocess } from '../data/preprocess.ts';
import type { Model } from '../engine/ir/model.ts';
import type { StageContext } from './context.ts';
import { dataInput } from './evaluate.ts';

/**
 * @param path of the model, beside which a preprocessing file may lie
 * @param o.dims sizes of the model's dynamic axes, as given
 * @returns the data, and the shape of a sample where that says how large the model's input is
 */
export async function openModelData(
  model: Model,
  path: string,
  o: {
    readonly data: string;
    readonly labels?: string;
    readonly preprocess?: string;
    readonly seed?: number;
    readonly dims?: Readonly<Record<string, number>>;
  },
  ctx: Pick<StageContext, 'memo'>,
): Promise<{ dataset: Dataset; notes: string[]; shapes: Readonly<Record<string, readonly number[]>> }> {
  const input = dataInput(model);
  // Sizes that nothing has settled are the data's own.
  const open = input.dynamic.map((name, axis) => axis > 0 && name !== null && !model.sizes.has(name) && o.dims?.[name]);
  const sizeOf = (axis: number): number => (open[axis] === undefined ? 0 : open[axis] || input.dims[axis]!);
  const preprocess = await resolvePreprocess(path, o.preprocess);
  const dataset = await openDataset({
    data: o.data,
    labels: o.labels,
    preprocess: preprocess.preprocess,
    inputShape: input.dims.map((_, axis) => sizeOf(axis)),
    likelyShape: input.dims,
    inputDtype: input.dtype,
    ...(o.seed !== undefined && { seed: o.seed }),
    seen: ctx.memo('images', {}),
  });
  const notes = [...preprocess.notes, ...dataset.notes];
  if (!open.includes(undefined)) return { dataset, notes, shapes: {} };
  try {
    return { dataset, notes, shapes: { [input.name]: (await dataset.batch([0])).dims } };
  } catch (e) {
    await dataset.close();
    throw e;
  }
}
