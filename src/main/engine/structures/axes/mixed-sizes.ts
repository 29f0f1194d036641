/**
 * Vectors that mix run-time sizes with literal widths, such as [N, 1, 64]. A cut changes the widths, while the run-time
 * sizes must continue to be computed.
 */
import { int } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Node } from '../../ir/node.ts';
import { i64, MemoryTensor } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';

export interface MixedSizes {
  readonly dtype: number;
  readonly dims: readonly number[];
  /** The vector's contents before and after the surgery, at the sizes of the instrumented run. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Elements that follow the sizes of the inputs. */
  readonly varies: readonly boolean[];
  /** True when element i is computed from a cut width and is therefore correct by itself. */
  readonly follows: (i: number) => boolean;
}

/**
 * A value with the run-time elements of `old` and the literal ones of `after`, for an input of `node`. A run-time
 * element that contains a width (batch times heads) is scaled by the remaining share of the width.
 */
export function mixedSizes(node: Node, old: Value, m: MixedSizes): Value {
  const graph = node.graph!;
  const emit = (op: string, inputs: Value[]): Value =>
    graph.emit(op, inputs, { before: node, outputName: `${old.name}_cut` })[0]!;
  const cast = (v: Value, to: number): Value =>
    graph.emit('Cast', [v], { before: node, attributes: [['to', int(to)]], outputName: `${old.name}_cast` })[0]!;
  const vector = (values: readonly number[]): Value =>
    graph.addInitializer(graph.freshName(`${old.name}_sizes`), i64(values, m.dims));
  const scaled = m.after.map((n, i) => m.varies[i]! && n !== m.before[i] && m.before[i] !== 0 && !m.follows(i));
  let sizes = m.dtype === DType.INT64 ? old : cast(old, DType.INT64);
  if (scaled.some(Boolean)) {
    const product = emit('Mul', [sizes, vector(m.after.map((n, i) => (scaled[i] ? n : 1)))]);
    sizes = emit('Div', [product, vector(m.before.map((n, i) => (scaled[i] ? n : 1)))]);
  }
  if (!m.varies.every(Boolean)) {
    const mask = new MemoryTensor(DType.BOOL, m.dims, Uint8Array.from(m.varies, Number));
    sizes = emit('Where', [graph.addInitializer(graph.freshName(`${old.name}_varies`), mask), sizes, vector(m.after)]);
  }
  return m.dtype === DType.INT64 ? sizes : cast(sizes, m.dtype);
}
