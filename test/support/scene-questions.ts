/** Questions about procedural scenes, as a file with pictures beside it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { PICTURE_SIZE } from '../../src/main/engine/sample/vlm/pictures.ts';
import { questionSet } from '../../src/main/engine/sample/vlm/questions.ts';

/** Writes `count` questions, one about each picture, and returns the path of the table. */
export async function writeSceneQuestions(folder: string, count: number, seed = 5): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const rows = ['image,prompt,answer,kind'];
  for (const [i, { picture, question, answer, type }] of questionSet(seed, count).entries()) {
    await sharp(picture.pixels, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } })
      .png()
      .toFile(join(folder, `${i}.png`));
    rows.push(`${i}.png,${question},${answer},${type}`);
  }
  const path = join(folder, 'questions.csv');
  writeFileSync(path, `${rows.join('\n')}\n`);
  return path;
}
