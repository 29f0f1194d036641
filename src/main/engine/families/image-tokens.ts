/**
 * The note of a decoder that drops image tokens inside: how it learns which tokens are of the image, and the share that
 * each cut leaves. Made-up inputs and the lengths of caches follow it, so that such a decoder is measured as it is used.
 */
import type { HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import { numberToHalf } from '../ir/tensor.ts';
import type { ComponentShape } from './contract.ts';
import { filled, type InputDims, pastLength } from './named-inputs.ts';

export interface ImageNote {
  /** `input`: a mask beside the tokens; `flag`: a channel of the embeddings; `span`: places that the decoder knows. */
  readonly route: 'input' | 'flag' | 'span';
  /** The input that carries the marks; null for `span`. */
  readonly input: string | null;
  /** Place of the first image token in a usual prompt. */
  readonly start: number;
  /** Image tokens of a square picture. */
  readonly count: number;
  /** Cuts in the order of layers, with the largest share of the image tokens that is left behind each. */
  readonly cuts: readonly { readonly layer: number; readonly left: number }[];
}

/** The entry of a model's metadata. */
const KEY = 'secateur.image_tokens';

const BEHIND = /_from_layer_(\d+)$/;

/** Name of a length behind the cut before a layer. @param name of the length before any cut, or behind an earlier one */
export const lengthBehind = (name: string, layer: number): string => `${name.replace(BEHIND, '')}_from_layer_${layer}`;

export function writeImageNote(model: Model, note: ImageNote): void {
  model.metadata.set(KEY, JSON.stringify(note));
}

/** Null for a model without cuts. */
export function imageNoteOf({ metadata }: Model): ImageNote | null {
  const text = metadata.get(KEY);
  if (text === undefined) return null;
  try {
    const note = JSON.parse(text) as ImageNote;
    return Array.isArray(note.cuts) && note.count > 0 ? note : null;
  } catch {
    // Metadata that another program has changed is not ours.
    return null;
  }
}

/**
 * Sizes of a decoder's axes with the caches behind its cuts shortened.
 * @param dims sizes with all image tokens in every cache
 * @param image image tokens of the prompt
 */
export function shortened(
  { imageNote }: Pick<ComponentShape, 'imageNote'>,
  dims: Readonly<Record<string, number>>,
  image: number,
): Record<string, number> {
  const left = new Map(imageNote?.cuts.map((c) => [c.layer, c.left]));
  return Object.fromEntries(
    Object.entries(dims).map(([name, size]) => {
      const share = left.get(Number(BEHIND.exec(name)?.[1] ?? -1));
      if (share === undefined || size === 0) return [name, size];
      // The share is a quotient of whole numbers, which may be rounded up in its last digit.
      return [name, size - image + Math.min(image, Math.ceil(share * image - 1e-6))];
    }),
  );
}

/**
 * The value of an input with the image tokens of a run marked: those of a prompt where nothing is cached, else none.
 * @param value [1, tokens] or [1, tokens, width + 1]; changed by the route `flag`
 * @param all inputs of the run
 */
export function marked(note: ImageNote, value: HostTensor, all: readonly InputDims[]): HostTensor {
  const { route, start, count } = note;
  const isPrompt = pastLength(all) === 0;
  const bit = (at: number): number => Number(isPrompt && at >= start && at < start + count);
  const [, tokens, width] = value.dims as [number, number, number?];
  if (route === 'input') return filled(value.dtype, value.dims, (i) => bit(i % tokens));
  if (route !== 'flag' || width === undefined) return value;
  const data = value.data as unknown as number[];
  for (let row = 0; row < data.length / width; row++) {
    const flag = bit(row % tokens);
    data[(row + 1) * width - 1] = value.dtype === DType.FLOAT16 ? numberToHalf(flag) : flag;
  }
  return value;
}
