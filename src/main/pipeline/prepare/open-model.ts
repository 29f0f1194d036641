/** From a model whose sizes are settled to what a job works on, keyed: every task that shares results with jobs begins here. */
import type { Model } from '../../engine/ir/model.ts';
import type { StageContext } from '../context.ts';
import { batchLeaf, runtimeLeaf } from '../leaves.ts';
import type { Keyed } from '../stage.ts';
import { freeBatch } from './free-batch.ts';
import { prepareModel, type Prepared } from './prepare.ts';
import type { SizedModel } from './sized.ts';

type Tools = Pick<StageContext, 'executor' | 'artifact' | 'memo'>;

export interface JobModel {
  /** The model that was given, at any batch size where it bears that: what data go through. */
  readonly source: Keyed<Model>;
  /** What plans are cut from; its outputs are read as the graph says. */
  readonly prepared: Keyed<Prepared>;
}

/** As `compress` takes a model. */
export async function openJobModel(loaded: SizedModel, ctx: Tools): Promise<JobModel> {
  const source = await freeBatch.run({ model: loaded.keyed, runtime: runtimeLeaf() }, ctx);
  return { source, prepared: await prepareAs(source, loaded, ctx) };
}

/** Prepared as it was given: a batch size that is fixed stays so. */
export const prepareSized = async (loaded: SizedModel, ctx: Tools): Promise<Prepared> =>
  (await prepareAs(loaded.keyed, loaded, ctx)).value;

const prepareAs = (source: Keyed<Model>, { sizes }: SizedModel, ctx: Tools): Promise<Keyed<Prepared>> =>
  prepareModel.run({ source, batch: batchLeaf(sizes.batch), runtime: runtimeLeaf() }, ctx);
