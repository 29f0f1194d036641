// node scripts/run.mjs scripts/samples-vlm-data.ts FOLDER [PICTURES] [EACH]: draws fresh pictures for the
// vision-language sample and writes them with questions.csv, EACH questions about every picture. None of them is among
// those that the sample was trained or tested with.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { seededRandom } from '../src/main/engine/random.ts';
import { makePicture, PICTURE_SIZE } from '../src/main/engine/sample/vlm/pictures.ts';
import { askAbout } from '../src/main/engine/sample/vlm/questions.ts';

const SEED = 30_005;

export default async function main([folder, pictures = '200', each = '5']: string[]): Promise<void> {
  if (!folder || !(Number(pictures) >= 1) || !(Number(each) >= 1))
    throw new Error('usage: samples-vlm-data.ts FOLDER [PICTURES] [EACH]');
  mkdirSync(folder, { recursive: true });
  const rows = ['image,prompt,answer,kind'];
  for (let i = 0; i < Number(pictures); i++) {
    const picture = makePicture(SEED, i);
    const name = `${String(i).padStart(5, '0')}.png`;
    const raw = { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } as const;
    await sharp(picture.pixels, { raw }).png().toFile(join(folder, name));
    const asked = askAbout(seededRandom(SEED).fork(~i), picture, Number(each));
    const seen = new Set<string>();
    for (const { question, answer, type } of asked) {
      if (seen.has(question)) continue;
      seen.add(question);
      rows.push(`${name},<image>${question},${answer},${type}`);
    }
  }
  writeFileSync(join(folder, 'questions.csv'), `${rows.join('\n')}\n`);
  console.log(`${rows.length - 1} questions about ${pictures} pictures in ${join(folder, 'questions.csv')}`);
}
