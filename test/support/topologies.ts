import { float, int, ints, type Attribute } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32, i64, type Tensor } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { random } from './example-model.ts';

export interface Topology {
  readonly name: string;
  readonly build: () => Model;
  /** Units per group, in order. */
  readonly units: readonly number[];
  readonly blocks?: number;
  readonly skipped?: readonly { readonly group: string; readonly by: string }[];
}

/** Builds small networks with random weights; the runtime infers the shapes. */
export class Net {
  readonly model = new Model();
  readonly #rand = random(11);
  #layers = 0;

  constructor(opset = 17) {
    this.model.opsets.set('', opset);
  }
  input(...shape: (number | string)[]): Value {
    return this.model.graph.addInput(this.model.graph.freshName('x'), { elemType: DType.FLOAT, shape });
  }
  weight(...dims: number[]): Value {
    const n = dims.reduce((a, b) => a * b, 1);
    const data = Array.from({ length: n }, () => this.#rand() - 0.4);
    return this.model.graph.addInitializer(this.model.graph.freshName('w'), f32(data, dims));
  }
  ints(...values: number[]): Value {
    return this.model.graph.addInitializer(this.model.graph.freshName('i'), i64(values));
  }
  constant(t: Tensor): Value {
    return this.model.graph.addInitializer(this.model.graph.freshName('c'), t);
  }
  ops(
    op: string,
    inputs: (Value | null)[],
    attributes: Record<string, Attribute> = {},
    outputs = 1,
    name = '',
  ): Value[] {
    return this.model.graph.emit(op, inputs, { attributes: Object.entries(attributes), outputs, name, outputName: op });
  }
  op(op: string, inputs: (Value | null)[], attributes: Record<string, Attribute> = {}): Value {
    return this.ops(op, inputs, attributes)[0]!;
  }
  /** 3x3 (or k x k) convolution from c to m channels, with bias; nodes are named conv1, conv2, ... */
  conv(x: Value, c: number, m: number, k = 3, group = 1, stride = 1): Value {
    return this.convWith(x, this.weight(m, c / group, k, k), k, group, stride, m);
  }
  convWith(x: Value, w: Value, k: number, group = 1, stride = 1, m = 0): Value {
    const p = (k - 1) / 2;
    return this.ops(
      'Conv',
      [x, w, m ? this.weight(m) : null],
      { pads: ints([p, p, p, p]), group: int(group), strides: ints([stride, stride]) },
      1,
      `conv${++this.#layers}`,
    )[0]!;
  }
  relu(x: Value): Value {
    return this.op('Relu', [x]);
  }
  add(a: Value, b: Value): Value {
    return this.op('Add', [a, b]);
  }
  linear(x: Value, k: number, n: number): Value {
    return this.ops('MatMul', [x, this.weight(k, n)], {}, 1, `linear${++this.#layers}`)[0]!;
  }
  gemm(x: Value, k: number, n: number): Value {
    return this.ops('Gemm', [x, this.weight(k, n), this.weight(n)], {}, 1, `gemm${++this.#layers}`)[0]!;
  }
  head(x: Value, c: number): Value {
    return this.gemm(this.op('Flatten', [this.op('GlobalAveragePool', [x])]), c, 3);
  }
  out(...v: Value[]): Model {
    v.forEach((o, i) => (o.name = `out${i}`));
    this.model.graph.outputs.push(...v);
    return this.model;
  }
}

const net =
  (make: (n: Net) => Value | Value[], opset?: number): (() => Model) =>
  () => {
    const n = new Net(opset);
    const out = make(n);
    return n.out(...(Array.isArray(out) ? out : [out]));
  };

export const TOPOLOGIES: readonly Topology[] = [
  {
    name: 'chain of convolutions, Flatten with space into Gemm',
    units: [6, 5],
    skipped: [{ group: 'gemm3', by: 'model output' }],
    build: net((n) => {
      const a = n.relu(n.conv(n.input(2, 3, 4, 4), 3, 6));
      return n.gemm(n.op('Flatten', [n.relu(n.conv(a, 6, 5, 3, 1, 2))]), 20, 3);
    }),
  },
  {
    name: 'residual additions with a projected and an identity shortcut',
    units: [8, 4, 6, 8],
    blocks: 2,
    build: net((n) => {
      const x = n.input(1, 3, 6, 6);
      const s = n.conv(x, 3, 8);
      const a = n.add(s, n.conv(n.relu(n.conv(n.relu(s), 8, 4)), 4, 8));
      const r = n.relu(a);
      const b = n.add(n.conv(n.relu(n.conv(r, 8, 6)), 6, 8), n.conv(r, 8, 8, 1));
      return n.head(b, 8);
    }),
  },
  {
    name: 'option-A shortcut: strided Slice and Pad of channels',
    units: [4, 5, 4],
    blocks: 1,
    build: net((n) => {
      const s = n.relu(n.conv(n.input(1, 3, 6, 6), 3, 4));
      const half = n.op('Slice', [s, n.ints(0, 0), n.ints(99, 99), n.ints(2, 3), n.ints(2, 2)]);
      const wide = n.op('Pad', [half, n.ints(0, 2, 0, 0, 0, 2, 0, 0)]);
      const b = n.conv(n.relu(n.conv(s, 4, 5, 3, 1, 2)), 5, 8);
      return n.head(n.relu(n.add(b, wide)), 8);
    }),
  },
  {
    name: 'Concat of Concats',
    units: [3, 2, 4],
    build: net((n) => {
      const x = n.input(1, 3, 4, 4);
      const [a, b, c] = [n.conv(x, 3, 3), n.conv(x, 3, 2), n.conv(x, 3, 4)];
      const ab = n.op('Concat', [a, b], { axis: int(1) });
      return n.head(n.relu(n.op('Concat', [c, ab, a], { axis: int(1) })), 12);
    }),
  },
  {
    name: 'dense block',
    units: [4, 3, 3],
    build: net((n) => {
      const a = n.conv(n.input(1, 3, 4, 4), 3, 4);
      const b = n.op('Concat', [a, n.conv(n.relu(a), 4, 3)], { axis: int(1) });
      return n.head(n.op('Concat', [b, n.conv(n.relu(b), 7, 3)], { axis: int(1) }), 10);
    }),
  },
  {
    name: 'Split into two branches of different width',
    units: [3, 5, 4],
    build: net((n) => {
      const s = n.conv(n.input(1, 3, 4, 4), 3, 8);
      const [a, b] = n.ops('Split', [s, n.ints(3, 5)], { axis: int(1) }, 2) as [Value, Value];
      return n.head(n.op('Concat', [n.conv(n.relu(a), 3, 4), b], { axis: int(1) }), 9);
    }),
  },
  {
    name: 'Split in equal parts without sizes, opset 11',
    units: [4, 4],
    build: net((n) => {
      const s = n.conv(n.input(1, 3, 4, 4), 3, 8);
      const [a, b] = n.ops('Split', [s], { axis: int(1) }, 2) as [Value, Value];
      return n.head(n.op('Concat', [n.relu(b), a], { axis: int(1) }), 8);
    }, 11),
  },
  {
    name: 'strided Slice of channels',
    units: [6, 3],
    build: net((n) => {
      const s = n.conv(n.input(1, 3, 4, 4), 3, 9);
      const third = n.op('Slice', [s, n.ints(1), n.ints(9), n.ints(1), n.ints(3)]);
      return [n.head(third, 3), n.head(s, 9)];
    }),
  },
  {
    name: 'channel shuffle: Reshape, Transpose, Reshape',
    units: [12],
    build: net((n) => {
      const s = n.conv(n.input(1, 3, 4, 4), 3, 12);
      const split = n.op('Reshape', [s, n.ints(0, 2, 6, 4, 4)]);
      const turned = n.op('Transpose', [split], { perm: ints([0, 2, 1, 3, 4]) });
      return n.head(n.relu(n.op('Reshape', [turned, n.ints(0, -1, 4, 4)])), 12);
    }),
  },
  {
    name: 'squeeze and excite',
    units: [8, 3],
    build: net((n) => {
      const s = n.conv(n.input(2, 3, 4, 4), 3, 8);
      const pooled = n.op('GlobalAveragePool', [s]);
      const gate = n.op('Sigmoid', [n.conv(n.relu(n.conv(pooled, 8, 3, 1)), 3, 8, 1)]);
      return n.head(n.op('Mul', [s, gate]), 8);
    }),
  },
  {
    name: 'linear bottleneck with a depthwise convolution',
    units: [4, 12],
    blocks: 1,
    build: net((n) => {
      const s = n.conv(n.input(1, 3, 6, 6), 3, 4);
      const wide = n.op('Clip', [n.conv(s, 4, 12, 1), n.weight(), n.weight()]);
      const b = n.conv(n.relu(n.conv(wide, 12, 12, 3, 12)), 12, 4, 1);
      return n.head(n.add(s, b), 4);
    }),
  },
  {
    name: 'grouped convolution',
    units: [4, 4, 8],
    build: net((n) => {
      const s = n.relu(n.conv(n.input(1, 3, 4, 4), 3, 8));
      return n.head(n.relu(n.conv(n.conv(s, 8, 8, 3, 2), 8, 8)), 8);
    }),
  },
  {
    name: 'shared weights',
    units: [3],
    build: net((n) => {
      const w = n.weight(3, 3, 3, 3);
      const a = n.relu(n.convWith(n.conv(n.input(1, 3, 4, 4), 3, 3), w, 3));
      return n.head(n.convWith(a, w, 3), 3);
    }),
  },
  {
    name: 'several inputs and outputs, one of them inside',
    units: [4, 3],
    skipped: [{ group: 'conv1', by: 'model output' }],
    build: net((n) => {
      const a = n.conv(n.input(1, 3, 4, 4), 3, 5);
      const b = n.conv(n.input(1, 2, 4, 4), 2, 4);
      return [a, n.head(b, 4), n.head(n.relu(n.conv(n.op('Concat', [a, b], { axis: int(1) }), 9, 3)), 3)];
    }),
  },
  {
    name: 'an operator without a rule freezes only what touches it',
    units: [4, 6],
    skipped: [{ group: 'conv2', by: 'Hardmax' }],
    build: net((n) => {
      const a = n.relu(n.conv(n.input(1, 3, 4, 4), 3, 4));
      const b = n.op('Hardmax', [n.conv(a, 4, 5)], { axis: int(3) });
      return n.head(n.relu(n.conv(b, 5, 6)), 6);
    }),
  },
  {
    name: 'attention: heads, and dimensions of heads, through Reshape, Transpose and MatMul',
    units: [2, 4, 4],
    build: net((n) => {
      const x = n.input(1, 5, 6);
      const heads = (v: Value): Value =>
        n.op('Transpose', [n.op('Reshape', [v, n.ints(1, 5, 2, 4)])], { perm: ints([0, 2, 1, 3]) });
      const [q, k, v] = [heads(n.linear(x, 6, 8)), heads(n.linear(x, 6, 8)), heads(n.linear(x, 6, 8))];
      const scores = n.op('MatMul', [q, n.op('Transpose', [k], { perm: ints([0, 1, 3, 2]) })]);
      const mixed = n.op('MatMul', [n.op('Softmax', [scores], { axis: int(-1) }), v]);
      const merged = n.op('Reshape', [n.op('Transpose', [mixed], { perm: ints([0, 2, 1, 3]) }), n.ints(1, 5, 8)]);
      return n.linear(merged, 8, 3);
    }),
  },
  {
    name: 'Shape chain with a dynamic batch: Shape, Gather, Concat, Reshape',
    units: [6],
    build: net((n) => {
      const s = n.conv(n.input('N', 3, 4, 4), 3, 6);
      const batch = n.op('Gather', [n.op('Shape', [s]), n.ints(0)], { axis: int(0) });
      const flat = n.op('Reshape', [s, n.op('Concat', [batch, n.ints(96)], { axis: int(0) })]);
      return n.linear(flat, 96, 3);
    }),
  },
  {
    name: 'width read from a Shape: channel chunks by computed Slice',
    units: [3, 3],
    build: net((n) => {
      const s = n.conv(n.input(1, 3, 4, 4), 3, 6);
      const width = n.op('Gather', [n.op('Shape', [s]), n.ints(1)], { axis: int(0) });
      const half = n.op('Div', [width, n.ints(2)]);
      const a = n.op('Slice', [s, n.ints(0), half, n.ints(1)]);
      const b = n.op('Slice', [s, half, width, n.ints(1)]);
      return n.add(n.head(a, 3), n.head(n.relu(b), 3));
    }),
  },
  {
    name: 'width as a number: division by the square root of a shape',
    units: [4],
    build: net((n) => {
      const s = n.linear(n.input(2, 3), 3, 4);
      const width = n.op('Gather', [n.op('Shape', [s]), n.ints(1)], { axis: int(0) });
      const root = n.op('Sqrt', [n.op('Cast', [width], { to: int(DType.FLOAT) })]);
      return n.linear(n.op('Div', [s, root]), 4, 2);
    }),
  },
  {
    name: 'pixel shuffle and nearest upsampling',
    units: [12, 2],
    build: net((n) => {
      const a = n.op('DepthToSpace', [n.conv(n.relu(n.conv(n.input(1, 3, 4, 4), 3, 12)), 12, 8)], {
        blocksize: int(2),
      });
      const scales = n.model.graph.addInitializer('scales', f32([1, 1, 2, 2], [4]));
      return n.head(n.relu(n.op('Resize', [a, null, scales])), 2);
    }),
  },
  {
    name: 'NHWC input and output around NCHW convolutions',
    units: [5],
    skipped: [{ group: 'conv2', by: 'model output' }],
    build: net((n) => {
      const x = n.op('Transpose', [n.input(1, 4, 4, 3)], { perm: ints([0, 3, 1, 2]) });
      return n.op('Transpose', [n.conv(n.relu(n.conv(x, 3, 5)), 5, 2)], { perm: ints([0, 2, 3, 1]) });
    }),
  },
  {
    name: 'broadcast parameters and batch normalization',
    units: [5],
    build: net((n) => {
      const s = n.conv(n.input(2, 3, 4, 4), 3, 5);
      const variance = n.model.graph.addInitializer('var', f32([1, 2, 0.5, 1, 3], [5]));
      const bn = n.op('BatchNormalization', [s, n.weight(5), n.weight(5), n.weight(5), variance], {
        epsilon: float(1e-3),
      });
      return n.head(n.op('PRelu', [n.op('Mul', [bn, n.weight(5, 1, 1)]), n.weight(5, 1, 1)]), 5);
    }),
  },
];
