/** Samples as an epoch of the recovery sees them: shifted, mirrored, mixed with others. */
import type { HostTensor } from '../engine/executor.ts';
import { seededRandom } from '../engine/random.ts';
import { applyViews, drawView } from '../engine/recovery/augment.ts';
import { mixed } from '../engine/recovery/mix.ts';
import type { Recipe } from '../../shared/model/job.ts';
import type { Dataset } from '../data/dataset.ts';

const AUGMENTATION = { shift: 0.125, mirror: true };

/** The same index and view give the same picture, whatever else is in the batch. @param others what may be mixed in */
export async function viewOf(
  dataset: Pick<Dataset, 'batch'>,
  indices: readonly number[],
  view: number,
  o: {
    readonly recipe: Pick<Recipe['recovery'], 'augment' | 'mix'>;
    readonly others: readonly number[];
    readonly seed: number;
  },
): Promise<HostTensor> {
  const { augment, mix } = o.recipe;
  const randoms = indices.map((i) => seededRandom(o.seed + i * 10_007 + view));
  const seen = async (of: readonly number[]): Promise<HostTensor> => {
    const x = await dataset.batch(of);
    return augment
      ? applyViews(
          x,
          randoms.map((r) => drawView(AUGMENTATION, r)),
        )
      : x;
  };
  const x = await seen(indices);
  if (!(mix > 0)) return x;
  const shares = randoms.map((r) => (r.next() < mix ? r.next() : 1));
  const others = randoms.map((r) => o.others[Math.floor(r.next() * o.others.length)]!);
  return mixed(x, await seen(others), shares);
}
