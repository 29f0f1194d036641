/**
 * The contract of a kind of structure: it finds its structures, offers levels, ranks, masks and removes their units,
 * and gives the effect on the latency model. One folder per kind exports `kind` from `kind.ts`; registry.ts finds it.
 * Everything else (allocation, plans, reports) handles structures and levels without knowing the kinds.
 */
import type { Recipe } from '../../../shared/model/job.ts';
import type { Skipped } from '../../../shared/model/types.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import type { Analysis, Group, ResidualBlock } from './axes/types.ts';
import type { KindExample } from './example.ts';

/** Something that can be reduced. Its level is the number of units that it keeps. */
export interface Structure {
  /** Unique in the model, and stable across runs of the same model. */
  readonly id: string;
  /** The name in reports and recipes. Structures of different kinds may share one. */
  readonly name: string;
  readonly kind: StructureKind;
  /** The word for one unit in reports. */
  readonly unit: string;
  readonly units: number;
  /** Levels must be multiples of this; 1 for most. */
  readonly multiple: number;
  /** Nodes that hold its own weights. Where all of them are removed with another structure, its level has no effect. */
  readonly makers: readonly Node[];
  /** Names by which a recipe can freeze it. */
  readonly aliases: readonly string[];
  /**
   * Present where units are indices along axes. Criteria, statistics, curvature and the latency tables use these.
   * `axes.id` is the id of the structure.
   */
  readonly axes?: Group;
  /** Present where level 0 replaces a sum by one of its addends. Compensation treats the addend as the sum. */
  readonly bypass?: ResidualBlock;
}

/** A model in which structures are searched. */
export interface Analysed {
  readonly model: Model;
  /** Must hold the shapes of all values. */
  readonly facts: Facts;
  /** The groups, sinks and reductions that the axis maps of all operators give. */
  readonly analysis: Analysis;
}

/** A model with its structures. */
export interface Subject extends Analysed {
  readonly structures: readonly Structure[];
}

export interface Found {
  readonly structures: readonly Structure[];
  /** Structures that cannot be reduced, and the operators that prevent it. */
  readonly skipped?: readonly Skipped[];
}

export interface LevelOptions {
  /** Levels at which the measured latency has a step; absent where none were measured for this structure. */
  readonly steps: readonly number[] | undefined;
  /** Minimum share of units that the recipe keeps. */
  readonly floor: number;
}

/** The effect of a choice on the latency model. */
export interface ShapeChange {
  /** Kept units along the structure's axes; absent where no axis changes. */
  readonly keep?: number;
  /** Nodes that no longer run. */
  readonly gone: readonly Node[];
}

export interface StructureKind {
  /** Name of the kind in plans and reports. */
  readonly name: string;
  find(from: Analysed): Found;
  /** Levels to choose from, ascending; the last one is all units. */
  levels(s: Structure, o: LevelOptions): readonly number[];
  /**
   * Importance per unit; the least important are removed first.
   * @param byCriterion scores of a structure with `axes` by the recipe's criterion
   */
  rank(s: Structure, byCriterion: (axes: Group) => ArrayLike<number>): ArrayLike<number>;
  /** @param removed units, ascending */
  shapes(s: Structure, removed: readonly number[]): ShapeChange;
  /** Adds the removal of units to a cut. */
  apply(s: Structure, removed: readonly number[], cut: CutDraft): void;
  /** Multiplies the units' contributions by their gates: 1 leaves the model unchanged, 0 equals removal. */
  mask(s: Structure, gate: Gate, mask: MaskDraft): void;
  /** The level for a share of the units that a recipe sets by hand; absent where a recipe cannot. */
  levelAt?(s: Structure, share: number): number;
  /** False where a recipe excludes the kind; absent: never excluded. */
  allowed?(recipe: Pick<Recipe, 'channels' | 'blocks'>): boolean;
  /** Networks with such structures, for generic tests. */
  readonly examples: readonly KindExample[];
}

/** Collects the parts of one cut. Axes are cut first, then the graph is rewired in the order of structures. */
export interface CutDraft {
  /** Nodes that are removed with any structure of the plan. */
  readonly gone: ReadonlySet<Node>;
  /** Removes indices along an axis of a value of the original model. */
  removeIndices(value: Value, axis: number, indices: Iterable<number>): void;
  /** Edits the copy once all axes have been cut. Parts that become unused are removed afterwards. */
  rewire(edit: (copy: CutCopy) => void): void;
  /** @throws SecateurError 'plan-invalid' */
  refuse(reason: string): never;
}

/** The copy that a cut is applied to. Nodes and values of the original identify their copies. */
export interface CutCopy {
  node(original: Node): Node;
  value(original: Value): Value;
  /** Makes all readers of `value` read `by` instead. An output of the model keeps its name. */
  replace(value: Value, by: Value): void;
}

/** Factors of the units of one structure. */
export interface Gate {
  readonly units: number;
  /** The factors if they are fixed; null where they come from an input of the masked model. */
  readonly fixed: Float32Array | null;
  /** Float32 [units] in the copy. */
  readonly vector: Value;
}

/** A model in which units are multiplied by gates. */
export interface MaskDraft {
  /** Multiplies the indices of every unit by its factor, at each contraction and reduction that reads them. */
  scaleAxes(axes: Group, gate: Gate): void;
  /** Multiplies an input of a node by the factor of one unit. Node and value are the original's. */
  scaleInput(node: Node, value: Value, gate: Gate, unit: number): void;
}
