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
  /** What the original makes of it is part of the report. */
  readonly data?: string;
  readonly labels?: string;
  /** A file, or the name of a preset. */
  readonly preprocess?: string;
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  /** Sizes of dynamic axes by name. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface Port {
  readonly name: string;
  /** ONNX spelling in lower case, such as float32. */
  readonly dtype: string;
  /** Names stand for dynamic axes. */
  readonly shape: readonly (number | string)[];
}

export interface OperatorCount {
  readonly operator: string;
  readonly count: number;
  readonly macs: number;
  readonly params: number;
  /** Has Secateur rules for it? Structures that touch an operator without rules stay whole. */
  readonly known: boolean;
}

export interface AxisSize {
  readonly name: string;
  readonly size: number;
  /** 'follows': from other axes, as in "past + sequence". */
  readonly from: 'data' | 'given' | 'guessed' | 'follows';
}

export interface InspectReport {
  readonly model: string;
  readonly sha256: string;
  /** Of the model file and its external data. */
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
  /** Size taken for each dynamic axis. */
  readonly assumed: Readonly<Record<string, number>>;
  /** Dynamic axes besides the batch, and where the size of each comes from. */
  readonly sizes?: readonly AxisSize[];
  readonly groups: readonly GroupInfo[];
  readonly blocks: readonly string[];
  readonly skipped: readonly Skipped[];
  /** Share of the MACs in operators that a group narrows. */
  readonly prunableShare: number;
  readonly graph: ModelGraph;
  /** How each output is read. */
  readonly meanings?: readonly OutputMeaning[];
  /** Where data were given. */
  readonly original?: OriginalQuality;
  readonly notes: readonly string[];
}

export interface BenchRequest {
  readonly model: string;
  /** Measured interleaved with the model. */
  readonly vs?: string;
  readonly provider: string;
  readonly threads: number;
  /** Asked for, where the process may use fewer. */
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
  /** A file, or the name of a preset. */
  readonly preprocess?: string;
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  readonly provider: string;
  readonly threads: number;
  /** Asked for, where the process may use fewer. */
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
  /** How each output was read. */
  readonly outputs?: readonly OutputMeaning[];
  readonly provenance: Provenance;
  readonly notes: readonly string[];
}

/** How a latency is asked for. */
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
  /** `model` is a component of a package: what a use of the package can come to when only this component is pruned. */
  readonly part?: PackagePart;
  /** Of the package, where the user corrected it. */
  readonly family?: Family;
}

export interface PreviewRequest {
  readonly model: string;
  readonly data: string;
  readonly labels?: string;
  /** A file, or the name of a preset. */
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
  /** Share of the MACs in operators that a group narrows. */
  readonly prunableShare: number;
  readonly frozen: readonly Skipped[];
  /** Largest difference between pruned and masked model, relative to each output's largest value. */
  readonly maskError: number | null;
  readonly macsRatio: number | null;
  /** Measured on one thread, pruned over original. */
  readonly latencyRatio: number | null;
  /** The slowest operators of the pruned model, where it is not clearly faster. */
  readonly holds: readonly { readonly operator: string; readonly ms: number }[];
  /** Reasons why it is not ok, as ends of sentences. */
  readonly problems: readonly string[];
  /** Remarks, as ends of sentences. */
  readonly notes: readonly string[];
  /** Other sizes of dynamic axes at which pruned and masked model were compared, such as `batch = 3`. */
  readonly sizes: readonly string[];
  readonly seconds: number;
}
