/**
 * Resize and Upsample as separable linear maps: one interpolation matrix per axis, as defined in the ONNX
 * specification.
 */
import { attrFloat, attrInt, attrInts, attrString } from '../../ir/attribute.ts';
import type { Node } from '../../ir/node.ts';

/** Scaling of one axis: its factor and its output size. */
export interface AxisScale {
  readonly axis: number;
  readonly scale: number;
  readonly size: number;
}

/** Position of the scales, per operator and version: Upsample until 9, Resize 10, Resize since 11 with sizes. */
export interface ResizeInputs {
  readonly scales: number;
  readonly sizes: number;
}
export const resizeInputs = (node: Node, opset: number): ResizeInputs =>
  node.opType === 'Resize' && opset >= 11 ? { scales: 2, sizes: 3 } : { scales: 1, sizes: 99 };

/** Scales per axis, or null when they depend on data. */
export function axisScales(
  node: Node,
  opset: number,
  x: readonly number[],
  constant: (i: number) => readonly number[] | null,
): AxisScale[] | null {
  const at = resizeInputs(node, opset);
  const axes = attrInts(node.attributes.get('axes'))?.map((a) => (a < 0 ? a + x.length : a)) ?? x.map((_, i) => i);
  const attribute = node.attributes.get('scales');
  if (node.input(at.sizes)) {
    const sizes = constant(at.sizes);
    const policy = attrString(node.attributes.get('keep_aspect_ratio_policy'), 'stretch');
    if (!sizes) return null;
    if (policy === 'stretch') return axes.map((axis, k) => ({ axis, scale: sizes[k]! / x[axis]!, size: sizes[k]! }));
    const ratios = axes.map((axis, k) => sizes[k]! / x[axis]!);
    const scale = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
    return axes.map((axis) => ({ axis, scale, size: Math.round(scale * x[axis]!) }));
  }
  const scales = attribute?.kind === 'floats' ? attribute.value : node.input(at.scales) ? constant(at.scales) : null;
  return scales?.length
    ? axes.map((axis, k) => ({ axis, scale: scales[k]!, size: Math.floor(scales[k]! * x[axis]!) }))
    : null;
}

/** The reason why this node has no interpolation matrix, or null when it has one. */
export function notSeparable(node: Node): string | null {
  if (attrString(node.attributes.get('coordinate_transformation_mode'), '') === 'tf_crop_and_resize')
    return 'tf_crop_and_resize';
  if (attrInt(node.attributes.get('antialias'), 0)) return 'antialias';
  return attrInt(node.attributes.get('exclude_outside'), 0) ? 'exclude_outside' : null;
}

/** Row-major [size, n]: output o is the sum of weights times inputs. */
export function interpolation(node: Node, opset: number, n: number, { scale, size }: AxisScale): Float32Array {
  const old = node.opType === 'Upsample' || opset < 11;
  const place = attrString(node.attributes.get('coordinate_transformation_mode'), old ? 'asymmetric' : 'half_pixel');
  const nearest = attrString(node.attributes.get('nearest_mode'), old ? 'floor' : 'round_prefer_floor');
  const mode = attrString(node.attributes.get('mode'), 'nearest');
  const a = attrFloat(node.attributes.get('cubic_coeff_a'), -0.75);
  const out = new Float32Array(size * n);
  for (let o = 0; o < size; o++) {
    const x = position(place, o, n, size, scale, mode === 'nearest');
    const add = (i: number, w: number): void => {
      out[o * n + Math.min(Math.max(i, 0), n - 1)]! += w;
    };
    const low = Math.floor(x);
    const t = x - low;
    if (mode === 'nearest') add(roundNearest(nearest, x), 1);
    else if (mode === 'cubic') {
      const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
      const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
      add(low - 1, far(t + 1));
      add(low, near(t));
      add(low + 1, near(1 - t));
      add(low + 2, far(2 - t));
    } else {
      add(low, 1 - t);
      add(low + 1, t);
    }
  }
  return out;
}

/** The input position that output index o reads. */
function position(place: string, o: number, n: number, size: number, scale: number, nearest: boolean): number {
  switch (place) {
    case 'asymmetric':
      return o / scale;
    case 'align_corners':
      return size === 1 ? 0 : (o * (n - 1)) / (size - 1);
    case 'pytorch_half_pixel':
      return size > 1 ? (o + 0.5) / scale - 0.5 : 0;
    case 'tf_half_pixel_for_nn':
      return nearest ? (o + 0.5) / scale : (o + 0.5) / scale - 0.5;
    case 'half_pixel_symmetric': {
      const whole = n * scale;
      return (n / 2) * (1 - size / whole) + (o + 0.5) / scale - 0.5;
    }
    default:
      return (o + 0.5) / scale - 0.5;
  }
}

function roundNearest(mode: string, x: number): number {
  switch (mode) {
    case 'floor':
      return Math.floor(x);
    case 'ceil':
      return Math.ceil(x);
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5);
    default:
      return Math.ceil(x - 0.5);
  }
}
