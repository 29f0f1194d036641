/** Plain data that crosses process borders and is written to files. All types are JSON. */

export type Family = 'cnn' | 'vit' | 'dual-encoder' | 'vlm' | 'moe' | 'lm' | 'diffusion' | 'unknown';

/** Quantiles of measured latency in milliseconds, with the conditions of the measurement. */
export interface LatencyStats {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly meanMs: number;
  readonly minMs: number;
  readonly stdMs: number;
  /**
   * Half-width of the interval in which the median is repeatable; smaller differences are noise.
   */
  readonly noiseMs: number;
  readonly runs: number;
  readonly batch: number;
  readonly threads: number;
  readonly provider: string;
}

/** The source of a latency figure. */
export interface Provenance {
  readonly kind: 'measured' | 'fitted' | 'guessed';
  readonly device: string;
  readonly processor: string;
  readonly runtime: string;
  readonly date: string;
}

export interface DeviceProfile {
  readonly id: string;
  readonly name: string;
  readonly kind: 'local' | 'profile';
  readonly processor: string;
  readonly cores: number;
  readonly providers: readonly string[];
  readonly runtime: string;
}

/** Exactly one of ms and ratio is set. */
export interface Budget {
  readonly ms?: number;
  /** Share of the measured baseline, 0 < ratio < 1. */
  readonly ratio?: number;
  readonly percentile: 50 | 90 | 95 | 99;
  readonly batch: number;
  readonly threads: number;
  readonly provider: string;
}

/** A pruning plan of a package. Structures that no choice names stay whole. */
export interface Plan {
  readonly version: 2;
  /** sha256 of the original model file of each component. */
  readonly package: Readonly<Record<string, string>>;
  /** Applied before the choices; absent where all tokens stay. */
  readonly tokens?: TokenSchedule;
  readonly choices: readonly PlanChoice[];
}

/** How much of one structure stays. */
export interface PlanChoice {
  readonly structure: string;
  readonly kind: string;
  /** Units that stay. */
  readonly level: number;
  readonly detail: {
    /** Indices of the removed units, ascending. */
    readonly removed: readonly number[];
  };
}

/** Which tokens a model keeps: a method that selects them for every sample, and where it does. */
export interface TokenSchedule {
  /** Name of the token method. */
  readonly method: string;
  /** Seeds methods that draw random numbers. */
  readonly seed: number;
  /** In execution order; each keeps fewer tokens than the one before. */
  readonly steps: readonly TokenStep[];
}

export interface TokenStep {
  /** Name of the value whose tokens are reduced. */
  readonly place: string;
  /** Tokens that stay, without those that always stay. */
  readonly keep: number;
}

/** A plan file of version 1, which knew channels (groups) and blocks. It is still read. */
export interface PlanVersion1 {
  readonly version: 1;
  /** sha256 of the original model file. */
  readonly model: string;
  readonly groups: readonly { readonly group: string; readonly removed: readonly number[] }[];
  /** Names of residual blocks that become their shortcut. */
  readonly blocks: readonly string[];
}

/** A structure that could not be pruned, and the operator that blocks it. */
export interface Skipped {
  readonly group: string;
  readonly operator: string;
  readonly reason: string;
}

/** A structure of several units as shown in reports. */
export interface GroupInfo {
  readonly id: string;
  /** Kind of the structure, and the word for one unit; absent in reports of older versions, which knew channels only. */
  readonly kind?: string;
  readonly unit?: string;
  readonly units: number;
  /** Number of initializer elements per unit. */
  readonly paramsPerUnit: number;
  /** Nodes whose width changes with the group. */
  readonly nodes: readonly string[];
}
