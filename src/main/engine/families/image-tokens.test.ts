import { describe, expect, it } from 'vitest';
import { DType } from '../ir/dtype.ts';
import { Model } from '../ir/model.ts';
import { imageNoteOf, lengthBehind, marked, shortened, writeImageNote, type ImageNote } from './image-tokens.ts';

const cuts = [
  { layer: 2, left: 72 / 144 },
  { layer: 4, left: 7 / 144 },
];
const note = (route: ImageNote['route'], input: string | null): ImageNote => ({ route, input, start: 1, count: 2, cuts }); // prettier-ignore
const past = (length: number) => ({ name: 'past_key_values.0.key', dtype: DType.FLOAT, dims: [1, 2, length, 4] });

describe('the note of a decoder that drops image tokens', () => {
  it('is read as it was written, and not from other metadata', () => {
    const model = new Model();
    expect(imageNoteOf(model)).toBeNull();
    writeImageNote(model, note('flag', 'inputs_embeds'));
    expect(imageNoteOf(model)).toEqual(note('flag', 'inputs_embeds'));
    model.metadata.set('secateur.image_tokens', 'changed');
    expect(imageNoteOf(model)).toBeNull();
  });

  it('shortens the caches behind each cut', () => {
    const names = ['past', lengthBehind('past', 2), lengthBehind(lengthBehind('past', 2), 4)] as const;
    const of = (length: number, image: number): Record<string, number> => shortened({ imageNote: note('span', null) }, Object.fromEntries(names.map((n) => [n, length])), image); // prettier-ignore
    expect(of(160, 144)).toEqual({ past: 160, past_from_layer_2: 160 - 72, past_from_layer_4: 160 - 137 });
    // The same share stays for another number of image tokens.
    expect(of(300, 288)).toEqual({ past: 300, past_from_layer_2: 300 - 144, past_from_layer_4: 300 - 274 });
    expect(of(0, 144)).toEqual({ past: 0, past_from_layer_2: 0, past_from_layer_4: 0 });
    expect(shortened({}, { past_from_layer_2: 9 }, 4)).toEqual({ past_from_layer_2: 9 });
  });

  it('marks the image of a prompt, and none behind a cache', () => {
    const mask = { dtype: DType.BOOL, dims: [1, 4], data: new Uint8Array(4).fill(1) };
    expect(Array.from(marked(note('input', 'image_mask'), mask, [past(0)]).data as Uint8Array)).toEqual([0, 1, 1, 0]);
    expect(Array.from(marked(note('input', 'image_mask'), mask, [past(3)]).data as Uint8Array)).toEqual([0, 0, 0, 0]);
    const embeds = (): number[] => [9, 9, 9, 9, 9, 9, 9, 9];
    const flags = (length: number): number[] =>
      Array.from(marked(note('flag', 'x'), { dtype: DType.FLOAT, dims: [1, 4, 2], data: Float32Array.from(embeds()) }, [past(length)]).data as Float32Array); // prettier-ignore
    expect(flags(0)).toEqual([9, 0, 9, 1, 9, 1, 9, 0]);
    expect(flags(3)).toEqual([9, 0, 9, 0, 9, 0, 9, 0]);
  });
});
