import { DType } from '../ir/dtype.ts';
import { float, int, ints, str, type Attribute } from '../ir/attribute.ts';
import type { Graph } from '../ir/graph.ts';
import type { Node } from '../ir/node.ts';
import { f32, i64, type Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';

/**
 * Emits nodes at the end of a graph, in the form of the graph's operator-set version. The only place that knows which
 * versions take axes as attributes and which as inputs. All float constants are float32.
 */
export class GraphBuilder {
  readonly graph: Graph;
  readonly opset: number;
  /** Nodes are inserted before this one; null is the end of the graph. */
  before: Node | null = null;
  readonly #consts = new Map<string, Value>();

  constructor(graph: Graph, opset: number) {
    this.graph = graph;
    this.opset = opset;
  }

  /** Emits any operator and returns its first output. */
  op(
    opType: string,
    inputs: readonly (Value | null)[],
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): Value {
    return this.ops(opType, inputs, 1, attributes, domain)[0]!;
  }
  ops(
    opType: string,
    inputs: readonly (Value | null)[],
    outputs: number,
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): Value[] {
    return this.graph.emit(opType, inputs, {
      attributes: Object.entries(attributes),
      outputs,
      domain,
      outputName: opType,
      ...(this.before ? { before: this.before } : {}),
    });
  }

  tensor(t: Tensor, name = 'const'): Value {
    return this.graph.addInitializer(this.graph.freshName(name), t);
  }
  /** A float32 scalar; equal ones are shared. */
  scalar(x: number): Value {
    return this.#shared(`f${x}`, () => f32([x], []));
  }
  /** A one-axis int64 constant; equal ones are shared. */
  ints(x: readonly number[]): Value {
    return this.#shared(`i${x.join()}`, () => i64(x));
  }
  #shared(key: string, make: () => Tensor): Value {
    let v = this.#consts.get(key);
    if (!v) this.#consts.set(key, (v = this.tensor(make())));
    return v;
  }

  add(a: Value, b: Value): Value {
    return this.op('Add', [a, b]);
  }
  sub(a: Value, b: Value): Value {
    return this.op('Sub', [a, b]);
  }
  mul(a: Value, b: Value): Value {
    return this.op('Mul', [a, b]);
  }
  div(a: Value, b: Value): Value {
    return this.op('Div', [a, b]);
  }
  neg(a: Value): Value {
    return this.op('Neg', [a]);
  }
  exp(a: Value): Value {
    return this.op('Exp', [a]);
  }
  log(a: Value): Value {
    return this.op('Log', [a]);
  }
  sqrt(a: Value): Value {
    return this.op('Sqrt', [a]);
  }
  relu(a: Value): Value {
    return this.op('Relu', [a]);
  }
  matmul(a: Value, b: Value): Value {
    return this.op('MatMul', [a, b]);
  }
  transpose(a: Value, perm: readonly number[]): Value {
    return this.op('Transpose', [a], { perm: ints(perm) });
  }
  reshape(a: Value, shape: readonly number[]): Value {
    return this.op('Reshape', [a, this.ints(shape)]);
  }
  expand(a: Value, shape: readonly number[]): Value {
    if (this.opset >= 8) return this.op('Expand', [a, this.ints(shape)]);
    const zeros = this.tensor(f32(new Float32Array(shape.reduce((x, y) => x * y, 1)), shape), 'zeros');
    return this.op('Add', [a, zeros]);
  }
  concat(xs: readonly Value[], axis: number): Value {
    return this.op('Concat', xs, { axis: int(axis) });
  }
  cast(a: Value, to: number): Value {
    return this.op('Cast', [a], { to: int(to) });
  }
  /** 1.0 where the condition holds, else 0.0. */
  maskFloat(cond: Value): Value {
    return this.cast(cond, DType.FLOAT);
  }
  where(cond: Value, a: Value, b: Value): Value {
    return this.op('Where', [cond, a, b]);
  }
  greater(a: Value, b: Value): Value {
    return this.op('Greater', [a, b]);
  }
  less(a: Value, b: Value): Value {
    return this.op('Less', [a, b]);
  }
  /** Also works for floats, which Equal itself takes only from operator set 11 on. */
  equal(a: Value, b: Value): Value {
    if (this.opset >= 11) return this.op('Equal', [a, b]);
    return this.op('Not', [this.op('Or', [this.greater(a, b), this.less(a, b)])]);
  }

  reduceSum(a: Value, axes: readonly number[], keepdims: boolean): Value {
    return this.#reduce('ReduceSum', 13, a, axes, keepdims);
  }
  reduceMean(a: Value, axes: readonly number[], keepdims: boolean): Value {
    return this.#reduce('ReduceMean', 18, a, axes, keepdims);
  }
  reduceMax(a: Value, axes: readonly number[], keepdims: boolean): Value {
    return this.#reduce('ReduceMax', 18, a, axes, keepdims);
  }
  #reduce(opType: string, axesInputSince: number, a: Value, axes: readonly number[], keepdims: boolean): Value {
    const keep = { keepdims: int(keepdims ? 1 : 0) };
    return this.opset >= axesInputSince
      ? this.op(opType, [a, this.ints(axes)], keep)
      : this.op(opType, [a], { ...keep, axes: ints(axes) });
  }
  squeeze(a: Value, axes: readonly number[]): Value {
    return this.opset >= 13 ? this.op('Squeeze', [a, this.ints(axes)]) : this.op('Squeeze', [a], { axes: ints(axes) });
  }
  unsqueeze(a: Value, axes: readonly number[]): Value {
    return this.opset >= 13
      ? this.op('Unsqueeze', [a, this.ints(axes)])
      : this.op('Unsqueeze', [a], { axes: ints(axes) });
  }
  slice(
    a: Value,
    starts: readonly number[],
    ends: readonly number[],
    axes: readonly number[],
    steps?: readonly number[],
  ): Value {
    if (this.opset >= 10)
      return this.op('Slice', [
        a,
        this.ints(starts),
        this.ints(ends),
        this.ints(axes),
        ...(steps ? [this.ints(steps)] : []),
      ]);
    // Without steps: gather every n-th index (starts and ends must then be plain positions inside the axis).
    const strided = axes.flatMap((axis, i) =>
      steps && steps[i] !== 1 ? [{ axis, from: starts[i]!, to: ends[i]!, by: steps[i]! }] : [],
    );
    if (strided.some((s) => s.from < 0 || s.to < s.from || s.by < 1))
      throw new Error('slice with steps before opset 10');
    const plain = axes.map((_, i) => i).filter((i) => !steps || steps[i] === 1);
    const pick = (x: readonly number[]): Attribute => ints(plain.map((i) => x[i]!));
    const cut = plain.length ? this.op('Slice', [a], { starts: pick(starts), ends: pick(ends), axes: pick(axes) }) : a;
    return strided.reduce((v, s) => {
      const count = Math.ceil((s.to - s.from) / s.by);
      return this.gather(
        v,
        Array.from({ length: count }, (_, k) => s.from + k * s.by),
        s.axis,
      );
    }, cut);
  }
  /** Zero padding. `pads` lists the begins of all axes, then the ends. */
  pad(a: Value, pads: readonly number[]): Value {
    if (this.opset >= 11) return this.op('Pad', [a, this.ints(pads)]);
    return this.op('Pad', [a], { pads: ints(pads), mode: str('constant'), value: float(0) });
  }
  split(a: Value, sizes: readonly number[], axis: number): Value[] {
    if (this.opset >= 13) return this.ops('Split', [a, this.ints(sizes)], sizes.length, { axis: int(axis) });
    return this.ops('Split', [a], sizes.length, { axis: int(axis), split: ints(sizes) });
  }
  gather(a: Value, indices: readonly number[], axis: number): Value {
    return this.op('Gather', [a, this.ints(indices)], { axis: int(axis) });
  }
}
