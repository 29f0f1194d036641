/** The data of a job: opened, and split into what stages learn from, what chooses between states, and what only judges. */
import type { CompressRequest } from '../../../shared/model/job.ts';
import type { Dataset } from '../../data/dataset.ts';
import { holdoutCount, splitIndices } from '../../data/split.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { StageContext } from '../context.ts';
import { openModelData } from './model-data.ts';

export interface JobData {
  readonly dataset: Dataset | null;
  /** Hash of everything that samples and labels depend on; null without data. */
  readonly identity: string | null;
  /** Samples that stages may learn from, and those that only judge. */
  readonly train: readonly number[];
  /** Samples that decide which state of the recovery is best. */
  readonly judge: readonly number[];
  readonly quality: readonly number[];
  readonly notes: readonly string[];
  /** Of a sample, by input, where that says how large the model's inputs are. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

/** Opens the data and sets aside the part that no stage learns from. */
export async function openData(
  request: CompressRequest,
  model: Model,
  ctx: Pick<StageContext, 'memo'>,
): Promise<JobData> {
  if (!request.data)
    return {
      dataset: null,
      identity: null,
      train: [],
      judge: [],
      quality: [],
      shapes: {},
      notes: [
        'No data were given: sensitivities come from random inputs, and neither compensation, recovery nor a figure of quality is possible.',
      ],
    };
  const { dataset, notes, shapes } = await openModelData(model, request.model, { ...request, data: request.data }, ctx);
  const { train, holdout } = splitIndices(dataset.length, {
    holdout: holdoutCount(dataset.length, request.recipe.recovery.holdout),
    seed: request.seed,
    ...(dataset.labels && { labels: dataset.labels }),
  });
  // Nothing that calibration or training sees may judge: what was fitted looks better than it is.
  const inner = splitIndices(train.length, { holdout: Math.min(0.1, 512 / train.length), seed: request.seed + 1 });
  return {
    dataset,
    identity: dataset.identity,
    train: inner.train.map((i) => train[i]!),
    judge: inner.holdout.length ? inner.holdout.map((i) => train[i]!) : train,
    quality: holdout.length ? holdout : train,
    shapes,
    notes,
  };
}
