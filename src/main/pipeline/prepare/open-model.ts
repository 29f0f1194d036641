/**
 * Turns a sized model into the keyed values of a job. Every task that shares results with jobs
 * begins here.
 */
import type { Model } from '../../engine/ir/model.ts';
import type { StageContext } from '../context.ts';
import { batchLeaf, runtimeLeaf } from '../leaves.ts';
import type { Keyed } from '../stage.ts';
import { freeBatch } from './free-batch.ts';
import { prepareModel, type Prepared } from './prepare.ts';
import type { SizedModel } from './sized.ts';

type Tools = Pick<StageContext, 'executor' | 'artifact' | 'memo'>;

export interface JobModel {
  /** The given model, with a free batch size where it supports that; data run through it. */
  readonly source: Keyed<Model>;
  /** The model from which plans are cut; its outputs are read as the graph implies. */
  readonly prepared: Keyed<Prepared>;
}

/** Opens a model as `compress` does. */
export async function openJobModel(loaded: SizedModel, ctx: Tools): Promise<JobModel> {
  const source = await freeBatch.run({ model: loaded.keyed, runtime: runtimeLeaf() }, ctx);
  return { source, prepared: await prepareAs(source, loaded, ctx) };
}

/** Prepares the model as given: a fixed batch size stays fixed. */
export const prepareSized = async (loaded: SizedModel, ctx: Tools): Promise<Prepared> =>
  (await prepareAs(loaded.keyed, loaded, ctx)).value;

const prepareAs = (source: Keyed<Model>, { sizes }: SizedModel, ctx: Tools): Promise<Keyed<Prepared>> =>
  prepareModel.run({ source, batch: batchLeaf(sizes.batch), runtime: runtimeLeaf() }, ctx);
