/** A linear operator as a regression: its weights as a matrix, and how they are read and written. */
import { DType } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import { f32, toFloat32, type Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { traitsOf } from '../ops/registry.ts';
import type { Linear } from '../ops/traits.ts';

export interface Regression {
  readonly node: Node;
  readonly linear: Linear;
  /** Value of the output with its bias: the node's output, or that of the following Add of a constant vector. */
  readonly out: Value;
  /** Axis of the channels of input and output; -1 is the last one. */
  readonly axis: number;
  /** Rows of the weight: outputs. Columns: inputs times kernel positions, of one group. */
  readonly rows: number;
  readonly columns: number;
  /** Number of groups of a convolution: independent regressions of rows / groups outputs each. */
  readonly groups: number;
  /** The weight is stored output by output. */
  readonly rowMajor: boolean;
  /** False where a bias has no place: the node has no input for it, and no constant vector is added. */
  readonly affine: boolean;
}

/** True for operators whose weights compensation may change. */
export const isLinear = (node: Node): boolean => traitsOf(node).linear !== undefined;

/** The other addend of a sum of two, null unless it is a single activation. */
export function otherAddend(sum: Node, addend: Value): Value | null {
  if (!traitsOf(sum).sum || sum.inputs.length !== 2) return null;
  const other = sum.input(0) === addend ? sum.input(1) : sum.input(0);
  return other === null || other === addend || other.isInitializer ? null : other;
}

/** The residual sum that alone reads an operator's output, else the output itself. */
export function sumOf(out: Value): Value {
  const [reader, ...others] = out.consumers();
  if (!reader || reader.graph !== out.graph || others.length || out.isGraphOutput) return out;
  return otherAddend(reader, out) ? reader.output() : out;
}

/** The regression of a node, or the reason why there is none. */
export function regressionOf(node: Node): Regression | string {
  const w = node.input(1)?.initializer;
  if (!w || w.dtype !== DType.FLOAT) return 'its weights are no float32 constant';
  if (node.input(1)!.uses().length > 1) return 'its weights are shared';
  const { linear } = traitsOf(node);
  if (!linear) return `${node.key} has no regression`;
  const matrix = linear.matrix(node, w.dims);
  if (typeof matrix === 'string') return matrix;
  const added = linear.bias === null ? biasOf(node) : null;
  const out = (added ?? node).output();
  return { node, linear, out, axis: linear.channelAxis, ...matrix, affine: linear.bias !== null || added !== null };
}

/** The Add of an unshared constant vector, where it is the only reader of a product without a bias input. */
export function biasOf(node: Node): Node | null {
  const y = node.output();
  const [add, ...others] = y.consumers();
  if (add?.key !== 'Add' || others.length > 0 || y.isGraphOutput) return null;
  const vector = add.inputs.find((v) => v !== y)?.initializer;
  const width = node.input(1)?.initializer?.dims[1];
  return vector?.dtype === DType.FLOAT && vector.dims.length === 1 && vector.dims[0] === width ? add : null;
}

/** The channel axis as an index into a shape. */
export const channelAxis = ({ axis }: Pick<Regression, 'axis'>, rank: number): number =>
  axis < 0 ? rank + axis : axis;

/**
 * The value that holds the bias of a linear operator: its own input, or that of the following Add. Null where there is
 * none.
 */
export function heldBias(node: Node): Value | null {
  const input = traitsOf(node).linear!.bias;
  return input === null ? vectorOf(biasOf(node)) : node.input(input);
}

/** [rows, columns + 1], the bias last. */
export function readWeights({ node, rows, columns, rowMajor }: Regression): Float64Array {
  const w = toFloat32(node.input(1)!.initializer!);
  const held = heldBias(node);
  const bias = held?.initializer ? toFloat32(held.initializer) : null;
  const out = new Float64Array(rows * (columns + 1));
  for (let m = 0; m < rows; m++) {
    for (let a = 0; a < columns; a++) out[m * (columns + 1) + a] = w[rowMajor ? m * columns + a : a * rows + m]!;
    out[m * (columns + 1) + columns] = bias ? bias[bias.length === 1 ? 0 : m]! : 0;
  }
  return out;
}

export function writeWeights({ node, rows, columns, rowMajor, affine }: Regression, solved: Float64Array): void {
  const w = new Float32Array(rows * columns);
  const bias = new Float32Array(rows);
  for (let m = 0; m < rows; m++) {
    for (let a = 0; a < columns; a++) w[rowMajor ? m * columns + a : a * rows + m] = solved[m * (columns + 1) + a]!;
    bias[m] = solved[m * (columns + 1) + columns]!;
  }
  node.input(1)!.initializer = f32(w, node.input(1)!.initializer!.dims);
  if (affine) setBias(node, f32(bias, [rows]));
}

export const vectorOf = (add: Node | null): Value | null => add?.inputs.find((v) => v?.isInitializer) ?? null;

/** Gives the node an unshared bias initializer: at its input, or in the following Add. */
export function setBias(node: Node, bias: Tensor): void {
  const input = traitsOf(node).linear!.bias;
  if (input === null) return setAddedBias(node, bias);
  const old = node.input(input);
  if (old?.initializer && old.uses().length === 1) {
    old.initializer = bias;
    old.type = { elemType: bias.dtype, shape: [...bias.dims] };
    return;
  }
  const graph = node.graph!;
  node.setInput(input, graph.addInitializer(graph.freshName(`${node.output().name}_bias`), bias));
}

function setAddedBias(node: Node, bias: Tensor): void {
  const graph = node.graph!;
  const vector = graph.addInitializer(graph.freshName(`${node.output().name}_bias`), bias);
  const add = biasOf(node)!;
  add.inputs.forEach((v, i) => {
    if (v?.isInitializer) add.setInput(i, vector);
  });
}
