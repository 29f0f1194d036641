/**
 * Judges the models of a job against the original on samples that no stage trained on, with the
 * job's readings of outputs. The result and the plans of the floor search share one evaluator.
 */
import type { CompressRequest, Quality } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Meanings } from '../../engine/quality/meaning.ts';
import { openModelFile } from '../../storage/model-files.ts';
import type { Compensated } from '../compensate/compensate-stage.ts';
import type { StageContext } from '../context.ts';
import { createEvaluator, type Evaluator } from './evaluate.ts';
import type { JobData } from '../prepare/job-data.ts';
import type { Keyed } from '../stage.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { recoverStage } from '../recover/recover-stage.ts';
import type { Stopwatch } from '../stopwatch.ts';

/** The parts of a job that its evaluator reads. */
export interface JudgeParts {
  /** The original, with a free batch size where it supports that. */
  readonly source: Model;
  /**
   * The prepared form from which plans are cut; a detector's choices are held by the names of its
   * values.
   */
  readonly prepared: Pick<Prepared, 'model'>;
  readonly data: Pick<JobData, 'dataset' | 'quality'>;
  readonly meanings: Meanings;
}

/** Samples per run. */
const BATCH = 64;

/** Opens the evaluator and measures the original; null without data. The caller closes it. */
export async function openResultEvaluator(
  { source, prepared, data, meanings }: JudgeParts,
  o: { readonly threads: number; readonly onProgress?: (done: number) => void },
  ctx: Pick<StageContext, 'executor'>,
): Promise<Evaluator | null> {
  if (!data.dataset) return null;
  return createEvaluator(source, {
    ...o,
    executor: ctx.executor,
    dataset: data.dataset,
    indices: data.quality,
    batch: BATCH,
    prepared: () => Promise.resolve(prepared.model),
    meanings,
  });
}

/** The parts of a job that judging and recovery read. */
interface JudgedJob extends JudgeParts {
  readonly request: CompressRequest;
  readonly prepared: Prepared;
  readonly data: JobData;
  readonly clock: Stopwatch;
}

/** Measures quality after compensation, recovers if enabled and possible, and measures again. */
export async function recoverAndEvaluate(
  job: JudgedJob,
  compensated: Keyed<Compensated>,
  o: { readonly prepared: Keyed<Prepared>; readonly seed: Keyed<number>; readonly threads: Keyed<number> },
  ctx: StageContext,
): Promise<{
  model: Keyed<{ readonly path: string }>;
  reference: Quality | null;
  compensated: Quality | null;
  quality: Quality | null;
  notes: string[];
}> {
  const { request, data, clock } = job;
  const { recovery } = request.recipe;
  const samples = data.quality.length;
  const told =
    (what: string, from: number) =>
    (done: number): void =>
      ctx.progress({
        stage: 'evaluate',
        message: `${what}: ${Math.round(done * samples)} of ${samples} samples`,
        done: from + done / 2,
      });
  const evaluator = await openResultEvaluator(
    job,
    { threads: o.threads.value, onProgress: told('the original', 0) },
    ctx,
  );
  if (!evaluator) {
    const notes = recovery.enabled ? ['No data were given: nothing was compensated or recovered.'] : [];
    return { model: compensated, reference: null, compensated: null, quality: null, notes };
  }
  try {
    const { reference } = evaluator;
    const before = await evaluator.evaluate(openModelFile(compensated.value.path), told('the pruned model', 0.5));
    const untouched = {
      model: compensated,
      reference,
      compensated: before,
      quality: before,
      notes: [...evaluator.notes()],
    };
    clock.mark('evaluate');
    if (!recovery.enabled || recovery.seconds <= 0) return untouched;
    const recovered = await recoverStage({ ...o, compensated, samples: data.samples, recovery }, ctx);
    clock.mark('recover');
    if (!recovered.model) return { ...untouched, notes: [...untouched.notes, recovered.note] };
    const quality = await evaluator.evaluate(
      openModelFile(recovered.model.value.path),
      told('the recovered model', 0.5),
    );
    clock.mark('evaluate');
    const notes = [...evaluator.notes(), recovered.note];
    return { model: recovered.model, reference, compensated: before, quality, notes };
  } finally {
    await evaluator.close();
  }
}
