/** Geometry of convolutions: attributes of Conv and ConvTranspose with defaults filled in. Sizes in elements. */
import { attrInt, attrInts, attrString } from '../../ir/attribute.ts';
import type { Node } from '../../ir/node.ts';

export interface ConvGeometry {
  readonly group: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before each spatial axis. */
  readonly begin: readonly number[];
  /** Padding after each spatial axis. */
  readonly end: readonly number[];
  /** Spatial output sizes. */
  readonly out: readonly number[];
}

const fill = (n: number, v: number): number[] => Array.from({ length: n }, () => v);

/** Geometry of a Conv from the shapes of its input [N,C,...] and weight [M,C/group,...]. */
export function convGeometry(node: Node, x: readonly number[], w: readonly number[]): ConvGeometry {
  const rank = x.length - 2;
  const kernel = attrInts(node.attributes.get('kernel_shape')) ?? w.slice(2);
  const strides = attrInts(node.attributes.get('strides')) ?? fill(rank, 1);
  const dilations = attrInts(node.attributes.get('dilations')) ?? fill(rank, 1);
  const pads = attrInts(node.attributes.get('pads')) ?? fill(2 * rank, 0);
  const autoPad = attrString(node.attributes.get('auto_pad'), 'NOTSET');
  let begin = pads.slice(0, rank);
  let end = pads.slice(rank);
  const span = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  if (autoPad === 'VALID') {
    begin = fill(rank, 0);
    end = fill(rank, 0);
  } else if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') {
    for (let i = 0; i < rank; i++) {
      const size = x[i + 2]!;
      const total = Math.max(0, (Math.ceil(size / strides[i]!) - 1) * strides[i]! + span[i]! - size);
      const small = Math.floor(total / 2);
      begin[i] = autoPad === 'SAME_UPPER' ? small : total - small;
      end[i] = total - begin[i]!;
    }
  }
  const out = kernel.map((_, i) => Math.floor((x[i + 2]! + begin[i]! + end[i]! - span[i]!) / strides[i]!) + 1);
  return { group: attrInt(node.attributes.get('group'), 1), kernel, strides, dilations, begin, end, out };
}

/** Geometry of a ConvTranspose from the shapes of its input [N,C,...] and weight [C,M/group,...]. */
export function convTransposeGeometry(node: Node, x: readonly number[], w: readonly number[]): ConvGeometry {
  const rank = x.length - 2;
  const kernel = attrInts(node.attributes.get('kernel_shape')) ?? w.slice(2);
  const strides = attrInts(node.attributes.get('strides')) ?? fill(rank, 1);
  const dilations = attrInts(node.attributes.get('dilations')) ?? fill(rank, 1);
  const extra = attrInts(node.attributes.get('output_padding')) ?? fill(rank, 0);
  const pads = attrInts(node.attributes.get('pads')) ?? fill(2 * rank, 0);
  const wanted = attrInts(node.attributes.get('output_shape'))?.slice(-rank);
  const autoPad = attrString(node.attributes.get('auto_pad'), 'NOTSET');
  const begin = pads.slice(0, rank);
  const end = pads.slice(rank);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const full = strides[i]! * (x[i + 2]! - 1) + extra[i]! + (kernel[i]! - 1) * dilations[i]! + 1;
    const same = autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER';
    if (autoPad === 'VALID') begin[i] = end[i] = 0;
    if (wanted || same) {
      // The specification halves the total padding; auto_pad determines which side gets the odd one.
      const size = wanted ? wanted[i]! : x[i + 2]! * strides[i]!;
      const total = Math.max(0, full - size);
      const half = Math.floor(total / 2);
      begin[i] = autoPad === 'SAME_UPPER' ? half : total - half;
      end[i] = total - begin[i]!;
      out.push(size);
    } else out.push(full - begin[i]! - end[i]!);
  }
  return { group: attrInt(node.attributes.get('group'), 1), kernel, strides, dilations, begin, end, out };
}
