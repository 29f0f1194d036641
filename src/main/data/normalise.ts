/** Converts pixels to the numbers that a model takes: channel order, rescale, mean, std, layout. */
import type { Preprocess } from '../../shared/model/job.ts';

/** A view of one image in any memory order: element (y, x, c) is data[offset + y*strideY + x*strideX + c*strideC]. */
export interface ImageView {
  readonly data: ArrayLike<number>;
  readonly offset: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly strideC: number;
  /** True when values are integers 0..255. A table per channel then replaces the arithmetic. */
  readonly bytes: boolean;
}

/** BT.601 luma, as PIL's mode "L". */
const LUMA = [0.299, 0.587, 0.114] as const;

/**
 * Writes one image to `out` at `at` as channels x height x width (NCHW) or height x width x channels (NHWC): (value *
 * rescale - mean[c]) / std[c], where c is the channel in output order.
 */
export function writeImage(
  v: ImageView,
  p: Preprocess,
  channels: number,
  out: Float32Array | Uint8Array,
  at: number,
): void {
  const plane = v.height * v.width,
    nchw = p.layout !== 'NHWC',
    raw = out instanceof Uint8Array;
  const luma = channels === 1 && v.channels === 3;
  for (let c = 0; c < channels; c++) {
    const scale = p.rescale ?? 1,
      mean = p.mean ? p.mean[p.mean.length === 1 ? 0 : c]! : 0,
      std = p.std ? p.std[p.std.length === 1 ? 0 : c]! : 1;
    const source = v.channels === 1 ? 0 : p.colorOrder === 'BGR' ? channels - 1 - c : c;
    const from = v.offset + source * v.strideC,
      step = nchw ? 1 : channels;
    let to = at + (nchw ? c * plane : c);
    const table =
      v.bytes && !luma && !raw ? Float32Array.from({ length: 256 }, (_, x) => (x * scale - mean) / std) : null;
    for (let y = 0; y < v.height; y++) {
      let i = from + y * v.strideY;
      if (table) for (let x = 0; x < v.width; x++, i += v.strideX, to += step) out[to] = table[v.data[i]!]!;
      else
        for (let x = 0; x < v.width; x++, i += v.strideX, to += step) {
          let value = v.data[i]!;
          if (luma) {
            value = LUMA[0] * value + LUMA[1] * v.data[i + v.strideC]! + LUMA[2] * v.data[i + 2 * v.strideC]!;
            if (v.bytes) value = Math.round(value);
          }
          out[to] = raw ? value : (value * scale - mean) / std;
        }
    }
  }
}
