import type { Interval, OutputQuality } from './quality.ts';
import type { OutputReading } from './readings.ts';
import type { Budget, Family, GroupInfo, LatencyStats, Provenance, Skipped, TokenSchedule } from './types.ts';

/** Preprocessing, as in a `*.preprocess.json`; every key is optional. Order: resize, crop, channel order, rescale, mean, std, layout. */
export interface Preprocess {
  readonly resize?: { readonly width: number; readonly height: number } | { readonly shortestEdge: number };
  /** Interpolation of the resize; default bilinear. */
  readonly interpolation?: 'nearest' | 'bilinear' | 'bicubic' | 'lanczos';
  readonly crop?: { readonly width: number; readonly height: number };
  readonly layout?: 'NCHW' | 'NHWC';
  readonly colorOrder?: 'RGB' | 'BGR' | 'GRAY';
  readonly dtype?: 'float32' | 'uint8';
  /** Multiplies 0..255 values (1/255 for 0..1). */
  readonly rescale?: number;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/**
 * The stages of a job and their parameters; services/recipe-schema.ts defines the allowed values. A
 * recipe file holds any subset; the rest comes from the named preset.
 */
export interface Recipe {
  readonly name: string;
  /** Criterion that ranks the units of a group: a name, or 'auto'. */
  readonly criterion: string;
  /** Name of the allocation method, which sets how much of each group is removed. */
  readonly allocation: string;
  /** Whether residual blocks may be replaced by their shortcut. */
  readonly blocks: boolean;
  /** Whether channels may be removed. */
  readonly channels: boolean;
  /** Name of the token method that may reduce the tokens of a transformer, 'auto' to compare several, or 'none'. */
  readonly tokens: string;
  /** Smallest keep ratio of a group. */
  readonly floor: number;
  /** Glob patterns of group ids, block ids or node names that must stay whole. */
  readonly freeze: readonly string[];
  /** Group id (or glob) -> keep ratio set by hand. */
  readonly keep: Readonly<Record<string, number>>;
  readonly compensation: 'least-squares' | 'bias' | 'none';
  /** Samples used for statistics and sensitivities. */
  readonly calibrationSamples: number;
  /**
   * Time limit, in seconds, for measuring the cost of plans. Later choices use the costs known by
   * then.
   */
  readonly allocationSeconds: number;
  readonly recovery: {
    readonly enabled: boolean;
    /** Wall time in seconds; 0 turns recovery off. */
    readonly seconds: number;
    readonly optimizer: 'muon' | 'adamw' | 'sgd';
    /**
     * Peak of the schedule; 'auto' chooses it by the distance to the original at the start of
     * training.
     */
    readonly learningRate: number | 'auto';
    readonly batch: number;
    readonly temperature: number;
    /** Weight of the distillation term; 1 - alpha is the weight of the labels, if any. */
    readonly alpha: number;
    /** Applies random shifts and mirroring to images, and pastes patches of other images. */
    readonly augment: boolean;
    readonly holdout: number;
  };
  /** Number of runs per latency measurement. */
  readonly latencyRuns: number;
}

export type { OutputReading };

/** How one output is read, and the evidence for it. */
export interface OutputMeaning {
  readonly name: string;
  readonly reading: OutputReading;
  readonly source: 'given' | 'inferred';
  /** The evidence in one clause: 'the graph ends in Softmax', 'set by --output'. */
  readonly why: string;
  /** True when neither the model nor the data determine the reading. */
  readonly guessed?: boolean;
  /**
   * Values above the threshold are positive, each independently (Sigmoid). Absent: the largest
   * value of a row is the class.
   */
  readonly threshold?: number;
  /**
   * For 'classes' and 'map': the class axis. Absent: classes are given as numbers (ArgMax) or
   * decided by the threshold.
   */
  readonly axis?: number;
  /**
   * Sample axis, where it is not the first; `axis` assumes that the samples were moved to the
   * front.
   */
  readonly batchAxis?: number;
  /** True for the one output that is compared with the labels. */
  readonly labels?: boolean;
}

/** The lowest quality at which a result is accepted. Shares between 0 and 1. */
export interface QualityFloor {
  /** Lowest agreement with the original (F1 of boxes for detectors). */
  readonly minAgreement?: number;
  /** Largest drop of top-1; used when there are labels. */
  readonly maxDrop?: number;
  /** Lowest PSNR against the original, for outputs that are images. */
  readonly minPsnrDb?: number;
}

/**
 * A latency verdict from one measurement of fixed length. The interval describes the pruned model
 * at the budget's percentile.
 */
export interface LatencyVerdict {
  readonly verdict: 'met' | 'missed' | 'too-close';
  /**
   * 95 % interval of the result's latency as a share of the budget. The budget is met when both
   * ends are below 1, and missed when both are above.
   */
  readonly low: number;
  readonly high: number;
}

/** The pruned component of a package and the metric of its budget. */
export interface PackagePart {
  /** Absolute path. */
  readonly package: string;
  readonly component: string;
  /** Metric of the workload: 'total', 'per-token', ... */
  readonly metric: string;
  /** Settings of the workload by name. */
  readonly settings: Readonly<Record<string, number>>;
}

/**
 * A phase before and after pruning: the sum of its runs that count in the metric, in milliseconds.
 */
export interface PhaseChange {
  readonly name: string;
  readonly component: string;
  readonly weight: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** One use of a package before and after a component was pruned, from one measurement. */
export interface WorkloadResult extends PackagePart {
  readonly about: string;
  /** The metric in milliseconds. */
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly budgetMs: number;
  readonly phases: readonly PhaseChange[];
  readonly latency: LatencyVerdict;
}

/**
 * A use of a package whose budget no cut of the component can meet. Milliseconds are of the metric.
 */
export interface UnreachableUse extends Pick<PackagePart, 'component' | 'metric'> {
  readonly beforeMs: number;
  readonly bestMs: number;
  readonly budgetMs: number;
}

/** Request of a `compress` job; paths are absolute. */
export interface CompressRequest {
  readonly model: string;
  readonly budget: Budget;
  readonly device: string;
  readonly data?: string;
  readonly labels?: string;
  readonly preprocess?: string;
  readonly recipe: Recipe;
  readonly out: string;
  readonly seed: number;
  /** Family set by the user; default: the detected family. */
  readonly family?: Family;
  /** Sizes of dynamic axes by name, from `--dim`. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Reading by output name, from `--output`; other outputs are inferred. */
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  /** Default: `DEFAULT_FLOOR`. */
  readonly floor?: QualityFloor;
  /** Requested thread count, when the process may use fewer; `budget.threads` is the count used. */
  readonly threadsAsked?: number;
  /**
   * Set when `model` is a component of a package; the budget then applies to one use of the
   * package.
   */
  readonly part?: PackagePart;
}

/**
 * Agreement with the original, and accuracy when there are labels. Measured on samples that no
 * training stage used.
 */
export interface Quality {
  readonly samples: number;
  /**
   * Agreement of the first output that has one, computed by its reading. Classes: share of samples
   * whose top class equals the original's. Boxes: F1 of boxes that match the original's by class
   * and overlap by at least one half. Maps: F1 of the pixels of each class. Embeddings: mean
   * cosine. Numbers: share of explained variance. 1 for the original.
   */
  readonly agreement?: number;
  /** Reading of the output that `agreement` describes. */
  readonly reading?: OutputReading;
  /** Maps: share of pixels with the original's class. */
  readonly pixels?: number;
  /** Detectors: number of boxes behind the agreement, the mean of both models. */
  readonly boxes?: number;
  readonly top1?: number;
  readonly top5?: number;
  /** Signal-to-noise ratio of the outputs against the original's, dB; null for an exact match. */
  readonly snrDb: number | null;
  /** Mean KL(original || pruned) of the class distribution, nats. */
  readonly kl?: number;
  /** Mean cosine between a sample's output and the original's. */
  readonly cosine?: number;
  /** Largest absolute difference of any output element. */
  readonly maxAbs?: number;
  /**
   * Peak signal-to-noise ratio against the original, dB, for outputs that are images of 1 or 3
   * channels; null for an exact match.
   */
  readonly psnrDb?: number | null;
  /** Samples with NaN or infinity where the original has none. Absent when there are none. */
  readonly nonFinite?: number;
  /** 95 % intervals of the figures of the same name, from the number of samples. */
  readonly agreementInterval?: Interval;
  readonly top1Interval?: Interval;
  /**
   * Quality of each output, in the graph's order; `agreement` above is that of the first output
   * that has one.
   */
  readonly outputs?: readonly OutputQuality[];
}

export interface ModelMeasure extends LatencyStats {
  readonly macs: number;
  readonly params: number;
  readonly bytes: number;
  readonly quality: Quality | null;
}

/** A plan that keeps the quality floor when the plan for the budget does not. */
export interface KeptFloor {
  /** Measured latency as a share of the original's, and in milliseconds of the same measurement. */
  readonly ratio: number;
  readonly ms: number;
  readonly quality: Quality;
}

/** How the tokens of a transformer were treated. */
export interface TokensReport {
  /** Tokens before the first layer, and behind the last step. */
  readonly before: number;
  readonly left: number;
  /** Null where all tokens stay. */
  readonly schedule: TokenSchedule | null;
  /** The ways that were compared, each with a plan for the budget. */
  readonly tried: readonly {
    readonly way: 'other structures' | 'tokens and other structures' | 'tokens';
    readonly schedule: TokenSchedule | null;
    /** Measured latency with fewer tokens alone, over the original's. */
    readonly tokensRatio: number;
    /** Change of the outputs on calibration samples; null where the way cannot meet the budget. */
    readonly change: number | null;
  }[];
}

/** Final JSON document of `compress`. */
export interface CompressReport {
  readonly job: string;
  readonly budgetMs: number;
  readonly met: boolean;
  /**
   * Set when the budget cannot be reached: the reason, and the operators that take the remaining
   * time.
   */
  readonly unreachable?: {
    readonly reason: string;
    readonly bestMs: number;
    /** For a component of a package: the effect of its largest cut on the use. */
    readonly use?: UnreachableUse;
    readonly holds: readonly { operator: string; ms: number }[];
  };
  readonly baseline: ModelMeasure;
  readonly result: ModelMeasure | null;
  /** Quality after surgery and compensation, before recovery. */
  readonly compensated: Quality | null;
  readonly bundle: string | null;
  readonly model: string | null;
  readonly skipped: readonly Skipped[];
  readonly family: Family;
  readonly groups: readonly (GroupInfo & { readonly kept: number })[];
  readonly blocksRemoved: readonly string[];
  /** Present where the model has tokens that may be reduced. */
  readonly tokens?: TokensReport;
  /** Reading of each output. */
  readonly outputs?: readonly OutputMeaning[];
  /** True when the budget was met and the floor kept; false whenever `reasons` is not empty. */
  readonly accepted?: boolean;
  /** Reasons for rejecting the result, worst first, as sentences. */
  readonly reasons?: readonly string[];
  /** Limits on how far the figures can be trusted, as sentences. */
  readonly warnings?: readonly string[];
  /** The floor in force for this result. */
  readonly floor?: QualityFloor;
  /**
   * Set when the floor was not kept: the fastest tried plan that keeps it, or null when none does.
   */
  readonly keptFloor?: KeptFloor | null;
  readonly latency?: LatencyVerdict;
  /**
   * Set when a component of a package was pruned: `budget` above is the component's share of this
   * workload's budget.
   */
  readonly workload?: WorkloadResult;
  readonly provenance: Provenance;
  readonly recipe: Recipe;
  readonly seconds: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}
