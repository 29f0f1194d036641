/**
 * Reports that only the window uses: a model's graph, samples of the data, reachable budgets, and
 * the review of a finished job.
 */
import type { PreprocessPreset } from './preprocess-presets.ts';
import type { PhasePart } from './package.ts';
import type { OriginalQuality } from './quality.ts';
import type { Provenance } from './types.ts';
import type { StoredUnit } from './latency-table.ts';

/**
 * Shape at a batch of one; dynamic axes appear by name. Null when the instrumented run did not
 * compute the value.
 */
export type GraphShape = readonly (number | string)[] | null;

/** The graph overview: operators and blocks as boxes, data flow as arrows. */
export interface ModelGraph {
  readonly nodes: readonly {
    readonly id: string;
    readonly label: string;
    /** Label of the box: the main operator and the operators merged into it, as `Conv + Relu`. */
    readonly operator: string;
    readonly macs: number;
    /** Group that sets its width, if any. */
    readonly group: string | null;
    readonly units: number | null;
    /** Residual block that contains it, if any. */
    readonly block: string | null;
    readonly params: number;
    /** Shapes read from other boxes or from the model's inputs, and shapes read by others. */
    readonly inputs: readonly GraphShape[];
    readonly outputs: readonly GraphShape[];
    /** Weight shapes of the main operator. */
    readonly weights: readonly GraphShape[];
    /** Reason why its width cannot change; null when it can, or when it has no width of its own. */
    readonly frozen: string | null;
  }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

/**
 * Profile of the model as a job runs it; one row per kernel that the runtime executes, slowest
 * first.
 */
export interface OperatorProfile {
  /** Sum over the operators, in ms per run. */
  readonly totalMs: number;
  readonly operators: readonly {
    readonly name: string;
    readonly operator: string;
    readonly ms: number;
    /**
     * Groups whose width changes this kernel; empty for layout changes that the runtime inserts.
     */
    readonly groups: readonly string[];
  }[];
  readonly provenance: Provenance;
}

/** Budgets that could be met, before anything is pruned. */
export interface ReachReport {
  readonly baselineMs: number;
  /** Predicted latency of the largest cut. */
  readonly leastMs: number;
  /** Predicted latency for one keep ratio in all groups. */
  readonly curve: readonly { readonly keep: number; readonly ms: number; readonly macs: number }[];
  /**
   * Set when a component of a package is pruned; the figures above then describe one use of the
   * package.
   */
  readonly use?: UseOfPackage;
  readonly provenance: Provenance;
}

/** One use of a package as seen by a budget for one component. Milliseconds are of the metric. */
export interface UseOfPackage {
  readonly metric: string;
  /** One clause that says what the metric counts. */
  readonly about: string;
  readonly component: string;
  /** Time of the phases that other components run. Pruning this component does not change them. */
  readonly othersMs: number;
  readonly phases: readonly PhasePart[];
}

export interface DataPreview {
  readonly kind: string;
  readonly samples: number;
  readonly labelled: boolean;
  readonly classes: number | null;
  readonly classNames: readonly string[] | null;
  /** PNG data URLs of the first samples after preprocessing, with their labels. */
  readonly images: readonly {
    /** Empty when samples are not images. */
    readonly src: string;
    readonly label: string | null;
    /** Text for the inputs that are not images; absent for a model of one input. */
    readonly others?: string;
  }[];
  readonly preprocess: Readonly<Record<string, unknown>>;
  /**
   * Sizes of dynamic axes besides the batch, taken from the data; they override all other sizes.
   */
  readonly sizes?: Readonly<Record<string, number>>;
  /** The original's predictions on the data, before any pruning. */
  readonly original?: OriginalQuality;
  /** The first sample as preprocessed by each preset; empty when samples are not images. */
  readonly presets?: readonly PresetPreview[];
  readonly notes: readonly string[];
}

export interface PresetPreview {
  readonly preset: PreprocessPreset;
  readonly label: string;
  /** Smallest and largest value of the preprocessed input. */
  readonly min: number;
  readonly max: number;
  /** PNG data URL. */
  readonly src: string;
}

/** Data of a finished job for the sliders of its review. */
export interface ReviewData {
  readonly baselineMs: number;
  readonly budgetMs: number;
  /** Units that remain after the dropped blocks. */
  readonly units: readonly StoredUnit[];
  readonly scale: number;
  readonly offset: number;
  readonly groups: readonly {
    readonly id: string;
    readonly units: number;
    readonly kept: number;
    /**
     * Selectable counts, ascending, including the full width and the kept count, and the predicted
     * output change at each count. Costs are empty when the model has no gradient to predict them
     * from.
     */
    readonly counts: readonly number[];
    readonly costs: readonly number[];
  }[];
  readonly samples: readonly {
    /** Empty when samples are not images. */
    readonly src: string;
    readonly label: string | null;
    /** Text for the inputs that are not images; absent for a model of one input. */
    readonly others?: string;
    /** The predicted class, or the similarity of the output to the original's. */
    readonly before: string;
    readonly after: string;
  }[];
  readonly operators: readonly { readonly name: string; readonly operator: string; readonly ms: number }[];
}

export interface VerifyOutcome {
  /** True when no check failed. */
  readonly ok: boolean;
  /** `ok` null: not comparable, so neither passed nor failed. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean | null; readonly detail: string }[];
}
