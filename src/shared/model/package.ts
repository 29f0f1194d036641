/** A package: one ONNX file, or a folder of components with their configuration. */
import type { InspectReport, Port } from './tasks.ts';
import type { Family, LatencyStats, Provenance } from './types.ts';

/** The role of a component in its package. */
export type ComponentRole =
  | 'model'
  | 'vision-encoder'
  | 'text-encoder'
  | 'encoder'
  | 'embedding'
  | 'decoder'
  | 'denoiser'
  | 'latent-decoder'
  | 'latent-encoder'
  | 'other';

export interface Component {
  /** Unique in the package, such as `vision_encoder`. */
  readonly id: string;
  readonly role: ComponentRole;
  /** Path relative to the package, with forward slashes. */
  readonly file: string;
  /** Other files of the same graph (other precisions, a decoder without cache), relative to the package. */
  readonly variants: readonly string[];
}

export interface Package {
  /** Absolute path; for a package of one file, the file itself. */
  readonly path: string;
  readonly family: Family;
  readonly components: readonly Component[];
  /** JSON configuration files, relative to the package. */
  readonly configs: readonly string[];
}

/** One component of a workload: its runs per use, and their sizes. */
export interface Phase {
  /** Unique in the workload, such as `prefill`. */
  readonly name: string;
  readonly component: string;
  /** Runs per use of the package. */
  readonly repeat: number;
  /** Sizes of dynamic axes by name, the batch included. */
  readonly dims: Readonly<Record<string, number>>;
}

/** A figure that a budget can be set for: a weighted sum of phase times. */
export interface Metric {
  readonly name: string;
  /** Meaning in one clause: 'until the first token'. */
  readonly about: string;
  /** Weight of each phase by name; absent phases have weight 0. */
  readonly weights: Readonly<Record<string, number>>;
}

/** A number that users can set for a workload. */
export interface SettingField {
  readonly name: string;
  readonly about: string;
  readonly least: number;
  readonly most: number;
  /** Used when the user gives no value. */
  readonly default: number;
}

/** One use of a package. */
export interface Workload {
  readonly family: Family;
  /** One sentence that describes a use. */
  readonly about: string;
  readonly phases: readonly Phase[];
  /** The first metric is always 'total'. */
  readonly metrics: readonly Metric[];
  /** Settings in force, by name. */
  readonly settings: Readonly<Record<string, number>>;
  /** Allowed values of each setting, in the family's order. */
  readonly fields: readonly SettingField[];
}

export interface ComponentReport extends Component {
  /** Size of the file, plus its external weights where the component was inspected. */
  readonly bytes: number;
  /** Null when the component could not be inspected. */
  readonly report: InspectReport | null;
  /** Why there is no report, as a sentence. */
  readonly error?: string;
}

/** The report of `inspect` for a folder. */
export interface PackageReport {
  readonly path: string;
  readonly family: Family;
  readonly bytes: number;
  readonly configs: readonly string[];
  readonly components: readonly ComponentReport[];
  readonly workload: Workload;
  readonly notes: readonly string[];
}

export interface PackageRequest {
  /** Path of a folder or file. */
  readonly package: string;
  readonly settings?: Readonly<Record<string, number>>;
  /** Default: the detected family. */
  readonly family?: Family;
  /** Sizes of dynamic axes by name; they override those of the workload. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface WorkloadRequest {
  /** Path of a folder or file. */
  readonly package: string;
  /** Settings of the workload by name; defaults come from the family. */
  readonly settings: Readonly<Record<string, number>>;
  readonly family?: Family;
  readonly provider: string;
  readonly threads: number;
  readonly threadsAsked?: number;
  readonly runs: number;
  /** Sizes of dynamic axes by name; they override those of the workload. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface PhaseTime extends Phase {
  readonly latency: LatencyStats;
}

/**
 * The contribution of a phase to a metric: the number of its runs that count, times its latency.
 */
export interface PhasePart {
  readonly name: string;
  readonly component: string;
  readonly weight: number;
  /** Sum over the runs that count, ms. */
  readonly ms: number;
}

export interface MetricTime {
  readonly name: string;
  readonly about: string;
  /**
   * Sum of repeat x p50 over the phases, and the half-width of the interval in which it is
   * repeatable.
   */
  readonly ms: number;
  readonly noiseMs: number;
}

export interface WorkloadReport {
  readonly package: string;
  readonly workload: Workload;
  readonly phases: readonly PhaseTime[];
  readonly metrics: readonly MetricTime[];
  readonly provenance: Provenance;
  readonly notes: readonly string[];
}

export type { Port };
