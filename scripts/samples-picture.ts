// node scripts/run.mjs scripts/samples-picture.ts FILE.png [SEED] [NUMBER]: draws one picture of the vision-language
// sample and prints what is in it. Without a seed, the example that the window offers.
import sharp from 'sharp';
import { COLOUR_NAMES, makePicture, PICTURE_SIZE, SHAPE_NAMES } from '../src/main/engine/sample/vlm/pictures.ts';

const EXAMPLE = { seed: 41, index: 8 };

export default async function main([file, seed, index]: string[]): Promise<void> {
  if (!file) throw new Error('usage: samples-picture.ts FILE.png [SEED] [NUMBER]');
  const { pixels, things } = makePicture(Number(seed ?? EXAMPLE.seed), Number(index ?? EXAMPLE.index));
  const raw = { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } as const;
  await sharp(pixels, { raw }).png({ compressionLevel: 9 }).toFile(file);
  for (const { colour, shape, row, column } of things)
    console.log(`${COLOUR_NAMES[colour]} ${SHAPE_NAMES[shape]} at row${row + 1} col${column + 1}`);
}
