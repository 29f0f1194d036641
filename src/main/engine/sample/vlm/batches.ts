/** Pictures and questions as the tensors that the training graphs of the vision-language sample take. */
import type { HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { seededRandom } from '../../random.ts';
import { COLOUR_NAMES, GRID, SHAPE_NAMES, makePicture, type Picture, type ThingCount } from './pictures.ts';
import { askAbout, type Question } from './questions.ts';
import { imageTokens, patchSide, type VlmSizes } from './sizes.ts';
import { labelParts, type Packing, type PatchLabels } from './training.ts';
import { BOS, EOS, PAD, columnWord, encode, rowWord } from './vocabulary.ts';

/** Pixels become (value / 255 - mean) / deviation. */
export const MEAN = 0.5;
export const DEVIATION = 0.5;

/** Pictures as float32 [n, 3, side, side], normalised. */
export function pixelValues(pictures: readonly Picture[], side: number): HostTensor {
  const area = side * side;
  const data = new Float32Array(pictures.length * 3 * area);
  pictures.forEach(({ pixels }, n) => {
    for (let i = 0; i < area; i++)
      for (let c = 0; c < 3; c++) data[(n * 3 + c) * area + i] = (pixels[i * 3 + c]! / 255 - MEAN) / DEVIATION;
  });
  return { dtype: DType.FLOAT, dims: [pictures.length, 3, side, side], data };
}

/** Deviations from the pictures and questions of the test. */
export interface Curriculum {
  readonly things?: ThingCount;
  /** Share of the questions that ask where a thing is. */
  readonly whereShare?: number;
}

export interface PackedBatch {
  readonly feeds: { readonly pixel_values: HostTensor; readonly input_ids: HostTensor };
  /** [pictures * questions * tokens, vocabulary]: shares of the loss, at the right next tokens; they sum to 1. */
  readonly targets: HostTensor;
  /** One entry per question, in order. */
  readonly questions: readonly Question[];
  /** Rows of the targets with a token of the answer or its end, per question, with the right token. */
  readonly expected: readonly (readonly { readonly row: number; readonly token: number }[])[];
}

/**
 * Weight of a question's next word, where one of the answer has 1. A shape behind a colour is that of a thing of this
 * colour, so words of questions teach the network to find things before it can answer. Behind the colour of a thing,
 * its place is a target as well, with the same weight.
 */
const SPOKEN = 0.3;

/** Batch `index` of the series of `seed`: every picture is drawn once. */
export function packedBatch(
  s: VlmSizes,
  packing: Packing,
  seed: number,
  index: number,
  { things, whereShare }: Curriculum = {},
): PackedBatch {
  const asked = packing.questions * packing.tokens;
  const random = seededRandom(seed).fork(~index);
  const pictures = Array.from({ length: packing.pictures }, (_, i) =>
    makePicture(seed, index * packing.pictures + i, things),
  );
  const questions: Question[] = [];
  const expected: { row: number; token: number }[][] = [];
  const spoken: { row: number; token: number }[] = [];
  const ids = new BigInt64Array(packing.pictures * (1 + asked)).fill(BigInt(PAD));
  pictures.forEach((picture, p) => {
    ids[p * (1 + asked)] = BigInt(BOS);
    askAbout(random, picture, packing.questions, whereShare).forEach((q, i) => {
      const [prompt, answer] = [encode(q.question), encode(q.answer)];
      const line = [...prompt, ...answer];
      if (line.length > packing.tokens) throw new Error(`"${q.question}" is longer than ${packing.tokens} tokens`);
      line.forEach((id, t) => (ids[p * (1 + asked) + 1 + i * packing.tokens + t] = BigInt(id)));
      const first = p * asked + i * packing.tokens;
      prompt.slice(1).forEach((token, t) => spoken.push({ row: first + t, token }));
      const { thing } = q;
      const at = thing ? q.question.split(' ').indexOf(COLOUR_NAMES[thing.colour]!) : -1;
      if (thing && at >= 0)
        for (const token of encode(`${rowWord(thing.row)} ${columnWord(thing.column)}`))
          spoken.push({ row: first + at, token });
      expected.push([...answer, EOS].map((token, t) => ({ row: first + prompt.length - 1 + t, token })));
      questions.push(q);
    });
  });
  const targets = new Float32Array(packing.pictures * asked * s.vocabulary);
  const weighted = [
    ...expected.flat().map((t) => ({ ...t, weight: 1 })),
    ...spoken.map((t) => ({ ...t, weight: SPOKEN })),
  ];
  const total = weighted.reduce((n, t) => n + t.weight, 0);
  for (const { row, token, weight } of weighted) targets[row * s.vocabulary + token] = weight / total;
  return {
    feeds: {
      pixel_values: pixelValues(pictures, s.picture),
      input_ids: { dtype: DType.INT64, dims: [packing.pictures, 1 + asked], data: ids },
    },
    targets: { dtype: DType.FLOAT, dims: [packing.pictures * asked, s.vocabulary], data: targets },
    questions,
    expected,
  };
}

export const PATCH_LABELS: PatchLabels = { colours: COLOUR_NAMES.length, shapes: SHAPE_NAMES.length, grid: GRID };

/** Patches that show a thing count this much more than others, and the place of a patch less than its contents. */
const THING = 4;
const PLACE = 0.2;

/** Batch `index` for the encoder alone: pictures, and the shares of the loss at the labels of their patches. */
export function patchBatch(
  s: VlmSizes,
  pictures: number,
  seed: number,
  index: number,
): { pixels: HostTensor; targets: HostTensor } {
  // prettier-ignore
  const drawn = Array.from({ length: pictures }, (_, i) => makePicture(seed, index * pictures + i));
  const side = patchSide(s);
  const parts = labelParts(PATCH_LABELS);
  const width = parts.reduce((a, b) => a + b, 0);
  const targets = new Float32Array(pictures * imageTokens(s) * width);
  drawn.forEach(({ things }, n) => {
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        const [row, column] = [Math.floor((y * GRID) / side), Math.floor((x * GRID) / side)];
        const thing = things.find((t) => t.row === row && t.column === column);
        const at = ((n * side + y) * side + x) * width;
        const weight = (thing ? THING : 1) / (pictures * imageTokens(s));
        const label = [thing ? 1 + thing.colour : 0, thing ? 1 + thing.shape : 0, row, column];
        let offset = at;
        label.forEach((value, i) => {
          targets[offset + value] = i < 2 ? weight : PLACE * weight;
          offset += parts[i]!;
        });
      }
  });
  return {
    pixels: pixelValues(drawn, s.picture),
    targets: { dtype: DType.FLOAT, dims: [pictures, imageTokens(s), width], data: targets },
  };
}
