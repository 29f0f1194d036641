/**
 * Opens a job for its stages: the model opened, sized and prepared, the data split, and the
 * measuring tools.
 */
import type { CompressRequest } from '../../shared/model/job.ts';
import type { TokenSchedule } from '../../shared/model/types.ts';
import type { Model } from '../engine/ir/model.ts';
import type { TimedPhase } from '../engine/latency/phases.ts';
import { meaningsOf, type Meanings } from '../engine/quality/meaning.ts';
import { localDevice } from '../runtime/device.ts';
import type { StageContext } from './context.ts';
import { recipeLeaves, seedLeaf, threadsLeaf, type KeyedRecipe } from './leaves.ts';
import { holdBoxes, type Held } from './measure/hold-boxes.ts';
import { withPhases } from './measure/phases.ts';
import { openPairedBenchmark, type PairedBenchmark } from './measure/paired-benchmark.ts';
import { declareAs } from './prepare/free-batch.ts';
import { openData, type JobData } from './prepare/job-data.ts';
import { loadWithHash } from './prepare/load.ts';
import { openJobModel, type JobModel } from './prepare/open-model.ts';
import { firstLook } from './prepare/original-quality.ts';
import type { Prepared } from './prepare/prepare.ts';
import { withMeanings } from './prepare/readings.ts';
import { requireSameModel } from './prepare/same-model.ts';
import { sized, type SizedModel } from './prepare/sized.ts';
import { resolveRecipe } from './search/resolve-recipe.ts';
import type { Keyed } from './stage.ts';
import { stopwatch, type Stopwatch } from './stopwatch.ts';

/** The request of a job, and the phases of its model when it is a component of a package. */
export type JobRequest = CompressRequest & { readonly phases?: readonly TimedPhase[] };

/** Inputs of a job's stages. */
interface JobInputs {
  readonly source: JobModel['source'];
  /** Without readings of outputs, since timings do not depend on them. */
  readonly timed: Keyed<Prepared>;
  /** With readings of outputs. */
  readonly prepared: Keyed<Prepared>;
  readonly samples: JobData['samples'];
  readonly recipe: KeyedRecipe;
  readonly seed: Keyed<number>;
  /** Thread count for the computations of stages. */
  readonly threads: Keyed<number>;
}

export interface Job {
  /** The request with sizes, threads and criterion resolved. */
  readonly request: JobRequest;
  readonly inputs: JobInputs;
  readonly loaded: SizedModel;
  /** The given model, with a free batch size where it supports that; data run through it. */
  readonly source: Model;
  readonly prepared: Prepared;
  /** Set where `prepared` has fewer tokens than the original. */
  readonly tokens?: TokenSchedule;
  /** The prepared model with all its tokens, where `prepared` has fewer. */
  readonly whole?: Keyed<Prepared>;
  readonly meanings: Meanings;
  /** Suspicious findings about the original on the data. */
  readonly warnings: readonly string[];
  readonly data: JobData;
  readonly beside: PairedBenchmark;
  /** How a detector runs when it finds no boxes. */
  readonly held: Held;
  readonly clock: Stopwatch;
}

/**
 * Opens a job, and closes its data and sessions when `work` has ended.
 * @param work receives the context, in which a detector's boxes are held where necessary
 */
export async function withJob<T>(
  given: JobRequest,
  ctx: StageContext,
  work: (job: Job, ctx: StageContext) => Promise<T>,
): Promise<T> {
  const clock = stopwatch();
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const file = await loadWithHash(given.model);
  requireSameModel({ path: given.model, sha256: file.sha256 }, ctx);
  const data = await openData(given, file.model, ctx);
  const { dataset } = data;
  try {
    const loaded = await sized(file, { ...given, batch: given.budget.batch, shapes: data.shapes }, ctx);
    const { batch, sizes: dims } = loaded.sizes;
    const sizedRequest = { ...given, budget: { ...given.budget, batch }, dims };
    const { source, prepared: bare } = await openJobModel(loaded, ctx);
    const timed = await withPhases(bare, given.phases);
    const from = { model: source.value, path: given.model, dataset, given: given.outputs, batch };
    const prepared = await withMeanings(bare, from, ctx);
    const meanings = meaningsOf(prepared.value);
    const warnings = await firstLook({ request: sizedRequest, model: source.value, meanings, dataset }, ctx);
    clock.mark('load');
    const held = await holdBoxes(ctx, prepared.value.model, { dataset, batch });
    const beside = held.comparing(openPairedBenchmark(sizedRequest, held.ctx, (m) => declareAs(m, loaded.model)));
    try {
      const recipe = resolveRecipe(given.recipe, prepared.value, dataset !== null);
      const inputs = {
        source,
        timed,
        prepared,
        samples: data.samples,
        recipe: recipeLeaves(recipe),
        seed: seedLeaf(given),
        threads: threadsLeaf(localDevice().cores),
      };
      const request = { ...sizedRequest, recipe };
      const models = { loaded, source: source.value, prepared: prepared.value };
      return await work({ request, inputs, ...models, meanings, warnings, data, beside, held, clock }, held.ctx);
    } finally {
      await beside.close();
    }
  } finally {
    await dataset?.close();
  }
}
