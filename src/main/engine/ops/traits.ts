/**
 * Facts about an operator that the rest of the engine uses. Each is in the operator's own file; no other code lists
 * operators by name. A trait describes what the operator is or computes, not how one algorithm uses it. An absent trait
 * means that the fact does not hold, or has not been needed yet.
 */
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';

export interface Traits {
  /** Multiplies input 0 by a weight, input 1, and sums over the input channels. */
  readonly linear?: Linear;
  /** A linear operator on integers. */
  readonly integerLinear?: true;
  /**
   * Inputs that training may change where they are float constants. Running statistics are not included. For an
   * element-wise operator, such an input is a vector; a scalar is part of its arithmetic.
   */
  readonly trainable?: readonly number[];
  /** Input that scales each channel or feature of the normalized value. */
  readonly scaleInput?: number;
  /** Normalizes over the last axes: by mean and variance, or by the root mean square. */
  readonly normalization?: Normalization;
  /** Mixes positions by attention in one operator; the channels of the output are heads. */
  readonly attention?: true;
  /** Where a fused attention reads and writes its parts. */
  readonly attentionPorts?: AttentionPorts;
  /** Carries a state along a sequence. `layout` 0 has the sequence first and the batch second. */
  readonly recurrent?: true;
  /** The output is the sum of all inputs. */
  readonly sum?: true;
  /** Computes each element of the output from the elements at the same position, with numpy broadcasting. */
  readonly elementwise?: Elementwise;
  /** Passes on the elements of its data inputs, at the same or other positions. */
  readonly movement?: Movement;
  /** Kind of the output's values, independent of the inputs. */
  readonly yields?: Yields;
  /** An activation that has no effect when applied a second time. */
  readonly idempotent?: true;
  /** True where no element of the output can be negative, given which inputs cannot. */
  readonly nonNegative?: (node: Node, input: (v: Value | null) => boolean) => boolean;
  /** Inputs of which only the shape and type are read. */
  readonly shapeInputs?: readonly number[];
  /** Inputs that determine the size or position of the output, not its contents. */
  readonly sizeInputs?: readonly number[];
  /** Element type of every output (`DType`), where it does not depend on the inputs. */
  readonly outputType?: number;
  /** Selects, orders or counts by the data, so other rounding of the data can change the selection. */
  readonly selection?: Selection;
  /** Draws random numbers: two runs on the same inputs can differ. */
  readonly random?: true | ((node: Node) => boolean);
  /** Runs a graph, the attribute `body`, once per iteration. */
  readonly body?: Body;
  /** Produces or reads a non-tensor value: a sequence, an optional or a map. */
  readonly sequence?: Sequence;
  /** Stores values as small integers with a scale, or restores them. */
  readonly quantizes?: true;
  /** The runtime starts a kernel with it, and never fuses it into the kernel of an earlier node. */
  readonly startsKernel?: true;
  /** Worth showing in a diagram of the network, like operators that multiply and accumulate. */
  readonly landmark?: true;
  /** The runtime writes to every output in the node's list: one omitted by an empty name crashes the process. */
  readonly writesEveryOutput?: true | ((node: Node) => boolean);
  /**
   * Operator sets from which on a node written for an older one has another meaning: attributes became inputs, defaults
   * changed, operators were removed. Source: onnx/docs/Changelog.md.
   */
  readonly changedIn?: (node: Node) => readonly number[];
}

export interface Linear {
  /** Axis of the channels of the data input and of the output. */
  readonly channelAxis: 1 | -1;
  /** Input with one bias per output channel; null where exporters add it in a separate node. */
  readonly bias: 2 | null;
  /** Slides the weight over the axes after the channels. */
  readonly slides: boolean;
  /**
   * The weight as a matrix of outputs by inputs, or the reason why the node is not a product with such a matrix.
   * @param dims of the weight
   */
  readonly matrix: (node: Node, dims: readonly number[]) => WeightMatrix | string;
  /**
   * The output channel that each element of the weight belongs to; null where unknown.
   * @param dims of the weight
   */
  readonly outputs: (node: Node, dims: readonly number[]) => OutputChannels | null;
  /**
   * Number of groups for other shapes; absent where there are no groups.
   * @param channels of the data input
   */
  readonly groups?: (node: Node, channels: number, dims: readonly number[]) => number;
}

export interface WeightMatrix {
  /** Output channels. */
  readonly rows: number;
  /** Inputs of one output: input channels of its group times kernel positions. */
  readonly columns: number;
  /** Groups are independent; each has rows / groups outputs. */
  readonly groups: number;
  /** The weight is stored output by output, otherwise input by input. */
  readonly rowMajor: boolean;
}

export interface OutputChannels {
  readonly channels: number;
  /** Output channel of an element of the weight, by its index in memory. */
  readonly at: (element: number) => number;
}

export interface Normalization {
  /** Subtracts the mean; otherwise only divides by the root mean square. */
  readonly centred: boolean;
  /** Input that is first added to input 0; null where there is none. */
  readonly residual: number | null;
  /** Inputs added after the scale, and before the statistics; null where the operator has none. */
  readonly shift: number | null;
  readonly bias: number | null;
  /** Output that contains the sum; null where the operator has none. */
  readonly sum: number | null;
  /** Default for an absent attribute. */
  readonly epsilon: number;
}

/** Positions of inputs and outputs of a fused attention, whose inputs 0 to 2 are query, key and value. */
export interface AttentionPorts {
  /** Inputs that hold keys and values of earlier steps, [B, heads, length, size]. */
  readonly past: readonly [key: number, value: number];
  /** Outputs that hold keys and values of all steps. */
  readonly present: readonly [key: number, value: number];
  /**
   * Input added to the scores, or a boolean that admits them. It broadcasts to [B, heads, queries, keys] along the first two
   * axes only.
   */
  readonly bias: number;
  /** Names of the attributes with the numbers of query heads and of key heads. */
  readonly heads: readonly [query: string, key: string];
  /** Tables of cosines and sines that the node may apply itself, and the attribute that says so. */
  readonly rotary?: RotaryPorts;
  /** Without a key, the query holds query, key and value, one after the other along the last axis. */
  readonly packed?: true;
  /** Attribute with the number of keys before a query that it may see; at most 0 for all. */
  readonly window?: string;
}

export interface RotaryPorts {
  /** Attribute that is 1 where the node applies the tables. */
  readonly attribute: string;
  readonly cos: number;
  readonly sin: number;
  readonly positions: number;
  /** Attribute for pairs of neighbours; the other form has pairs of halves. */
  readonly interleaved: string;
  /** The last input that changes neither queries nor keys. */
  readonly last: number;
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
  /** The number of selected elements depends on the data. */
  readonly counted?: true;
  /** Values that hold the selection: indices or a condition. Absent where the result has one index per position. */
  readonly chosen?: (node: Node) => readonly (Value | null | undefined)[];
}

/** Positions of the values carried between iterations. */
export interface Body {
  /** Number of node inputs before them. */
  readonly before: number;
  /** Number of body inputs before them. */
  readonly inside: number;
  /** Number of body outputs before them. */
  readonly said: number;
  /** Reads slices of its last inputs, as given by the attributes `num_scan_inputs` and `scan_input_axes`. */
  readonly slices: boolean;
}

export interface Sequence {
  /** Type of its output; absent for a tensor. */
  readonly makes?: 'sequence' | 'optional' | 'sequence(map)';
  /** Input 0 is not a tensor. */
  readonly reads?: true;
}

/** Never negative, for any input. */
export const always = (): boolean => true;
/** Negative only where the first input is. */
export const likeFirst: Traits['nonNegative'] = (node, input) => input(node.input(0));
/** Negative only where one of the inputs is. */
export const likeEvery: Traits['nonNegative'] = (node, input) => node.inputs.every((v) => v !== null && input(v));
