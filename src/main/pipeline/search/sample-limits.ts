/** Limits on the number of samples for each step, by the size of the model. */
import { modelCosts } from '../../engine/ir/costs.ts';
import { elementCount } from '../../engine/ir/dtype.ts';
import type { Prepared } from '../prepare/prepare.ts';

/**
 * Limits on the samples that rank plans, and on the multiply-accumulates of one such run;
 * compensation uses all samples.
 */
const SENSITIVITY_SAMPLES = 192;
const SENSITIVITY_MACS = 1.2e10;
/**
 * Limits on the samples for curvature, lowest and highest, and on the multiply-accumulates of their
 * forward passes.
 */
const PROBES = [16, 256] as const;
const PROBE_MACS = 6.5e10;
/**
 * Models heavier than this are fitted once: the second round costs as much as the first and adds
 * little.
 */
const TWO_ROUNDS_MACS = 2e9;
/** Below this, more rounds and more samples are cheap and still improve results a little. */
const SMALL_MACS = 5e8;
/**
 * Limits on the forward passes of all calibration samples, in multiply-accumulates, for small
 * models and for others, and on the elements of the widest activation over them.
 */
const CALIBRATION_MACS = [4e11, 1.5e11] as const;
const CALIBRATION_ELEMENTS = 2.5e8;

/**
 * Limit on the forward passes of the samples for refits of candidate plans, in
 * multiply-accumulates.
 */
const REFIT_MACS = 6.5e10;
/** Samples used to refit candidate plans and to compute refit-based scores. */
export const FIT_SAMPLES = 512;

/** Samples that rank plans of a model. @param macs of one sample */
export const rankingSamples = (macs: number): number =>
  Math.max(8, Math.min(SENSITIVITY_SAMPLES, Math.floor(SENSITIVITY_MACS / macs)));

/** Multiply-accumulates of one sample; at least 1. */
export function macsOf(p: Pick<Prepared, 'model' | 'facts'>): number {
  const batch = p.facts.get(p.model.graph.outputs[0]!)?.shape[0] ?? 1;
  return Math.max(1, modelCosts(p.model, p.facts).macs / batch);
}

export interface SampleLimits {
  /** Samples for scores and compensation. */
  readonly calibration: number;
  /** Samples for every tried plan. */
  readonly ranking: number;
  /** For refits of plans that are tried. */
  readonly refit: number;
  /** Backward passes for curvature. */
  readonly probes: number;
  /** Rounds of the activation-aware fit. */
  readonly rounds: number;
  /** Samples of one calibration batch. */
  readonly batch: number;
}

/** @param wanted calibration samples that the recipe asks for */
export function sampleLimits(p: Prepared, wanted: number): SampleLimits {
  const batch = p.facts.get(p.model.graph.outputs[0]!)?.shape[0] ?? 1;
  const macs = macsOf(p);
  let widest = 1;
  for (const n of p.model.graph.nodes())
    for (const v of n.outputs) widest = Math.max(widest, elementCount(p.facts.get(v)?.shape ?? []));
  const small = macs < SMALL_MACS;
  const elements = (CALIBRATION_ELEMENTS * batch) / widest;
  const affordable = Math.min(CALIBRATION_MACS[small ? 0 : 1] / macs, elements);
  const calibration = Math.max(16, Math.floor(Math.min(wanted, affordable)));
  const ranking = rankingSamples(macs);
  const refit = Math.max(16, Math.min(FIT_SAMPLES, Math.floor(REFIT_MACS / macs)));
  const probes = Math.min(PROBES[1], Math.max(PROBES[0], Math.floor(PROBE_MACS / macs)));
  const rounds = macs > TWO_ROUNDS_MACS ? 1 : small ? 4 : 2;
  return {
    calibration,
    ranking,
    refit,
    probes,
    rounds,
    batch: Math.min(64, 2 ** Math.floor(Math.log2(ranking)), calibration),
  };
}
