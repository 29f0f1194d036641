/**
 * Facts about an operator that the rest of the engine goes by. Each stands in the operator's own file; no other code lists
 * operators by name. A trait says what the operator is or computes, not what one algorithm does with it. An absent trait
 * means that the fact does not hold, or that nobody has needed it yet.
 */
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';

export interface Traits {
  /** Multiplies input 0 by a weight, input 1, and sums over the input channels. */
  readonly linear?: Linear;
  /** A linear operator on integers. */
  readonly integerLinear?: true;
  /**
   * Inputs that training may change where they are float constants. Running statistics are none. An element-wise operator
   * has a vector there; a scalar is part of its arithmetic.
   */
  readonly trainable?: readonly number[];
  /** Input that scales each channel or feature of what was normalized. */
  readonly scaleInput?: number;
  /** Normalizes over the last axes: by mean and variance, or by the root mean square. */
  readonly normalization?: Normalization;
  /** Mixes positions by attention, all in one operator; the channels of the output are heads. */
  readonly attention?: true;
  /** Has a state that is carried along a sequence; `layout` 0 puts the sequence first and the batch second. */
  readonly recurrent?: true;
  /** The output is the sum of all inputs. */
  readonly sum?: true;
  /** Computes each element of the output from the elements at the same place, with numpy's broadcasting. */
  readonly elementwise?: Elementwise;
  /** Gives the elements of its data inputs on, at the same or at other places. */
  readonly movement?: Movement;
  /** What the values of the output are, whatever it reads. */
  readonly yields?: Yields;
  /** An activation that changes nothing where it is applied a second time. */
  readonly idempotent?: true;
  /** True where no element of the output can be negative, given which inputs cannot. */
  readonly nonNegative?: (node: Node, input: (v: Value | null) => boolean) => boolean;
  /** Inputs that are read for their shape and type alone. */
  readonly shapeInputs?: readonly number[];
  /** Inputs that say how large the output is or where it is taken from, not what it holds. */
  readonly sizeInputs?: readonly number[];
  /** Element type of every output (`DType`), where it is the same whatever the operator reads. */
  readonly outputType?: number;
  /** Chooses, orders or counts by the data: where the data are rounded otherwise, the choice may be another one. */
  readonly selection?: Selection;
  /** Draws numbers: two runs on the same inputs may differ. */
  readonly random?: true | ((node: Node) => boolean);
  /** Runs a graph, the attribute `body`, once per iteration. */
  readonly body?: Body;
  /** Makes or reads what is no tensor: a sequence, an optional or a map. */
  readonly sequence?: Sequence;
  /** Keeps values as small integers with a scale, or gives them back. */
  readonly quantizes?: true;
  /** The runtime begins a kernel with it, and never fuses it into the kernel of what comes before. */
  readonly startsKernel?: true;
  /** A reader of a network's diagram looks for it, as for whatever multiplies and accumulates. */
  readonly landmark?: true;
  /** The runtime writes to every output in the list of the node: one that is left out by an empty name ends the process. */
  readonly writesEveryOutput?: true | ((node: Node) => boolean);
  /**
   * Operator sets from which on a node that was written for an older one reads differently: inputs that were attributes,
   * defaults that changed, operators that are gone. Source: onnx/docs/Changelog.md.
   */
  readonly changedIn?: (node: Node) => readonly number[];
}

export interface Linear {
  /** Axis of the channels of the data input and of the output. */
  readonly channelAxis: 1 | -1;
  /** Input that holds one bias per output channel; null where exporters add it by a node of its own. */
  readonly bias: 2 | null;
  /** Slides the weight over the axes behind the channels. */
  readonly slides: boolean;
  /** The weight as a matrix of outputs by inputs, or why the node is no product by such a matrix. @param dims of the weight */
  readonly matrix: (node: Node, dims: readonly number[]) => WeightMatrix | string;
  /** Which output channel each element of the weight belongs to; null where that is not told. @param dims of the weight */
  readonly outputs: (node: Node, dims: readonly number[]) => OutputChannels | null;
  /** Number of groups that fits other shapes; absent where there are no groups. @param channels of the data input */
  readonly groups?: (node: Node, channels: number, dims: readonly number[]) => number;
}

export interface WeightMatrix {
  /** Output channels. */
  readonly rows: number;
  /** Inputs of one output: input channels of its group times kernel positions. */
  readonly columns: number;
  /** Groups share nothing; each makes rows / groups outputs. */
  readonly groups: number;
  /** The stored weight holds one output after another; otherwise one input after another. */
  readonly rowMajor: boolean;
}

export interface OutputChannels {
  readonly channels: number;
  /** Output channel of an element of the weight, by its place in memory. */
  readonly at: (element: number) => number;
}

export interface Normalization {
  /** Takes the mean away; otherwise the root mean square alone divides. */
  readonly centred: boolean;
  /** Input that is added to input 0 first; null where there is none. */
  readonly residual: number | null;
  /** Inputs added behind the scale, and before the statistics; null where the operator has none. */
  readonly shift: number | null;
  readonly bias: number | null;
  /** Output that gives the sum out; null where the operator has none. */
  readonly sum: number | null;
  /** Where the attribute is absent. */
  readonly epsilon: number;
}

/**
 * - arithmetic: sums, products, extremes and what else sizes are computed with
 * - rounding: floor, ceiling and the like
 * - function: any other function of the elements
 * - test: gives booleans
 * - choice: takes one of several elements by a condition
 */
export type Elementwise = 'arithmetic' | 'rounding' | 'function' | 'test' | 'choice';

/**
 * - as-is: every element once and at its place; the element type may change
 * - in-order: every element once, in the same order in memory, in another shape
 * - permuted: every element once, in another order
 * - part: some of the elements
 * - repeated: every element, some of them several times
 * - joined: the elements of several inputs, or of one and a border
 * - resampled: the elements on another grid, interpolated between them
 */
export type Movement = 'as-is' | 'in-order' | 'permuted' | 'part' | 'repeated' | 'joined' | 'resampled';

/**
 * - softmax: a distribution along an axis, or its logarithm
 * - sigmoid: between 0 and 1, each by itself
 * - tanh: between -1 and 1, each by itself
 * - argmax: the index of the largest along an axis
 * - unit-length: vectors of length 1
 * - pooled: one number for all positions
 */
export type Yields = 'softmax' | 'sigmoid' | 'tanh' | 'argmax' | 'unit-length' | 'pooled';

export interface Selection {
  /** How many elements are chosen depends on the data. */
  readonly counted?: true;
  /** Values that hold which elements are chosen: indices or a condition. Absent where one index per place is the result. */
  readonly chosen?: (node: Node) => readonly (Value | null | undefined)[];
}

/** Where the values that are carried from one iteration to the next stand. */
export interface Body {
  /** Inputs of the node before them. */
  readonly before: number;
  /** Inputs of the body before them. */
  readonly inside: number;
  /** Outputs of the body before them. */
  readonly said: number;
  /** Reads slices of its last inputs, as the attributes `num_scan_inputs` and `scan_input_axes` say. */
  readonly slices: boolean;
}

export interface Sequence {
  /** Type of its output; absent where that is a tensor. */
  readonly makes?: 'sequence' | 'optional' | 'sequence(map)';
  /** Input 0 is no tensor. */
  readonly reads?: true;
}

/** Can never be negative, whatever it reads. */
export const always = (): boolean => true;
/** Negative only where the first input is. */
export const likeFirst: Traits['nonNegative'] = (node, input) => input(node.input(0));
/** Negative only where one of the inputs is. */
export const likeEvery: Traits['nonNegative'] = (node, input) => node.inputs.every((v) => v !== null && input(v));
