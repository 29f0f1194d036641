/** Compensation for fewer tokens as a stage: the model with fewer tokens, its weights refitted towards the original. */
import { join } from 'node:path';
import type { TokenSchedule } from '../../../shared/model/types.ts';
import { fitFewerTokens } from '../../engine/compensation/fewer-tokens.ts';
import { elementCount } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import { eliminateDead } from '../../engine/passes/eliminate-dead.ts';
import { traceCut } from '../../engine/structures/tokens/cut.ts';
import { findTokenPlaces } from '../../engine/structures/tokens/places.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import type { StageContext } from '../context.ts';
import { firstSamples, lastSamples, type Calibration } from '../prepare/calibration.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { openDistance } from '../search/sensitivity.ts';
import { input, stage } from '../stage.ts';

/** Share of the samples that judge the fits and take no part in them. */
const JUDGING = 0.25;

/**
 * Fits that are compared. Fixed tokens are what most outputs are read from, but there is one row of each per sample: much
 * weight on them needs many samples or a strong pull towards the present weights.
 */
const FITS = [
  { ridge: 0.01, fixedWeight: 0.2 },
  { ridge: 0.1, fixedWeight: 0.2 },
  { ridge: 0.1, fixedWeight: 1 },
] as const;

/** Bytes of activations that each of the fits may hold; they go on together. */
const MOST_BYTES = 5e8;

export const fitTokens = stage({
  name: 'token-fit',
  version: 3,
  inputs: {
    prepared: input<Prepared>(),
    schedule: input<TokenSchedule>(),
    calibration: input<Calibration>(),
    threads: input<number>(),
  },
  run: async (
    { prepared, schedule, calibration, threads },
    ctx: Pick<StageContext, 'executor' | 'progress' | 'log'>,
  ): Promise<Model> => {
    const found = findTokenPlaces(prepared.model, prepared.facts);
    const cut = traceCut({ ...prepared, ...found }, schedule);
    const all = calibration.batches.length * calibration.size;
    const judging = Math.max(calibration.size, Math.round(JUDGING * all));
    const fitting = Math.min(all - judging, MOST_BYTES / bytesPerSample(prepared));
    if (fitting < calibration.size) return withoutDead(cut.model);
    const distance = await openDistance(ctx.executor, prepared, lastSamples(calibration, judging), threads);
    const { batches } = firstSamples(calibration, fitting - calibration.size + 1);
    let best = { model: cut.model, change: await distance(cut.model) };
    const before = best.change;
    const tried = FITS.map((way) => ({ way, cut: traceCut({ ...prepared, ...found }, schedule) }));
    await fitFewerTokens(ctx.executor, prepared.model, tried, batches, {
      threads,
      fixed: found.places[0]!.fixed,
      onProgress: (done, node) => ctx.progress({ stage: 'compensate', message: node, done }),
    });
    for (const { cut: fitted } of tried) {
      const change = await distance(fitted.model);
      if (change < best.change) best = { model: fitted.model, change };
    }
    ctx.log(`fit behind fewer tokens: change ${before.toPrecision(3)} to ${best.change.toPrecision(3)}`);
    return withoutDead(best.model);
  },
  codec: {
    write: (folder, model: Model) => {
      saveModelFile(model, join(folder, 'model.onnx'));
    },
    read: (folder, { prepared }): Model => {
      const model = openModelFile(join(folder, 'model.onnx'));
      model.sizes = prepared.model.sizes;
      return model;
    },
  },
});

function withoutDead(model: Model): Model {
  eliminateDead.run(model);
  return model;
}

/** Bytes of the widest activation of one sample, three times: an input, a sum and its other addend. */
function bytesPerSample({ model, facts }: Prepared): number {
  let most = 1;
  for (const n of model.graph.nodes())
    for (const v of n.outputs) {
      const shape = facts.get(v)?.shape;
      if (shape?.length === 3) most = Math.max(most, elementCount(shape) / Math.max(1, shape[0]!));
    }
  return 3 * 4 * most;
}
