// node scripts/run.mjs scripts/samples-data.ts FILE.npz [COUNT]: scenes of the training series, to prune or recover with.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeScenes } from '../src/main/engine/sample/scenes.ts';
import { TRAIN_SEED, writeNpz } from './samples/data.ts';

export default async function main([path, count = '4000']: string[]): Promise<void> {
  if (!path || !(Number(count) >= 1)) throw new Error('usage: samples-data.ts FILE.npz [COUNT]');
  mkdirSync(dirname(path), { recursive: true });
  await writeNpz(path, makeScenes(TRAIN_SEED, Number(count)));
}
