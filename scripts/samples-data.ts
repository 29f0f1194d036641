// node scripts/run.mjs scripts/samples-data.ts FILE.npz [COUNT]: draws fresh scenes for pruning and
// recovery. They are not among the training scenes, as is usual for models trained elsewhere.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeScenes } from '../src/main/engine/sample/scenes.ts';
import { POOL_SEED, writeNpz } from './samples/data.ts';

export default async function main([path, count = '4000']: string[]): Promise<void> {
  if (!path || !(Number(count) >= 1)) throw new Error('usage: samples-data.ts FILE.npz [COUNT]');
  mkdirSync(dirname(path), { recursive: true });
  await writeNpz(path, makeScenes(POOL_SEED, Number(count)));
}
