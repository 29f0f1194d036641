import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import type { ReductionKind } from '../../ops/contract.ts';
import type { Skipped } from '../../../../shared/model/types.ts';

/** The position of a group's units: along one axis of one value. */
export interface GroupMember {
  readonly value: Value;
  readonly axis: number;
  /** Indices along the axis per unit: indices[u] belong to unit u (several after a flatten, or in grouped layouts). */
  readonly indices: readonly (readonly number[])[];
  /**
   * 'source': an initializer axis that produces the units (output channels). 'sink': an initializer axis that is summed
   * over (input channels of a consumer). 'through': activations and per-channel parameters (scale, bias) in between.
   */
  readonly role: 'source' | 'sink' | 'through';
  /** For initializers, the nodes that read it; for activations, the producer. */
  readonly nodes: readonly Node[];
}

/** Structures that must be removed together. */
export interface Group {
  /**
   * Stable across runs of the same model: the name of the first source node in execution order, with a suffix when
   * split.
   */
  readonly id: string;
  readonly units: number;
  readonly members: readonly GroupMember[];
  /** Kept unit counts must be multiples of this (grouped convolutions); 1 otherwise. */
  readonly multiple: number;
}

/** A residual branch that can be dropped: `output` = Add(`shortcut`, branch) becomes `shortcut`. */
export interface ResidualBlock {
  /** Stable: name of the last linear node of the branch. */
  readonly id: string;
  readonly add: Node;
  /** The addend that stays. */
  readonly shortcut: Value;
  /** The addend that is dropped. */
  readonly branch: Value;
  /** Nodes that only the branch uses, in execution order. */
  readonly nodes: readonly Node[];
}

/** A contraction over units: zero along the activation's axis is the same as absent. */
export interface Sink {
  readonly node: Node;
  readonly activation: Value;
  readonly axis: number;
}

/** An operator that reduces an axis to one number: statistics are those of the remaining units. */
export interface Reduction {
  readonly node: Node;
  readonly activation: Value;
  readonly axis: number;
  readonly how: ReductionKind;
}

/** The result of analysing the axis maps of a whole graph. */
export interface Analysis {
  readonly groups: readonly Group[];
  readonly sinks: readonly Sink[];
  readonly reductions: readonly Reduction[];
  /** Linear operators whose output width cannot change, with the reason for each. */
  readonly skipped: readonly Skipped[];
}
