/** What only the window asks for: pictures of a model, of data, of what a budget could reach, of a finished job. */
import type { PreprocessPreset } from './preprocess-presets.ts';
import type { PhasePart } from './package.ts';
import type { OriginalQuality } from './quality.ts';
import type { Provenance } from './types.ts';
import type { StoredUnit } from './latency-table.ts';

/** Sizes at a batch of one; names stand for dynamic axes. Null where the model was not seen to compute it. */
export type GraphShape = readonly (number | string)[] | null;

/** The overview: blocks and operators as boxes, what one computes from another as arrows. */
export interface ModelGraph {
  readonly nodes: readonly {
    readonly id: string;
    readonly label: string;
    /** What the box stands for: the operator that does the work, and what is merged into it, as `Conv + Relu`. */
    readonly operator: string;
    readonly macs: number;
    /** Group that makes its width, when one does. */
    readonly group: string | null;
    readonly units: number | null;
    /** Residual block that it is part of. */
    readonly block: string | null;
    readonly params: number;
    /** What it reads from other boxes or from the model's inputs, and what others read of it. */
    readonly inputs: readonly GraphShape[];
    readonly outputs: readonly GraphShape[];
    /** Sizes of the weights of the operator that does the work. */
    readonly weights: readonly GraphShape[];
    /** Why its width cannot change; null where it can, or where it has none of its own. */
    readonly frozen: string | null;
  }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

/** Of the model as a job works on it; one row per kernel that the runtime executes, slowest first. */
export interface OperatorProfile {
  /** Sum over the operators, ms of one run. */
  readonly totalMs: number;
  readonly operators: readonly {
    readonly name: string;
    readonly operator: string;
    readonly ms: number;
    /** Groups whose width changes it; empty for changes of layout that the runtime inserts. */
    readonly groups: readonly string[];
  }[];
  readonly provenance: Provenance;
}

/** What budgets could be met, before anything is pruned. */
export interface ReachReport {
  readonly baselineMs: number;
  /** Predicted for the largest cut. */
  readonly leastMs: number;
  /** Predicted for one keep ratio everywhere. */
  readonly curve: readonly { readonly keep: number; readonly ms: number; readonly macs: number }[];
  /** Where a component of a package is pruned: the figures above are of one use of the package. */
  readonly use?: UseOfPackage;
  readonly provenance: Provenance;
}

/** One use of a package as a budget for one component sees it. Milliseconds are of the metric. */
export interface UseOfPackage {
  readonly metric: string;
  /** One clause: what the metric counts. */
  readonly about: string;
  readonly component: string;
  /** Of the phases that other components run. No cut of this component changes them. */
  readonly othersMs: number;
  readonly phases: readonly PhasePart[];
}

export interface DataPreview {
  readonly kind: string;
  readonly samples: number;
  readonly labelled: boolean;
  readonly classes: number | null;
  readonly classNames: readonly string[] | null;
  /** As the model sees them: PNG data URLs of the first samples after preprocessing, with their labels. */
  readonly images: readonly {
    /** Empty where samples are no pictures. */
    readonly src: string;
    readonly label: string | null;
    /** The inputs that are no picture, in words; absent for a model of one input. */
    readonly others?: string;
  }[];
  readonly preprocess: Readonly<Record<string, unknown>>;
  /** Of dynamic axes besides the batch, as the data have them: these are used, whatever else is given. */
  readonly sizes?: Readonly<Record<string, number>>;
  /** What the model makes of the data before anything is cut. */
  readonly original?: OriginalQuality;
  /** The first sample as each preset would give it to the model; empty where samples are no pictures. */
  readonly presets?: readonly PresetPreview[];
  readonly notes: readonly string[];
}

export interface PresetPreview {
  readonly preset: PreprocessPreset;
  readonly label: string;
  /** Smallest and largest value that the model would see. */
  readonly min: number;
  readonly max: number;
  /** PNG data URL. */
  readonly src: string;
}

/** A finished job, as sliders need it. */
export interface ReviewData {
  readonly baselineMs: number;
  readonly budgetMs: number;
  /** Units that are left after the dropped blocks. */
  readonly units: readonly StoredUnit[];
  readonly scale: number;
  readonly offset: number;
  readonly groups: readonly {
    readonly id: string;
    readonly units: number;
    readonly kept: number;
    /**
     * Offered counts, ascending, with the full width and what was kept; and the predicted output change of keeping so
     * many. Costs are empty where the model has no gradient to predict them from.
     */
    readonly counts: readonly number[];
    readonly costs: readonly number[];
  }[];
  readonly samples: readonly {
    /** Empty where samples are no pictures. */
    readonly src: string;
    readonly label: string | null;
    /** The inputs that are no picture, in words; absent for a model of one input. */
    readonly others?: string;
    /** The predicted class, or how close the output is to the original's. */
    readonly before: string;
    readonly after: string;
  }[];
  readonly operators: readonly { readonly name: string; readonly operator: string; readonly ms: number }[];
}

export interface VerifyOutcome {
  /** No check failed. */
  readonly ok: boolean;
  /** `ok` null: not comparable, neither passed nor failed. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean | null; readonly detail: string }[];
}
