/** Data as a model wants it: preprocessed as its files say, in the shape of its input. */
import { openDataset, type Dataset } from '../data/dataset.ts';
import { resolvePreprocess } from '../data/preprocess.ts';
import type { Model } from '../engine/ir/model.ts';
import type { StageContext } from './context.ts';
import { dataInput } from './evaluate.ts';

/** @param path of the model, beside which a preprocessing file may lie */
export async function openModelData(
  model: Model,
  path: string,
  o: { readonly data: string; readonly labels?: string; readonly preprocess?: string; readonly seed?: number },
  ctx: Pick<StageContext, 'memo'>,
): Promise<{ dataset: Dataset; notes: string[] }> {
  const input = dataInput(model);
  const preprocess = await resolvePreprocess(path, o.preprocess);
  const dataset = await openDataset({
    data: o.data,
    labels: o.labels,
    preprocess: preprocess.preprocess,
    inputShape: input.dims,
    inputDtype: input.dtype,
    ...(o.seed !== undefined && { seed: o.seed }),
    seen: ctx.memo('images', {}),
  });
  return { dataset, notes: [...preprocess.notes, ...dataset.notes] };
}
