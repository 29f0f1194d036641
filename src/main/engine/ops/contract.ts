/**
 * The definition of one operator. One file per operator in this folder exports `operator: OperatorDef` (or `operators:
 * OperatorDef[]` where one rule serves a family), and `described: DescribedOperator[]` for operators without rules.
 * registry.ts finds it; nothing else changes.
 */
import type { GraphBuilder } from '../autodiff/builder.ts';
import type { Facts } from '../ir/facts.ts';
import type { Node } from '../ir/node.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { Traits } from './traits.ts';

export type { Traits } from './traits.ts';

/** A missing rule, visible in the coverage report. */
export interface Unsupported {
  readonly unsupported: string;
}
export const unsupported = (reason: string): Unsupported => ({ unsupported: reason });
export const isUnsupported = (r: unknown): r is Unsupported =>
  typeof r === 'object' && r !== null && 'unsupported' in r;

export interface OperatorDef {
  readonly opType: string;
  /** '' is ai.onnx. */
  readonly domain?: string;
  /** Facts about the operator that other parts of the engine need. */
  readonly traits?: Traits;
  /** Output shapes from input shapes and constants; null where they depend on data. Checked against the runtime. */
  readonly shape: ShapeRule;
  /** Multiply-accumulates of one execution; omitted = 0 (data movement, comparisons). Element-wise arithmetic counts 0. */
  readonly macs?: (ctx: ShapeContext) => number;
  readonly prune: PruneRule | Unsupported;
  readonly grad: GradRule | Unsupported;
  /** The same in single operators, for training where the operator itself has no gradient. Checked against the runtime. */
  readonly expand?: ExpandRule;
  /** Used by the generic suite: shape against the runtime, gradient against finite differences, prune against mask. */
  readonly examples: readonly Example[];
}

/** An operator without rules, so that everything connected to it stays whole, but with known facts. */
export interface DescribedOperator {
  readonly opType: string;
  /** '' is ai.onnx. */
  readonly domain?: string;
  readonly traits: Traits;
}

export interface ShapeContext {
  readonly node: Node;
  /** Version of the operator set of the node's domain. */
  readonly opset: number;
  /** Shape of input i, or null when the input is omitted. */
  in(i: number): readonly number[] | null;
  /** Shape of output i, from the facts. Only for macs. */
  out(i: number): readonly number[];
  /** Small constant value of input i, or null when it is unknown or omitted. */
  constant(i: number): readonly number[] | null;
}
export type ShapeRule = (ctx: ShapeContext) => (readonly number[] | null)[];

// ---------------------------------------------------------------- pruning

export interface AxisRef {
  readonly value: Value;
  readonly axis: number;
}

/**
 * Axis maps. The group builder assigns an atom to every index of every axis of every value, and joins atoms that must
 * be removed together. A rule states how the indices of its inputs' axes correspond to those of its outputs. An axis
 * (of extent > 1) of an input or output that the rule does not mention is frozen: nothing may be removed there.
 */
export interface PruneContext {
  readonly node: Node;
  readonly opset: number;
  readonly facts: Facts;
  /** Shape from the facts; [] for a scalar. */
  shape(v: Value): readonly number[];
  /** Small constant value (shapes, axes, pads), or null. */
  constant(v: Value | null): readonly number[] | null;
  /** Index i of `a` is removed exactly when index i of `b` is. Extents must be equal; extent-1 pairs are ignored. */
  same(a: AxisRef, b: AxisRef): void;
  /**
   * Index i of `a` is removed exactly when index j = to(i) of `b` is; to(i) = -1: no partner. Many-to-one and
   * one-to-many both join.
   */
  map(a: AxisRef, b: AxisRef, to: (i: number) => number): void;
  /**
   * A contraction: the operator sums over `activation`'s axis against `weight`'s axis (Conv input channels, MatMul K).
   * Joins the two like map (weight index = to(i), default i) and marks the place where masking equals removing:
   * zero there, on either side, is the same as absent.
   */
  sink(activation: AxisRef, weight: AxisRef, to?: (i: number) => number): void;
  /**
   * The operator reduces this axis to one number, so its units need not match anything: 'sum' where zero is the same as
   * absent, 'mean' where the divisor becomes the number of remaining units, 'normalize' where mean and variance are
   * those of the remaining units. Masked models compute the same.
   */
  reduce(a: AxisRef, how: ReductionKind): void;
  /**
   * Mentions an axis that is independent of all others here (weight output channels are `same` with the output
   * instead).
   */
  free(a: AxisRef): void;
  /** Nothing may be removed along this axis. The reason names what blocks it. */
  freeze(a: AxisRef, reason: string): void;
  /** One index of the axis must stay, the others are independent of the operator. */
  pin(a: AxisRef, index: number, reason: string): void;
  /**
   * A softmax over this axis, from input to output. Indices of a sequence can be left out of it: a masked model gives
   * them a weight of zero. Indices of channels cannot; for them the axis is frozen with the reason.
   */
  weigh(from: AxisRef, to: AxisRef, reason: string): void;
  /** True when every index of the axis is frozen already (nodes are visited in execution order). */
  isFrozen(a: AxisRef): boolean;
  /**
   * Several valid readings (for example: remove whole convolution groups, or the same channel of every group). Returns
   * the reading in force for this node, by default the first; the builder tries others when everything is frozen.
   * @param equal readings that may hold besides the first one, each with separate units (heads, and dimensions of
   *   heads)
   */
  choose<const T extends string>(readings: readonly T[], equal?: readonly T[]): T;
}

export type ReductionKind = 'sum' | 'mean' | 'normalize';

export interface PruneRule {
  relate(ctx: PruneContext): void;
  /**
   * Runs after surgery has sliced the initializers: adapts attributes and constant inputs (group counts, split sizes,
   * reshape targets, pads). Omitted when nothing depends on the width.
   */
  rewrite?(ctx: RewriteContext): void;
}

export interface RewriteContext {
  readonly node: Node;
  readonly opset: number;
  /** Shape before the surgery. */
  shapeBefore(v: Value): readonly number[];
  /** Shape after the surgery (dynamic axes hold the size of the instrumented run). */
  shapeAfter(v: Value): readonly number[];
  /** Kept indices along an axis, ascending, or null when all stay. */
  kept(v: Value, axis: number): readonly number[] | null;
  /** Small constant value before the surgery. */
  constant(v: Value | null): readonly number[] | null;
  /** True when the axis's size can differ between runs (batch, dynamic height). */
  isDynamic(v: Value, axis: number): boolean;
  /** True when two axes had equal lengths before the surgery, at every size of the inputs that was tried. */
  sameLength(v: Value, axis: number, other: Value, otherAxis: number): boolean;
  /** Replaces input i by a new int64 initializer. Other readers of the old one are unaffected. */
  setInts(input: number, values: readonly number[]): void;
  /**
   * Like setInts for sizes of which some may follow the sizes of the inputs: those continue to be computed, the others
   * are written. `values` are the input's contents after the surgery at the sizes of the instrumented run.
   */
  setSizes(input: number, values: readonly number[]): void;
  /** Replaces input i by any new initializer. */
  setTensor(input: number, tensor: Tensor): void;
  /** Replaces the whole node by a Gather of its first input: output index i along `axis` is input index indices[i]. */
  replaceByGather(axis: number, indices: readonly number[]): void;
}

// ---------------------------------------------------------------- gradients

export interface GradContext {
  readonly node: Node;
  readonly opset: number;
  readonly b: GraphBuilder;
  /** Gradient of the loss with respect to output i, or null when nothing depends on it. Same shape as the output. */
  dY(i?: number): Value | null;
  /** True when the gradient of input i is needed. Computing others wastes time. */
  needs(i: number): boolean;
  shape(v: Value): readonly number[];
  constant(v: Value | null): readonly number[] | null;
}
/**
 * Emits the backward nodes and returns one gradient per input (null: none). A gradient may have the broadcast shape of
 * the output: the walker sums it down to the input's shape. The walker also accumulates over several readers.
 */
export type GradRule = (ctx: GradContext) => (Value | null)[];

// ---------------------------------------------------------------- expansion

/** Sizes are those of the instrumented run: the emitted nodes hold for these alone. */
export interface ExpandContext {
  readonly node: Node;
  /** Emits in front of the node. */
  readonly b: GraphBuilder;
  shape(v: Value): readonly number[];
  dtype(v: Value): number | undefined;
  /** A constant that the nodes of one graph share by its key. */
  shared(key: string, make: () => Tensor): Value;
}
/**
 * Emits the nodes and returns one value per output; null for an output that they do not compute. A rule throws where a
 * node asks for more than it emits.
 */
export type ExpandRule = (ctx: ExpandContext) => (Value | null)[];

// ---------------------------------------------------------------- examples

/**
 * A small test case. Inputs of kind 'x' are runtime inputs with seeded random data (differentiated when float); kind
 * 'w' are initializers with random data (differentiated when float, pruned); kind 'c' are constants with the given
 * values.
 */
export interface Example {
  readonly name: string;
  /** Default 17. */
  readonly opset?: number;
  readonly attributes?: Node['attributes'] | Iterable<readonly [string, import('../ir/attribute.ts').Attribute]>;
  readonly inputs: readonly ExampleInput[];
  /** Number of outputs, default 1. */
  readonly outputs?: number;
  /** Outputs whose gradient is checked; by default all float ones (statistics, for example, are not differentiated). */
  readonly gradOutputs?: readonly number[];
  /** Skips the gradient check, with the reason (integer outputs, a kink at every sample). */
  readonly noGrad?: string;
}
export type ExampleInput =
  | { readonly kind: 'x' | 'w'; readonly shape: readonly number[]; readonly range?: readonly [number, number] }
  | { readonly kind: 'c'; readonly tensor: Tensor }
  | null;
