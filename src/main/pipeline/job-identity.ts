/** What kept results of a job depend on, beside what each stage adds: the one place where that is written down. */
import type { CompressRequest } from '../../shared/model/job.ts';
import { runtimeVersion } from '../runtime/device.ts';

/** Raised when samples are drawn, or outputs read, in another way than before. */
const VERSION = 2;

export interface JobIdentity {
  readonly [key: string]: unknown;
}

/**
 * @param o.sha256 of the model's files
 * @param o.data identity of the data set, null without data
 * @param o.samples that are drawn from it
 * @param o.batch samples of one batch
 */
export function jobIdentity(o: {
  readonly request: Pick<CompressRequest, 'seed' | 'recipe' | 'dims' | 'outputs' | 'budget'>;
  readonly sha256: string;
  readonly data: string | null;
  readonly samples: number;
  readonly batch: number;
  readonly threads: number;
  /** How outputs are read, as far as it matters for what is learned (`meaningsKey`). */
  readonly meanings?: unknown;
}): JobIdentity {
  const { request } = o;
  return {
    model: o.sha256,
    data: o.data,
    samples: o.samples,
    size: o.batch,
    seed: request.seed,
    holdout: request.recipe.recovery.holdout,
    dims: request.dims ?? {},
    outputs: request.outputs ?? {},
    meanings: o.meanings ?? null,
    // Facts, and so groups, are those of this batch size.
    batch: request.budget.batch,
    threads: o.threads,
    runtime: runtimeVersion(),
    version: VERSION,
  };
}
