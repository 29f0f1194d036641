/** A linear operator as a regression: what its weights are as a matrix, and how they are read and written back. */
import { DType } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import { f32, toFloat32, type Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';

export interface Regression {
  readonly node: Node;
  /** Where the result with its bias is: the node's output, or that of the Add of a constant vector behind a MatMul. */
  readonly out: Value;
  /** Axis of the channels of input and output: 1, or the last one of a MatMul. */
  readonly axis: number;
  /** Rows of the weight: outputs; columns: inputs times kernel positions, of one group. */
  readonly rows: number;
  readonly columns: number;
  /** Groups of a convolution: as many regressions that share nothing, rows / groups outputs each. */
  readonly groups: number;
  /** False where there is no place for a bias: a MatMul that no constant vector is added to. */
  readonly affine: boolean;
}

const LINEAR = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** Has weights that compensation may change. */
export const isLinear = (node: Node): boolean => LINEAR.has(node.opType);

/** The residual sum that an operator's result enters alone, or the result itself. */
export function sumOf(out: Value): Value {
  const [reader, ...others] = out.consumers();
  if (reader?.key !== 'Add' || reader.graph !== out.graph || others.length || out.isGraphOutput) return out;
  const base = reader.input(0) === out ? reader.input(1) : reader.input(0);
  return base === null || base === out || base.isInitializer ? out : reader.output();
}

/** The regression of a node, or why there is none. Weights are taken as [rows, columns]. */
export function regressionOf(node: Node): Regression | string {
  const w = node.input(1)?.initializer;
  if (!w || w.dtype !== DType.FLOAT) return 'its weights are no float32 constant';
  if (node.input(1)!.uses().length > 1) return 'its weights are shared';
  if (node.key === 'Conv') {
    const group = node.attributes.get('group');
    const groups = group?.kind === 'int' ? Number(group.value) : 1;
    const columns = w.dims.slice(1).reduce((a, b) => a * b, 1);
    return { node, out: node.output(), axis: 1, rows: w.dims[0]!, columns, groups, affine: true };
  }
  const int = (name: string): number => {
    const a = node.attributes.get(name);
    return a?.kind === 'int' ? Number(a.value) : 0;
  };
  const scale = (name: string): number => {
    const a = node.attributes.get(name);
    return a?.kind === 'float' ? a.value : 1;
  };
  if (node.key === 'Gemm') {
    if (int('transA') || scale('alpha') !== 1 || scale('beta') !== 1) return 'it is a scaled Gemm';
    const [rows, columns] = int('transB') ? w.dims : [w.dims[1]!, w.dims[0]!];
    return { node, out: node.output(), axis: 1, rows: rows!, columns: columns!, groups: 1, affine: true };
  }
  if (node.key === 'MatMul' && w.dims.length === 2) {
    const bias = biasOf(node);
    const out = (bias ?? node).output();
    return { node, out, axis: -1, rows: w.dims[1]!, columns: w.dims[0]!, groups: 1, affine: bias !== null };
  }
  return `${node.key} has no regression`;
}

/** The Add of a constant vector of its own that alone reads a MatMul. */
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

/** [rows, columns + 1], the bias last. */
export function readWeights({ node, rows, columns }: Regression): Float64Array {
  const w = toFloat32(node.input(1)!.initializer!);
  const held = node.key === 'MatMul' ? vectorOf(biasOf(node)) : node.input(2);
  const bias = held?.initializer ? toFloat32(held.initializer) : null;
  const rowMajor = isRowMajor(node);
  const out = new Float64Array(rows * (columns + 1));
  for (let m = 0; m < rows; m++) {
    for (let a = 0; a < columns; a++) out[m * (columns + 1) + a] = w[rowMajor ? m * columns + a : a * rows + m]!;
    out[m * (columns + 1) + columns] = bias ? bias[bias.length === 1 ? 0 : m]! : 0;
  }
  return out;
}

/** Conv [M, ...] and Gemm with transB hold one output per row. */
function isRowMajor(node: Node): boolean {
  const t = node.attributes.get('transB');
  return node.key === 'Conv' || (t?.kind === 'int' && t.value !== 0n);
}

export function writeWeights({ node, rows, columns, affine }: Regression, solved: Float64Array): void {
  const w = new Float32Array(rows * columns);
  const bias = new Float32Array(rows);
  const rowMajor = isRowMajor(node);
  for (let m = 0; m < rows; m++) {
    for (let a = 0; a < columns; a++) w[rowMajor ? m * columns + a : a * rows + m] = solved[m * (columns + 1) + a]!;
    bias[m] = solved[m * (columns + 1) + columns]!;
  }
  node.input(1)!.initializer = f32(w, node.input(1)!.initializer!.dims);
  if (affine) setBias(node, f32(bias, [rows]));
}

export const vectorOf = (add: Node | null): Value | null => add?.inputs.find((v) => v?.isInitializer) ?? null;

/** Gives the node its own bias initializer; that of a MatMul is in the Add behind it. */
export function setBias(node: Node, bias: Tensor): void {
  if (node.key === 'MatMul') return setAddedBias(node, bias);
  const old = node.input(2);
  if (old?.initializer && old.uses().length === 1) {
    old.initializer = bias;
    old.type = { elemType: bias.dtype, shape: [...bias.dims] };
    return;
  }
  const graph = node.graph!;
  node.setInput(2, graph.addInitializer(graph.freshName(`${node.output().name}_bias`), bias));
}

function setAddedBias(node: Node, bias: Tensor): void {
  const graph = node.graph!;
  const vector = graph.addInitializer(graph.freshName(`${node.output().name}_bias`), bias);
  const add = biasOf(node)!;
  add.inputs.forEach((v, i) => {
    if (v?.isInitializer) add.setInput(i, vector);
  });
}
