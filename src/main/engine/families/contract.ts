/**
 * The contract of a family: which components one use of a package runs, how often and at which sizes. One file per
 * family in this folder exports `family`; registry.ts finds it.
 */
import type { ComponentRole, Metric, Phase, SettingField } from '../../../shared/model/package.ts';
import type { Family } from '../../../shared/model/types.ts';
import type { ImageNote } from './image-tokens.ts';

export interface PortShape {
  readonly name: string;
  /** Names stand for dynamic axes. An unnamed one is called `<port>.<axis>`. */
  readonly shape: readonly (number | string)[];
  /** Element type (DType number), where the graph says it. */
  readonly dtype?: number;
}

export interface ComponentShape {
  readonly id: string;
  readonly role: ComponentRole;
  /** Path relative to the package. */
  readonly file: string;
  readonly inputs: readonly PortShape[];
  readonly outputs: readonly PortShape[];
  /** Present where the decoder drops image tokens inside. */
  readonly imageNote?: ImageNote;
}

/** A package as families see it: no files, no weights. */
export interface PackageShape {
  readonly components: readonly ComponentShape[];
  /** Contents of the JSON files by path relative to the package. */
  readonly configs: Readonly<Record<string, unknown>>;
  /** Kind of network of the largest component, judged by its operators. */
  readonly network: Family;
}

/** A number that a user may choose for a workload. */
export interface Setting extends Omit<SettingField, 'default'> {
  /** Default value, from the package's configuration where available. */
  readonly default: (pkg: PackageShape) => number;
}

export interface WorkloadParts {
  readonly about: string;
  readonly phases: readonly Phase[];
  readonly metrics: readonly Metric[];
}

export interface FamilyRule {
  /** Rules with a higher priority are tried first. */
  readonly priority: number;
  /** The package's family if this rule describes it, else null. */
  detect(pkg: PackageShape): Family | null;
  /**
   * True where the package has the components for a use of that family, whatever family it is detected as. Default:
   * false.
   */
  serves?(pkg: PackageShape, family: Family): boolean;
  readonly settings: readonly Setting[];
  workload(pkg: PackageShape, settings: Readonly<Record<string, number>>): WorkloadParts;
}
