/**
 * The quality floor, the figures of quality per output, and the original's own quality on given
 * data.
 */
import type { OutputMeaning, OutputReading, QualityFloor } from './job.ts';
import type { PreprocessPreset } from './preprocess-presets.ts';

/** A 95 % interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Results judged on fewer samples carry a warning. */
export const FEW_SAMPLES = 100;
/** Results judged on fewer samples are never accepted. */
export const TOO_FEW_SAMPLES = 30;

/**
 * The default quality floor; docs/quality.md gives the reasons. Agreement depends on the reading of
 * the output: share of equal classes, F1 of boxes or of mask pixels, mean cosine, share of
 * explained variance.
 */
export const DEFAULT_FLOOR: Required<QualityFloor> = { minAgreement: 0.8, maxDrop: 0.1, minPsnrDb: 30 };

/** Figures of one output. Every output must keep the floor. */
export interface OutputQuality {
  readonly name: string;
  readonly reading: OutputReading;
  /** Number of samples behind the figures. */
  readonly samples: number;
  /**
   * Between 0 and 1, 1 for the original: share of equal classes, F1 of boxes, F1 of the pixels of
   * each class, mean cosine, share of positions with the same token, or share of explained
   * variance. Absent for images, and where the samples contain nothing to judge.
   */
  readonly agreement?: number;
  readonly interval?: Interval;
  /** Agreement that a constant output would reach; set when above 0. */
  readonly chance?: number;
  /** Share of the most frequent label; set when there are labels. */
  readonly labelChance?: number;
  readonly psnrDb?: number | null;
  /** Maps: share of equal pixels, and intersection over union from the same counts as F1. */
  readonly pixels?: number;
  readonly iou?: number;
  /** Embeddings: the lowest cosine. */
  readonly worst?: number;
  /** Tokens: mean KL(original || candidate) per position, nats. */
  readonly kl?: number;
  /** Latents: signal-to-noise ratio, dB; null for an exact match. */
  readonly snrDb?: number | null;
  /** Numbers: root of squared error over squared values. */
  readonly relativeError?: number;
  /** Reason why there is no figure. */
  readonly unjudged?: string;
}

/** Predictions of the original model on the data, before any pruning. */
export interface OriginalQuality {
  /** Samples used, and samples available. */
  readonly samples: number;
  readonly of: number;
  readonly outputs: readonly OutputMeaning[];
  /** Top-1; set when there are labels. */
  readonly top1?: number;
  readonly interval?: Interval;
  /** Top-1 of always predicting the most frequent label. */
  readonly chance?: number;
  /** Share of samples per predicted class, most frequent first, ten at most. */
  readonly predicted?: readonly { readonly label: string; readonly share: number }[];
  /** Statistics of the preprocessed input. */
  readonly input: { readonly min: number; readonly max: number; readonly mean: number };
  /** Number of outputs that are NaN or infinite. */
  readonly nonFinite: number;
  /** Suspicious findings, as sentences. */
  readonly warnings: readonly string[];
  /**
   * Presets that were tried because accuracy is near chance, best first. Absent when there was no
   * need.
   */
  readonly tried?: readonly PresetTrial[];
  /**
   * The tried preset that is clearly better than the current preprocessing. It is never applied
   * automatically.
   */
  readonly proposed?: PreprocessPreset;
}

export interface PresetTrial {
  readonly preset: PreprocessPreset;
  readonly top1: number;
  readonly interval: Interval;
  readonly samples: number;
}
