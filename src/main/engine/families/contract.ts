/**
 * A family says what one use of a package is: which components run, how often and at which sizes. One file per family in
 * this folder exports `family`; registry.ts finds it.
 */
import type { ComponentRole, Metric, Phase, SettingField } from '../../../shared/model/package.ts';
import type { Family } from '../../../shared/model/types.ts';

export interface PortShape {
  readonly name: string;
  /** Names stand for dynamic axes; an unnamed one is called `<port>.<axis>`. */
  readonly shape: readonly (number | string)[];
}

export interface ComponentShape {
  readonly id: string;
  readonly role: ComponentRole;
  /** Relative to the package. */
  readonly file: string;
  readonly inputs: readonly PortShape[];
  readonly outputs: readonly PortShape[];
}

/** A package as families see it: no files, no weights. */
export interface PackageShape {
  readonly components: readonly ComponentShape[];
  /** Contents of the JSON files by path relative to the package. */
  readonly configs: Readonly<Record<string, unknown>>;
  /** Kind of network of the largest component, from its operators. */
  readonly network: Family;
}

/** A number that a user may choose for a workload. */
export interface Setting extends Omit<SettingField, 'default'> {
  /** From the package's configuration where that says it. */
  readonly default: (pkg: PackageShape) => number;
}

export interface WorkloadParts {
  readonly about: string;
  readonly phases: readonly Phase[];
  readonly metrics: readonly Metric[];
}

export interface FamilyRule {
  /** Rules with a higher priority are asked first. */
  readonly priority: number;
  /** The family of a package that this rule describes; null for any other package. */
  detect(pkg: PackageShape): Family | null;
  /** True where the package has the components for a use of that family, whatever it looks like. Default: it has not. */
  serves?(pkg: PackageShape, family: Family): boolean;
  readonly settings: readonly Setting[];
  workload(pkg: PackageShape, settings: Readonly<Record<string, number>>): WorkloadParts;
}
