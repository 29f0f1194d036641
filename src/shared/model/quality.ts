/** How good a result has to be, what a figure of quality stands on, and what the original itself makes of data. */
import type { OutputMeaning, OutputReading, QualityFloor } from './job.ts';
import type { PreprocessPreset } from './preprocess-presets.ts';

/** A 95 % interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Fewer judged samples are warned of. */
export const FEW_SAMPLES = 100;
/** Fewer judged samples accept nothing. */
export const TOO_FEW_SAMPLES = 30;

/**
 * What a result must keep where nothing else is asked for; docs/quality.md says why. Agreement is read as the output is:
 * share of equal classes, F1 of boxes or of mask pixels, mean cosine, share of explained variance.
 */
export const DEFAULT_FLOOR: Required<QualityFloor> = { minAgreement: 0.8, maxDrop: 0.1, minPsnrDb: 30 };

/** Figures of one output. The floor holds for each of them. */
export interface OutputQuality {
  readonly name: string;
  readonly reading: OutputReading;
  /** Samples behind the figures. */
  readonly samples: number;
  /**
   * Between 0 and 1, 1 for the original: share of equal classes, F1 of boxes, F1 of the pixels of each class, mean cosine,
   * share of positions with the same token, share of the variance that is explained. Absent where the samples show nothing to judge, and of images.
   */
  readonly agreement?: number;
  readonly interval?: Interval;
  /** What an output that never changes would reach, where that is above 0. */
  readonly chance?: number;
  /** Share of the most frequent label, where there are labels. */
  readonly labelChance?: number;
  readonly psnrDb?: number | null;
  /** Of maps: share of equal pixels, and intersection over union as F1 counts it. */
  readonly pixels?: number;
  readonly iou?: number;
  /** Of embeddings: the least cosine. */
  readonly worst?: number;
  /** Of tokens: mean KL(original || candidate) per position, nats. */
  readonly kl?: number;
  /** Of latents: signal-to-noise ratio, dB; null for an exact match. */
  readonly snrDb?: number | null;
  /** Of numbers: root of squared error over squared values. */
  readonly relativeError?: number;
  /** Why there is no figure. */
  readonly unjudged?: string;
}

/** What a model makes of data before anything is cut. */
export interface OriginalQuality {
  /** Samples that were looked at, of how many. */
  readonly samples: number;
  readonly of: number;
  readonly outputs: readonly OutputMeaning[];
  /** With labels. */
  readonly top1?: number;
  readonly interval?: Interval;
  /** Top-1 of one who always says the most frequent label. */
  readonly chance?: number;
  /** Share of samples per predicted class, most frequent first, ten at most. */
  readonly predicted?: readonly { readonly label: string; readonly share: number }[];
  /** Of what the model is given, after preprocessing. */
  readonly input: { readonly min: number; readonly max: number; readonly mean: number };
  /** Outputs that are NaN or infinite. */
  readonly nonFinite: number;
  /** What looks wrong, as sentences. */
  readonly warnings: readonly string[];
  /** Ways to preprocess that were tried because accuracy is near chance, best first. Absent: there was no need. */
  readonly tried?: readonly PresetTrial[];
  /** The one of them that is clearly better than what is in force. Never applied by itself. */
  readonly proposed?: PreprocessPreset;
}

export interface PresetTrial {
  readonly preset: PreprocessPreset;
  readonly top1: number;
  readonly interval: Interval;
  readonly samples: number;
}
