// Questions for trying `secateur tokens` on the vision-language sample: pictures that it was neither
// trained nor judged on, as small files, and a table of questions about them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { makePicture, PICTURE_SIZE, type Picture } from '../../src/main/engine/sample/vlm/pictures.ts';
import { askAbout, QUESTION_TYPES, type Question } from '../../src/main/engine/sample/vlm/questions.ts';
import { seededRandom } from '../../src/main/engine/random.ts';

const SEED = 30_004;
const PICTURES = 12;

/** Questions that are drawn about a picture; the first one of each kind is taken. */
const DRAWN = 64;

/** Writes `questions.csv` and its pictures to a folder. Returns the number of questions. */
export async function writeVlmQuestions(folder: string): Promise<number> {
  mkdirSync(join(folder, 'pictures'), { recursive: true });
  const rows = ['image,prompt,answer,kind'];
  let found = 0;
  for (let i = 0; found < PICTURES; i++) {
    const picture = makePicture(SEED, i);
    const questions = oneOfEach(picture, i);
    if (questions.length < QUESTION_TYPES.length) continue;
    const image = `pictures/${String(found++).padStart(2, '0')}.png`;
    await sharp(picture.pixels, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } })
      .png({ compressionLevel: 9, adaptiveFiltering: true })
      .toFile(join(folder, image));
    for (const { type, question, answer } of questions) rows.push(`${image},${question},${answer},${type}`);
  }
  writeFileSync(join(folder, 'questions.csv'), `${rows.join('\n')}\n`);
  return rows.length - 1;
}

function oneOfEach(picture: Picture, index: number): Question[] {
  const drawn = askAbout(seededRandom(SEED).fork(~index), picture, DRAWN);
  return QUESTION_TYPES.flatMap((type) => drawn.find((q) => q.type === type) ?? []);
}
