/** Requests and reports of the tasks besides `compress`. Paths are absolute. */
import type {
  CompressReport,
  CompressRequest,
  ModelMeasure,
  OutputMeaning,
  OutputReading,
  PackagePart,
} from './job.ts';
import type { OriginalQuality } from './quality.ts';
import type { Family, GroupInfo, LatencyStats, Provenance, Skipped } from './types.ts';
import type { ModelGraph } from './window.ts';

export interface InspectRequest {
  readonly model: string;
  /** Adds the original's predictions on these data to the report. */
  readonly data?: string;
  readonly labels?: string;
  /** Path of a file, or the name of a preset. */
  readonly preprocess?: string;
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  /** Sizes of dynamic axes by name. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface Port {
  readonly name: string;
  /** ONNX type name in lower case, such as float32. */
  readonly dtype: string;
  /** Dynamic axes appear by name. */
  readonly shape: readonly (number | string)[];
}

export interface OperatorCount {
  readonly operator: string;
  readonly count: number;
  readonly macs: number;
  readonly params: number;
  /**
   * True when Secateur has rules for the operator. Structures that touch an operator without rules
   * stay whole.
   */
  readonly known: boolean;
}

export interface AxisSize {
  readonly name: string;
  readonly size: number;
  /** 'follows': derived from other axes, as in "past + sequence". */
  readonly from: 'data' | 'given' | 'guessed' | 'follows';
}

export interface InspectReport {
  readonly model: string;
  readonly sha256: string;
  /** Size of the model file and its external data. */
  readonly bytes: number;
  readonly producer: string;
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly family: Family;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly nodes: number;
  readonly operators: readonly OperatorCount[];
  /** Multiply-accumulates at the sizes of the instrumented run (dynamic axes as in `assumed`). */
  readonly macs: number;
  readonly params: number;
  /** Size assumed for each dynamic axis. */
  readonly assumed: Readonly<Record<string, number>>;
  /** Dynamic axes besides the batch, and the source of each size. */
  readonly sizes?: readonly AxisSize[];
  readonly groups: readonly GroupInfo[];
  readonly blocks: readonly string[];
  readonly skipped: readonly Skipped[];
  /** Share of the MACs in operators that a group can narrow. */
  readonly prunableShare: number;
  readonly graph: ModelGraph;
  /** Reading of each output. */
  readonly meanings?: readonly OutputMeaning[];
  /** Set when data were given. */
  readonly original?: OriginalQuality;
  readonly notes: readonly string[];
}

export interface BenchRequest {
  readonly model: string;
  /** Path of a second model, measured interleaved with the first. */
  readonly vs?: string;
  readonly provider: string;
  readonly threads: number;
  /** Requested thread count, when the process may use fewer. */
  readonly threadsAsked?: number;
  readonly batch: number;
  readonly runs: number;
  /** Sizes of dynamic axes by name. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface BenchReport {
  readonly model: string;
  readonly latency: LatencyStats;
  readonly vs: { readonly model: string; readonly latency: LatencyStats } | null;
  /** Other p50 / model p50; null when the difference is below the noise. */
  readonly speedup: number | null;
  readonly provenance: Provenance;
  readonly notes: readonly string[];
}

export interface CompareRequest {
  readonly original: string;
  readonly pruned: string;
  readonly data: string;
  readonly labels?: string;
  /** Path of a file, or the name of a preset. */
  readonly preprocess?: string;
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  readonly provider: string;
  readonly threads: number;
  /** Requested thread count, when the process may use fewer. */
  readonly threadsAsked?: number;
  readonly batch: number;
  readonly runs: number;
  /** Sizes of dynamic axes by name. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface CompareReport {
  readonly original: ModelMeasure;
  readonly pruned: ModelMeasure;
  /** Original p50 / pruned p50; null when the difference is below the noise. */
  readonly speedup: number | null;
  /** Reading of each output. */
  readonly outputs?: readonly OutputMeaning[];
  readonly provenance: Provenance;
  readonly notes: readonly string[];
}

/** Conditions of a latency measurement. */
export interface Conditions {
  readonly model: string;
  readonly threads: number;
  readonly batch: number;
  readonly provider: string;
  /** Sizes of dynamic axes by name. */
  readonly dims?: Readonly<Record<string, number>>;
}
export type ProfileRequest = Conditions;

export interface ReachRequest extends Conditions {
  /**
   * Set when `model` is a component of a package: the report then tells what one use of the package
   * can reach when only this component is pruned.
   */
  readonly part?: PackagePart;
  /** Family of the package, where the user corrected it. */
  readonly family?: Family;
}

export interface PreviewRequest {
  readonly model: string;
  readonly data: string;
  readonly labels?: string;
  /** Path of a file, or the name of a preset. */
  readonly preprocess?: string;
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  /** Sizes of dynamic axes by name. */
  readonly dims?: Readonly<Record<string, number>>;
}

/** A compression that has ended. */
export interface ReviewRequest {
  readonly request: CompressRequest;
  readonly report: CompressReport;
}

export interface VerifyRequest {
  readonly bundle: string;
  /** Sizes of dynamic axes by name. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface CoverageRequest {
  readonly model: string;
  /** Name of the model in the report. */
  readonly name: string;
  /** Share of the units of every group that is removed. */
  readonly ratio: number;
  /** Sizes of dynamic axes by name. */
  readonly dims?: Readonly<Record<string, number>>;
}

/** Result for one model with the same share of units removed from every group. */
export interface CoverageRow {
  readonly name: string;
  /** Share of the units to remove. */
  readonly ratio: number;
  /** The pruned model equals the masked model, and it runs. */
  readonly ok: boolean;
  readonly groups: number;
  /** Share of the MACs in operators that a group can narrow. */
  readonly prunableShare: number;
  readonly frozen: readonly Skipped[];
  /**
   * Largest difference between the pruned and the masked model, relative to each output's largest
   * value.
   */
  readonly maskError: number | null;
  readonly macsRatio: number | null;
  /** Latency of pruned over original, measured on one thread. */
  readonly latencyRatio: number | null;
  /** The slowest operators of the pruned model; set when it is not clearly faster. */
  readonly holds: readonly { readonly operator: string; readonly ms: number }[];
  /** Reasons why `ok` is false, as ends of sentences. */
  readonly problems: readonly string[];
  /** Remarks, as ends of sentences. */
  readonly notes: readonly string[];
  /**
   * Further sizes of dynamic axes at which the pruned and the masked model were compared, such as
   * `batch = 3`.
   */
  readonly sizes: readonly string[];
  readonly seconds: number;
}
