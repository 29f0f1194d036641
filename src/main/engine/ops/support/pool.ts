/** Geometry of MaxPool and AveragePool. Sizes in elements. */
import { attrInt, attrInts, attrString } from '../../ir/attribute.ts';
import type { Node } from '../../ir/node.ts';

export interface PoolGeometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begin: readonly number[];
  readonly end: readonly number[];
  /** Spatial output sizes. */
  readonly out: readonly number[];
}

/** Geometry of a pool over an input [N,C,...]. */
export function poolGeometry(node: Node, x: readonly number[]): PoolGeometry {
  const kernel = attrInts(node.attributes.get('kernel_shape')) ?? [];
  const one = kernel.map(() => 1),
    zero = kernel.map(() => 0);
  const strides = attrInts(node.attributes.get('strides')) ?? one;
  const dilations = attrInts(node.attributes.get('dilations')) ?? one;
  const pads = attrInts(node.attributes.get('pads')) ?? [...zero, ...zero];
  const autoPad = attrString(node.attributes.get('auto_pad'), 'NOTSET');
  const ceil = attrInt(node.attributes.get('ceil_mode'), 0) !== 0;
  const begin: number[] = [],
    end: number[] = [],
    out: number[] = [];
  kernel.forEach((k, i) => {
    const size = x[i + 2]!,
      stride = strides[i]!,
      span = (k - 1) * dilations[i]! + 1;
    let before = pads[i]!,
      after = pads[i + kernel.length]!;
    if (autoPad === 'VALID') before = after = 0;
    else if (autoPad.startsWith('SAME')) {
      const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + span - size);
      before = autoPad === 'SAME_LOWER' ? Math.ceil(total / 2) : Math.floor(total / 2);
      after = total - before;
    }
    const steps = (size + before + after - span) / stride;
    let count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A window that would start in the padding after the data is dropped.
    if (ceil && (count - 1) * stride >= size + before) count--;
    begin.push(before);
    end.push(after);
    out.push(count);
  });
  return { kernel, strides, dilations, begin, end, out };
}

/** True when windows tile the input without gaps or overlap: no padding, no dilation, stride = kernel. */
export function tiles(g: PoolGeometry): boolean {
  return g.kernel.every(
    (k, i) => g.strides[i] === k && g.begin[i] === 0 && g.end[i] === 0 && (g.dilations[i] === 1 || k === 1),
  );
}
