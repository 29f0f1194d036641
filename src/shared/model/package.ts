/** A model as its users have it: one ONNX file, or a folder of components with their configuration. */
import type { InspectReport, Port } from './tasks.ts';
import type { Family, LatencyStats, Provenance } from './types.ts';

/** What a component does in its package. */
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
  /** Relative to the package, with forward slashes. */
  readonly file: string;
  /** Other files of the same graph (other precisions, a decoder without cache), relative to the package. */
  readonly variants: readonly string[];
}

export interface Package {
  /** Absolute; the file itself for a package of one file. */
  readonly path: string;
  readonly family: Family;
  readonly components: readonly Component[];
  /** JSON configuration files, relative to the package. */
  readonly configs: readonly string[];
}

/** One component of a workload: how often it runs in one use, and at which sizes. */
export interface Phase {
  /** Unique in the workload, such as `prefill`. */
  readonly name: string;
  readonly component: string;
  /** Runs in one use of the package. */
  readonly repeat: number;
  /** Sizes of dynamic axes by name, the batch included. */
  readonly dims: Readonly<Record<string, number>>;
}

/** A figure that a budget can be set for: the weighted sum of the times of phases. */
export interface Metric {
  readonly name: string;
  /** One clause: 'until the first token'. */
  readonly about: string;
  /** Weight of each phase by name; absent phases do not count. */
  readonly weights: Readonly<Record<string, number>>;
}

/** A number that a user may choose for a workload. */
export interface SettingField {
  readonly name: string;
  readonly about: string;
  readonly least: number;
  readonly most: number;
  /** In force where the user gives none. */
  readonly default: number;
}

/** One use of a package. */
export interface Workload {
  readonly family: Family;
  /** One sentence: what one use is. */
  readonly about: string;
  readonly phases: readonly Phase[];
  /** 'total' is always the first. */
  readonly metrics: readonly Metric[];
  /** Settings in force, by name. */
  readonly settings: Readonly<Record<string, number>>;
  /** What each setting may be, in the family's order. */
  readonly fields: readonly SettingField[];
}

export interface ComponentReport extends Component {
  /** Of the file, and of its weights where they lie beside it and the component was inspected. */
  readonly bytes: number;
  /** null where the component could not be inspected. */
  readonly report: InspectReport | null;
  /** Why there is no report, as a sentence. */
  readonly error?: string;
}

/** What `inspect` says of a folder. */
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
  /** Folder or file. */
  readonly package: string;
  readonly settings?: Readonly<Record<string, number>>;
  /** Default: as detected. */
  readonly family?: Family;
  /** Sizes of dynamic axes by name; they win over those of the workload. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface WorkloadRequest {
  /** Folder or file. */
  readonly package: string;
  /** Settings of the workload by name; the rest is the family's. */
  readonly settings: Readonly<Record<string, number>>;
  readonly family?: Family;
  readonly provider: string;
  readonly threads: number;
  readonly threadsAsked?: number;
  readonly runs: number;
  /** Sizes of dynamic axes by name; they win over those of the workload. */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface PhaseTime extends Phase {
  readonly latency: LatencyStats;
}

/** What a phase adds to a metric: its runs that count, times its latency. */
export interface PhasePart {
  readonly name: string;
  readonly component: string;
  readonly weight: number;
  /** All runs that count together. */
  readonly ms: number;
}

export interface MetricTime {
  readonly name: string;
  readonly about: string;
  /** Sum of repeat x p50 over its phases, and half of the width in which it repeats. */
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
