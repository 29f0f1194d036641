import type { ExecSession } from '../../engine/executor.ts';
import { writeParameters } from '../../engine/autodiff/trainer.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Sample } from '../../data/input-spec.ts';
import type { StageContext } from '../context.ts';
import type { Meanings } from '../../engine/quality/meaning.ts';
import type { Distance } from '../../engine/heads/contract.ts';
import { pictureIn } from '../prepare/data-input.ts';
import { distanceFrom } from '../../engine/quality/distance.ts';

/** Judges weights by the distance to the original on samples that are not used for training. */
export async function openHoldoutEvaluator(
  original: Model,
  model: Model,
  o: {
    dataset: Dataset;
    indices: readonly number[];
    batch: number;
    threads: number;
    meanings: Meanings;
  },
  ctx: Pick<StageContext, 'executor'>,
): Promise<{ judge(weights: ReadonlyMap<string, Float32Array>): Promise<number> }> {
  const held: { feeds: Sample; distance: Distance }[] = [];
  const using = async <T>(m: Model, f: (s: ExecSession) => Promise<T>): Promise<T> => {
    const session = await ctx.executor.open(m, { threads: o.threads });
    try {
      return await f(session);
    } finally {
      await session.release();
    }
  };
  await using(original, async (teacher) => {
    for (let at = 0; at + o.batch <= o.indices.length || at === 0; at += o.batch) {
      const feeds = await o.dataset.batch(
        Array.from({ length: o.batch }, (_, i) => o.indices[(at + i) % o.indices.length]!),
      );
      held.push({
        feeds,
        distance: distanceFrom(await teacher.run(feeds), {
          order: teacher.outputNames,
          meanings: o.meanings,
          picture: pictureIn(feeds, o.dataset.main),
        }),
      });
    }
  });
  return {
    judge(weights) {
      const candidate = cloneModel(model).model;
      writeParameters(candidate, weights);
      return using(candidate, async (session) => {
        let sum = 0;
        for (const h of held) sum += h.distance(await session.run(h.feeds)) / held.length;
        return sum;
      });
    },
  };
}
