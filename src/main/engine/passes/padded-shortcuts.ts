/**
 * Replaces shortcuts without weights (He et al. 2016, option A: every second pixel, zero channels around) by 1x1
 * convolutions. The result is bit-identical. The runtime keeps its blocked layout through a convolution but not through
 * Slice and Pad, and can then fuse the residual addition and its activation. A measurement decides whether that is
 * faster.
 */
import { attrInts, int, ints } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import { Node } from '../ir/node.ts';
import { f32, toNumbers } from '../ir/tensor.ts';
import { Value } from '../ir/value.ts';
import { eliminateDead } from './eliminate-dead.ts';

/**
 * Changes the model in place.
 * @param facts of this model
 * @returns number of shortcuts replaced
 */
export function paddedShortcutsToConv(model: Model, facts: Facts): number {
  const { graph } = model;
  let count = 0;
  for (const pad of graph.nodes()) {
    // A graph output keeps its name, and therefore its producer.
    if (pad.key !== 'Pad' || pad.output().isGraphOutput) continue;
    const pads = padsOf(pad, facts);
    const out = facts.get(pad.output());
    if (!pads || out?.dtype !== DType.FLOAT || out.shape.length !== 4) continue;
    // Only channels are padded, and the sum that reads it has a convolution on its other side.
    if (pads.some((p, i) => p < 0 || (p > 0 && i % 4 !== 1))) continue;
    if (
      !pad
        .output()
        .consumers()
        .some((c) => c.key === 'Add')
    )
      continue;
    const source = throughSlices(pad.input(0)!, facts);
    if (!source) continue;
    const channels = facts.get(source.value)!.shape[1]!;
    const weight = new Float32Array(out.shape[1]! * channels);
    for (let c = 0; c < channels; c++) weight[(pads[1]! + c) * channels + c] = 1;
    const w = graph.addInitializer(
      graph.freshName(`${pad.output().name}_select`),
      f32(weight, [out.shape[1]!, channels, 1, 1]),
    );
    const result = new Value(graph.freshName(`${pad.output().name}_conv`), pad.output().type);
    const conv = new Node('Conv', [source.value, w], [result], {
      name: pad.name ? `${pad.name}_conv` : result.name,
      attributes: [
        ['kernel_shape', ints([1, 1])],
        ['strides', ints(source.strides)],
        ['pads', ints([0, 0, 0, 0])],
        ['group', int(1)],
      ],
    });
    graph.insertBefore(pad, conv);
    pad.output().replaceAllUsesWith(result);
    count++;
  }
  if (count) eliminateDead.run(model);
  return count;
}

/** Pads of a zero-filling Pad, or null. */
function padsOf(pad: Node, facts: Facts): readonly number[] | null {
  const mode = pad.attributes.get('mode');
  if (mode?.kind === 'string' && new TextDecoder().decode(mode.value) !== 'constant') return null;
  const fill = pad.attributes.get('value');
  if (fill?.kind === 'float' && fill.value !== 0) return null;
  const constant = pad.input(2);
  if (constant && numbers(constant, facts)?.some((x) => x !== 0) !== false) return null;
  if (pad.input(3)) return null;
  return attrInts(pad.attributes.get('pads')) ?? (pad.input(1) && numbers(pad.input(1)!, facts));
}

const numbers = (v: Value, facts: Facts): readonly number[] | null =>
  v.initializer ? toNumbers(v.initializer) : (facts.get(v)?.constant ?? null);

/** Exporters use the largest 32- or 64-bit integer for the end of an axis. */
const ENDLESS = 2 ** 31 - 1;

/** Follows Slices of whole spatial axes with positive steps back to their source. */
function throughSlices(from: Value, facts: Facts): { value: Value; strides: [number, number] } | null {
  let value = from;
  const strides: [number, number] = [1, 1];
  while (value.producer?.key === 'Slice') {
    const n = value.producer;
    const read = (i: number, name: string): readonly number[] | null =>
      attrInts(n.attributes.get(name)) ?? (n.input(i) && numbers(n.input(i)!, facts));
    const [starts, ends] = [read(1, 'starts'), read(2, 'ends')];
    const known = facts.get(n.input(0)!);
    if (!starts || !ends || !known) return null;
    const { shape, dynamic } = known;
    const axes = read(3, 'axes') ?? starts.map((_, i) => i);
    const steps = read(4, 'steps') ?? starts.map(() => 1);
    for (const [i, axis] of axes.entries()) {
      const at = axis < 0 ? axis + shape.length : axis;
      const step = steps[i]!;
      // A dynamic axis that was short in the run behind the facts can be longer in another run.
      const whole = dynamic?.[at] != null ? ends[i]! >= ENDLESS : ends[i]! >= shape[at]!;
      if (starts[i] !== 0 || !whole || step < 1) return null;
      if (step > 1 && at < 2) return null;
      if (at >= 2) strides[(at - 2) as 0 | 1] *= step;
    }
    value = n.input(0)!;
  }
  return facts.get(value)?.shape.length === 4 ? { value, strides } : null;
}
