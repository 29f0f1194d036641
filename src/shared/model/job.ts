import type { Interval, OutputQuality } from './quality.ts';
import type { OutputReading } from './readings.ts';
import type { Budget, Family, GroupInfo, LatencyStats, Provenance, Skipped } from './types.ts';

/** Preprocessing, as in a `*.preprocess.json`; every key is optional. Order: resize, crop, channel order, rescale, mean, std, layout. */
export interface Preprocess {
  readonly resize?: { readonly width: number; readonly height: number } | { readonly shortestEdge: number };
  /** Of the resize; default bilinear. */
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

/** The stages and their parameters; services/recipe-schema.ts says what each may hold. A recipe file holds any subset; the rest comes from the named preset. */
export interface Recipe {
  readonly name: string;
  /** Which units of a group go first: a criterion's name, or 'auto'. */
  readonly criterion: string;
  /** How much of each group goes: the name of an allocation method. */
  readonly allocation: string;
  /** May residual blocks become their shortcut? */
  readonly blocks: boolean;
  /** May channels go? */
  readonly channels: boolean;
  /** Smallest keep ratio of a group. */
  readonly floor: number;
  /** Glob patterns of group ids, block ids or node names that must stay whole. */
  readonly freeze: readonly string[];
  /** Group id (or glob) -> keep ratio set by hand. */
  readonly keep: Readonly<Record<string, number>>;
  readonly compensation: 'least-squares' | 'bias' | 'none';
  /** Samples used for statistics and sensitivities. */
  readonly calibrationSamples: number;
  /** Seconds that measuring the cost of plans may take. Later choices rest on what is known by then. */
  readonly allocationSeconds: number;
  readonly recovery: {
    readonly enabled: boolean;
    /** Seconds of wall time, 0 = none. */
    readonly seconds: number;
    readonly optimizer: 'muon' | 'adamw' | 'sgd';
    /** Peak of the schedule; 'auto': by how far from the original the training starts. */
    readonly learningRate: number | 'auto';
    readonly batch: number;
    readonly temperature: number;
    /** Weight of the distillation term; 1 - alpha goes to the labels when there are any. */
    readonly alpha: number;
    /** Random shifts and mirror images of pictures, and patches of other ones. */
    readonly augment: boolean;
    readonly holdout: number;
  };
  /** Runs of each latency measurement. */
  readonly latencyRuns: number;
}

export type { OutputReading };

/** How one output is read, and how that is known. */
export interface OutputMeaning {
  readonly name: string;
  readonly reading: OutputReading;
  readonly source: 'given' | 'inferred';
  /** One clause: 'the graph ends in Softmax', 'set by --output'. */
  readonly why: string;
  /** True where nothing in the model or the data says so. */
  readonly guessed?: boolean;
  /** Values above it are a yes, each by itself (Sigmoid). Absent: the largest of a row is the class. */
  readonly threshold?: number;
  /** Of 'classes' and 'map': the axis of the classes. Absent: classes are given as numbers (ArgMax), or decided by threshold. */
  readonly axis?: number;
  /** Axis of the samples, where that is not the first; `axis` counts with the samples moved to the front. */
  readonly batchAxis?: number;
  /** True of the one output that labels are compared with. */
  readonly labels?: boolean;
}

/** The least quality that a result must keep to be accepted. Shares between 0 and 1. */
export interface QualityFloor {
  /** Of agreement with the original (F1 of boxes for detectors). */
  readonly minAgreement?: number;
  /** Largest loss of top-1, where there are labels. */
  readonly maxDrop?: number;
  /** Of outputs that are images, against the original's. */
  readonly minPsnrDb?: number;
}

/** A latency verdict from one measurement of fixed length. The interval is of the pruned model at the budget's percentile. */
export interface LatencyVerdict {
  readonly verdict: 'met' | 'missed' | 'too-close';
  /** 95 % interval of the result's latency as a share of the budget; both ends below 1 is met, both above is missed. */
  readonly low: number;
  readonly high: number;
}

/** The component of a package that is pruned, and what the budget is set for. */
export interface PackagePart {
  /** Absolute. */
  readonly package: string;
  readonly component: string;
  /** Of the workload: 'total', 'per-token', ... */
  readonly metric: string;
  /** Settings of the workload by name. */
  readonly settings: Readonly<Record<string, number>>;
}

/** A phase before and after: all of its runs that count in the metric, in milliseconds. */
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
  /** Milliseconds of the metric. */
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly budgetMs: number;
  readonly phases: readonly PhaseChange[];
  readonly latency: LatencyVerdict;
}

/** What `compress` is asked to do; paths are absolute. */
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
  /** What the user says the model is; default: as detected. */
  readonly family?: Family;
  /** Sizes of dynamic axes by name, from `--dim`. */
  readonly dims?: Readonly<Record<string, number>>;
  /** How outputs are read, by output name, from `--output`; the rest is inferred. */
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  /** Default: `DEFAULT_FLOOR`. */
  readonly floor?: QualityFloor;
  /** Threads that were asked for, where the process may use fewer: `budget.threads` are those. */
  readonly threadsAsked?: number;
  /** `model` is a component of a package, and the budget is one on a use of the package. */
  readonly part?: PackagePart;
}

/** Agreement with the original, and accuracy when there are labels. Measured on samples that no stage has trained on. */
export interface Quality {
  readonly samples: number;
  /**
   * Of the first output that has one, by its reading. Share of samples whose top class is the original's; of detectors the F1
   * of boxes that match the original's by class and by an overlap of at least one half; of maps the F1 of the pixels of each
   * class; mean cosine of embeddings; share of the variance of numbers that is explained. 1 for the original.
   */
  readonly agreement?: number;
  /** Of the output that agreement is of. */
  readonly reading?: OutputReading;
  /** Of maps: share of pixels with the original's class. */
  readonly pixels?: number;
  /** Of detectors: boxes that agreement was counted on, the mean of both models. */
  readonly boxes?: number;
  readonly top1?: number;
  readonly top5?: number;
  /** Signal-to-noise of the outputs against the original's, dB; null for an exact match. */
  readonly snrDb: number | null;
  /** Mean KL(original || pruned) of the class distribution, nats. */
  readonly kl?: number;
  /** Mean cosine between a sample's output and the original's. */
  readonly cosine?: number;
  /** Largest absolute difference of any output element. */
  readonly maxAbs?: number;
  /** Peak signal-to-noise against the original, dB; for outputs that are images of 1 or 3 channels. null for an exact match. */
  readonly psnrDb?: number | null;
  /** Samples with NaN or infinity where the original has none. Absent when there are none. */
  readonly nonFinite?: number;
  /** 95 % intervals of the figures of the same name, from the number of samples. */
  readonly agreementInterval?: Interval;
  readonly top1Interval?: Interval;
  /** Of each output, in the graph's order; agreement is that of the first that has one. */
  readonly outputs?: readonly OutputQuality[];
}

export interface ModelMeasure extends LatencyStats {
  readonly macs: number;
  readonly params: number;
  readonly bytes: number;
  readonly quality: Quality | null;
}

/** A cut that keeps the floor where the budget does not leave one. */
export interface KeptFloor {
  /** Measured as a share of the original's time, and in milliseconds of the same measurement. */
  readonly ratio: number;
  readonly ms: number;
  readonly quality: Quality;
}

/** The last JSON document of `compress`. */
export interface CompressReport {
  readonly job: string;
  readonly budgetMs: number;
  readonly met: boolean;
  /** Set when the budget cannot be reached: why, and what holds the time. */
  readonly unreachable?: {
    readonly reason: string;
    readonly bestMs: number;
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
  /** How each output was read. */
  readonly outputs?: readonly OutputMeaning[];
  /** Met the budget and kept the floor. False whenever `reasons` is not empty. */
  readonly accepted?: boolean;
  /** Why the result is not accepted, worst first, as sentences. */
  readonly reasons?: readonly string[];
  /** What limits the trust in the figures, as sentences. */
  readonly warnings?: readonly string[];
  /** In force for this result. */
  readonly floor?: QualityFloor;
  /** Where the floor was not kept: the fastest cut of those tried that keeps it. null: none of them does. */
  readonly keptFloor?: KeptFloor | null;
  readonly latency?: LatencyVerdict;
  /** Where a component of a package was pruned: the budget above is the component's share of this one. */
  readonly workload?: WorkloadResult;
  readonly provenance: Provenance;
  readonly recipe: Recipe;
  readonly seconds: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}
