/** Writes a model of a few kilobytes and its samples: enough for a whole job in seconds. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeNpy } from '../../src/main/data/npy.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { residualExample } from './jobs/model.ts';
import { rawZip } from './raw-zip.ts';

export interface CompressFixture {
  readonly model: string;
  readonly data: string;
}

/**
 * @param width channels of the network
 * @param samples number of samples of 3 x 8 x 8 numbers, with labels 0..3
 */
export function writeCompressFixture(folder: string, width = 32, samples = 96): CompressFixture {
  const [model, data] = [join(folder, 'tiny.onnx'), join(folder, 'tiny.npz')];
  writeFileSync(model, serializeModel(residualExample(width)));
  const random = seededRandom(11);
  const x = Float32Array.from({ length: samples * 192 }, () => random.normal());
  const y = Uint8Array.from({ length: samples }, (_, i) => i % 4);
  const entries = [
    { name: 'x.npy', data: encodeNpy({ dtype: DType.FLOAT, dims: [samples, 3, 8, 8], data: x }) },
    { name: 'y.npy', data: encodeNpy({ dtype: DType.UINT8, dims: [samples], data: y }) },
  ];
  writeFileSync(data, rawZip(entries));
  return { model, data };
}
