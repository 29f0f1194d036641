// The sample's data for the scripts: normalised batches for training, and .npz files for users.
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { encodeNpy } from '../../src/main/data/npy.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { SCENE_SIZE, type Scenes } from '../../src/main/engine/sample/scenes.ts';

/** Seeds of the scenes for training, for testing, and for pruning and recovery. */
export const TRAIN_SEED = 20_001;
export const TEST_SEED = 20_002;
export const POOL_SEED = 20_003;

/**
 * The network's preprocessing, (pixel / 255 - 0.5) / 0.25, written to preprocess.json in the same
 * form.
 */
export const PREPROCESS = {
  layout: 'NCHW',
  colorOrder: 'RGB',
  dtype: 'float32',
  rescale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
};

const PIXELS = SCENE_SIZE * SCENE_SIZE;
const normalised = Float32Array.from({ length: 256 }, (_, v) => (v / 255 - 0.5) / 0.25);

/** Scenes `indices` as float32 [n, 3, 32, 32]; each is mirrored left to right where `mirror(position)` says so. */
export function toBatch(
  scenes: Scenes,
  indices: ArrayLike<number>,
  mirror: (position: number) => boolean = () => false,
): Float32Array {
  const out = new Float32Array(indices.length * 3 * PIXELS);
  for (let b = 0; b < indices.length; b++) {
    const from = indices[b]! * PIXELS * 3;
    const flip = mirror(b);
    for (let y = 0; y < SCENE_SIZE; y++)
      for (let x = 0; x < SCENE_SIZE; x++) {
        const at = from + (y * SCENE_SIZE + (flip ? SCENE_SIZE - 1 - x : x)) * 3;
        const to = b * 3 * PIXELS + y * SCENE_SIZE + x;
        for (let c = 0; c < 3; c++) out[to + c * PIXELS] = normalised[scenes.images[at + c]!]!;
      }
  }
  return out;
}

/** Writes images [n, 32, 32, 3] uint8 and labels [n] uint8; the same scenes give the same bytes. */
export async function writeNpz(path: string, scenes: Scenes): Promise<void> {
  const zip = new ZipFile();
  const n = scenes.labels.length;
  const add = (name: string, data: Uint8Array, dims: readonly number[]): void => {
    const bytes = Buffer.from(encodeNpy({ dtype: DType.UINT8, dims, data }));
    zip.addBuffer(bytes, `${name}.npy`, { mtime: new Date(2020, 0, 1), compress: true });
  };
  add('images', scenes.images, [n, SCENE_SIZE, SCENE_SIZE, 3]);
  add('labels', scenes.labels, [n]);
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path));
}
