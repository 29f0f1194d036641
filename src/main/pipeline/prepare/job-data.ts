/**
 * The data of a job, split into samples for training, for choosing a state of the recovery, and for
 * the final quality.
 */
import type { CompressRequest } from '../../../shared/model/job.ts';
import type { Dataset } from '../../data/dataset.ts';
import { holdoutCount, splitIndices } from '../../data/split.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { StageContext } from '../context.ts';
import { dataLeaf, recoveryLeaves, seedLeaf } from '../leaves.ts';
import { derived, input, type Keyed } from '../stage.ts';
import { openModelData } from './model-data.ts';

/** Sample indices by use. */
export interface Samples {
  readonly dataset: Dataset | null;
  /** Samples that stages may train on. */
  readonly train: readonly number[];
  /** Samples that select the best state of the recovery. */
  readonly judge: readonly number[];
  /** Samples on which quality is measured. */
  readonly quality: readonly number[];
}

export interface JobData extends Samples {
  /** The samples, keyed by the data and the split. */
  readonly samples: Keyed<Samples>;
  readonly notes: readonly string[];
  /** Shape of a sample by input name, when it determines the sizes of the model's inputs. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

const split = derived({
  name: 'split',
  version: 1,
  inputs: { dataset: input<Dataset | null>(), holdout: input<number>(), seed: input<number>() },
  run: ({ dataset, holdout: share, seed }): Samples => {
    if (!dataset) return { dataset, train: [], judge: [], quality: [] };
    const { train, holdout } = splitIndices(dataset.length, {
      holdout: holdoutCount(dataset.length, share),
      seed,
      ...(dataset.labels && { labels: dataset.labels }),
    });
    // Calibration and training samples never judge, because a fit looks better on its own samples.
    const inner = splitIndices(train.length, { holdout: Math.min(0.1, 512 / train.length), seed: seed + 1 });
    return {
      dataset,
      train: inner.train.map((i) => train[i]!),
      judge: inner.holdout.length ? inner.holdout.map((i) => train[i]!) : train,
      quality: holdout.length ? holdout : train,
    };
  },
});

/** Opens the data and sets aside the part that no stage trains on. */
export async function openData(
  request: CompressRequest,
  model: Model,
  ctx: Pick<StageContext, 'memo'>,
): Promise<JobData> {
  const opened = request.data
    ? await openModelData(model, request.model, { ...request, data: request.data }, ctx)
    : { dataset: null, notes: [NO_DATA], shapes: {} };
  const { holdout } = recoveryLeaves(request.recipe.recovery);
  const samples = await split.run({ dataset: dataLeaf(opened.dataset), holdout, seed: seedLeaf(request) }, ctx);
  return { ...samples.value, samples, notes: opened.notes, shapes: opened.shapes };
}

const NO_DATA =
  'No data were given. Sensitivities come from random inputs; compensation, recovery and quality measurements are not possible.';
