/**
 * Boxes in a model's outputs. Detectors are compared by their detections, not by raw numbers: a box that moved by a
 * pixel is the same box, and most elements of a raw output are background. Recognises the layout of boxes in the
 * outputs, reads them, suppresses duplicates, and matches them one to one.
 */
import { inOrder, type HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { rawLayout, readAnchors, type AnchorLayout } from './anchors.ts';
import { FAINT, type Box } from './box.ts';
import { readSet, setLayout, type SetLayout } from './set-prediction.ts';

/** Layout of boxes in a model's outputs. */
export type BoxLayout =
  /** Boxes, scores and labels of one sample, as selected inside the model. */
  | { readonly kind: 'chosen'; readonly boxes: string; readonly scores: string; readonly labels: string }
  | AnchorLayout
  | SetLayout;

type Outputs = Readonly<Record<string, HostTensor>>;

/**
 * The layout, or null where the outputs are not boxes of a known layout.
 * @param order names of the outputs in the graph's order
 * @param picture height and width of the input, where it is an image
 */
export function boxLayout(
  outputs: Outputs,
  order: readonly string[],
  picture: readonly [number, number] | null,
): BoxLayout | null {
  const all = inOrder(outputs, order);
  const chosen = chosenLayout(all) ?? setLayout(all);
  if (chosen || !picture || all.length !== 1) return chosen;
  const [name, tensor] = all[0]!;
  return rawLayout(name, tensor, picture);
}

type Named = ReturnType<typeof inOrder>;

function chosenLayout(all: Named): BoxLayout | null {
  const integer = (t: HostTensor): boolean => t.dtype === DType.INT64 || t.dtype === DType.INT32;
  for (const [boxes, t] of all) {
    if (t.dtype !== DType.FLOAT || t.dims.length !== 2 || t.dims[1] !== 4) continue;
    const beside = all.filter(([, o]) => o.dims.length === 1 && o.dims[0] === t.dims[0]);
    const scores = beside.filter(([, o]) => o.dtype === DType.FLOAT);
    const labels = beside.filter(([, o]) => integer(o));
    if (scores.length === 1 && labels.length === 1)
      return { kind: 'chosen', boxes, scores: scores[0]![0], labels: labels[0]![0] };
  }
  return null;
}

/** Height and width of a batch of images with either position of the channels. */
export function pictureOf(dims: readonly number[] | undefined): readonly [number, number] | null {
  if (dims?.length !== 4) return null;
  const [, a, b, c] = dims as [number, number, number, number];
  return a <= 4 ? [b, c] : c <= 4 ? [a, b] : null;
}

/** The outputs that a layout uses, the boxes first. */
export function layoutNames(layout: BoxLayout): [string, ...string[]] {
  if (layout.kind === 'chosen') return [layout.boxes, layout.scores, layout.labels];
  return layout.kind === 'set' ? [layout.boxes, layout.logits] : [layout.output];
}

/** Boxes of every sample, without duplicates, highest score first. */
export function readBoxes(outputs: Outputs, layout: BoxLayout, picture: readonly [number, number] | null): Box[][] {
  if (layout.kind === 'chosen') {
    const [boxes, scores, labels] = [layout.boxes, layout.scores, layout.labels].map((name) => outputs[name]!);
    const xy = boxes!.data as Float32Array;
    const found = Array.from(scores!.data as Float32Array, (score, i) => ({
      x1: xy[4 * i]!,
      y1: xy[4 * i + 1]!,
      x2: xy[4 * i + 2]!,
      y2: xy[4 * i + 3]!,
      score,
      label: Number(labels!.data[i]),
    }));
    // The model has already suppressed duplicates.
    return [found.filter((b) => b.score >= FAINT)];
  }
  if (layout.kind === 'set') return readSet(outputs, layout);
  return readAnchors(outputs[layout.output]!, layout, picture);
}
