import { float, int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { i64 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { Net } from './topologies.ts';

export interface EncoderOptions {
  /** Width and height of the image; null: a dynamic axis. */
  readonly side: number | null;
  /** Patches per side that the table of positions has. */
  readonly patches: number;
  readonly classToken?: boolean;
  /** Patches come from two convolutions that overlap. */
  readonly overlaps?: boolean;
  /** The output lacks the class token, as behind a projector. */
  readonly dropsClassToken?: boolean;
  /** Joins blocks of 2x2 patches to one token. */
  readonly shuffles?: boolean;
  /** Reshapes hold the number of tokens as a constant. */
  readonly baked?: boolean;
  /** The table of positions is read by a Gather of row numbers. */
  readonly gathers?: boolean;
  /** Attention has batch and heads in one axis; needs `baked`. */
  readonly mergesHeads?: boolean;
  /** The output is float16. */
  readonly half?: boolean;
  /** Rows of all images in one axis. */
  readonly flat?: boolean;
  readonly output?: string;
  readonly opset?: number;
}

export const WIDTH = 12;
export const PATCH = 4;
const HEADS = 3;

/**
 * A vision encoder as exporters write it, with random weights: patches of 4x4, a table of positions,
 * two layers of attention with three heads, a projection. `x` [N,3,H,W] -> features.
 */
export function smallEncoder(o: EncoderOptions): Model {
  const n = new Net(o.opset);
  const side = (axis: string): number | string => o.side ?? axis;
  const x = n.input('N', 3, side('H'), side('W'));
  const linear = (v: Value, from: number, to: number): Value => n.op('Add', [n.linear(v, from, to), n.weight(to)]);
  const norm = (v: Value): Value =>
    n.op('LayerNormalization', [v, n.weight(WIDTH), n.weight(WIDTH)], { axis: int(-1), epsilon: float(1e-6) });
  const half = (v: Value, from: number, to: number): Value =>
    n.op('Conv', [v, n.weight(to, from, 3, 3), n.weight(to)], { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) });
  const patches = o.overlaps
    ? half(n.op('Relu', [half(x, 3, WIDTH)]), WIDTH, WIDTH)
    : n.op('Conv', [x, n.weight(WIDTH, 3, PATCH, PATCH), n.weight(WIDTH)], { strides: ints([PATCH, PATCH]) });
  let h = n.op('Transpose', [n.op('Reshape', [patches, n.ints(0, WIDTH, o.baked ? o.patches ** 2 : -1)])], {
    perm: ints([0, 2, 1]),
  });
  if (o.classToken) {
    const batch = n.op('Slice', [n.op('Shape', [x]), n.ints(0), n.ints(1), n.ints(0)]);
    const shape = n.op('Concat', [batch, n.ints(1, WIDTH)], { axis: int(0) });
    h = n.op('Concat', [n.op('Expand', [n.weight(1, 1, WIDTH), shape]), h], { axis: int(1) });
  }
  const positions = o.patches ** 2 + (o.classToken ? 1 : 0);
  const table = n.weight(...(o.gathers ? [positions, WIDTH] : [1, positions, WIDTH]));
  table.name = 'positions';
  const ids = Array.from({ length: positions }, (_, i) => i);
  h = n.op('Add', [h, o.gathers ? n.op('Gather', [table, n.constant(i64(ids, [1, positions]))]) : table]);
  const length = o.baked ? positions : -1;
  for (let layer = 0; layer < 2; layer++) {
    const y = norm(h);
    const part = (perm: number[]): Value =>
      n.op('Transpose', [n.op('Reshape', [linear(y, WIDTH, WIDTH), n.ints(0, length, HEADS, WIDTH / HEADS)])], { perm: ints(perm) }); // prettier-ignore
    const merge = (v: Value, ...dims: number[]): Value => (o.mergesHeads ? n.op('Reshape', [v, n.ints(-1, ...dims)]) : v); // prettier-ignore
    const rows = [length, WIDTH / HEADS];
    const q = merge(part([0, 2, 1, 3]), ...rows);
    const k = merge(part([0, 2, 3, 1]), WIDTH / HEADS, length);
    const v = merge(part([0, 2, 1, 3]), ...rows);
    const scores = n.op('Softmax', [n.op('MatMul', [q, k])], { axis: int(-1) });
    const byHead = n.op('MatMul', [scores, v]);
    const split = o.mergesHeads ? n.op('Reshape', [byHead, n.ints(-1, HEADS, ...rows)]) : byHead;
    const mixed = n.op('Transpose', [split], { perm: ints([0, 2, 1, 3]) });
    h = n.op('Add', [h, linear(n.op('Reshape', [mixed, n.ints(0, length, WIDTH)]), WIDTH, WIDTH)]);
    h = n.op('Add', [h, linear(n.op('Relu', [linear(norm(h), WIDTH, 2 * WIDTH)]), 2 * WIDTH, WIDTH)]);
  }
  if (o.dropsClassToken) h = n.op('Slice', [h, n.ints(1), n.ints(9999), n.ints(1)]);
  if (o.shuffles) {
    const half = o.patches / 2;
    const blocks = n.op('Reshape', [h, n.ints(0, half, 2, half, 2, WIDTH)]);
    h = n.op('Reshape', [n.op('Transpose', [blocks], { perm: ints([0, 1, 3, 2, 4, 5]) }), n.ints(0, half * half, 4 * WIDTH)]); // prettier-ignore
    h = linear(h, 4 * WIDTH, WIDTH);
  } else h = linear(h, WIDTH, WIDTH);
  if (o.flat) h = n.op('Reshape', [h, n.ints(-1, WIDTH)]);
  if (o.half) {
    h = n.op('Cast', [h], { to: int(DType.FLOAT16) });
    h.type = { elemType: DType.FLOAT16 };
  }
  const model = n.out(h);
  h.name = o.output ?? 'image_features';
  return model;
}
