/** A small classifier of an image and a row of ids, and labelled samples for it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { int, ints } from '../../src/main/engine/ir/attribute.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { DType, elementCount } from '../../src/main/engine/ir/dtype.ts';
import { f32, type Tensor } from '../../src/main/engine/ir/tensor.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { plainExecutor } from './executor.ts';
import { writeNpz } from './npz.ts';
import { Net } from './topologies.ts';

export const VOCABULARY = 13;
export const IDS = 5;
const CLASSES = 4;
const EMBEDDING = 6;

/** Options of `twoInputs`. */
interface TwoInputs {
  /** Adds a scalar input without a batch axis, which scales the features of the image. */
  readonly step?: boolean;
}

/**
 * image [N, 3, 8, 8] goes through two convolutions, ids [N, 5] through a table and a masked mean
 * over attention_mask [N, 5]; both meet in two linear layers that compute y [N, 4].
 * @param width channels of the convolutions
 * @param batch batch size of all inputs
 */
export function twoInputs(width = 16, batch: number | string = 'N', { step = false }: TwoInputs = {}): Model {
  const n = new Net();
  const { graph } = n.model;
  const image = graph.addInput('image', { elemType: DType.FLOAT, shape: [batch, 3, 8, 8] });
  const ids = graph.addInput('ids', { elemType: DType.INT64, shape: [batch, IDS] });
  const mask = graph.addInput('attention_mask', { elemType: DType.INT64, shape: [batch, IDS] });
  const seen = n.relu(n.conv(n.relu(n.conv(image, 3, width)), width, width));
  const flat = n.op('Flatten', [n.op('GlobalAveragePool', [seen])]);
  const pooled = step ? n.op('Mul', [flat, graph.addInput('step', { elemType: DType.FLOAT, shape: [] })]) : flat;
  const weights = n.op('Unsqueeze', [n.op('Cast', [mask], { to: int(DType.FLOAT) }), n.ints(2)]);
  const table = n.op('Gather', [n.weight(VOCABULARY, EMBEDDING), ids]);
  const read = n.op('ReduceMean', [n.op('Mul', [table, weights])], { axes: ints([1]), keepdims: int(0) });
  const both = n.op('Concat', [pooled, read], { axis: int(1) });
  const y = n.gemm(n.relu(n.gemm(both, width + EMBEDDING, 2 * width)), 2 * width, CLASSES);
  for (const v of graph.initializers) if (v.initializer?.dtype === DType.FLOAT) v.initializer = spread(v.initializer);
  y.name = 'y';
  y.type = { elemType: DType.FLOAT, shape: [batch, CLASSES] };
  graph.outputs.push(y);
  return n.model;
}

/** Zero-centred weights scaled by fan-in, so that every class occurs. */
function spread({ dims }: Tensor): Tensor {
  const random = seededRandom(dims.reduce((a, b) => 31 * a + b, 7));
  const fan = dims.length === 4 ? elementCount(dims.slice(1)) : dims[0]!;
  const scale = dims.length === 1 ? 0.1 : dims[0] === VOCABULARY ? 3 : Math.sqrt(2 / fan);
  return f32(Array.from({ length: elementCount(dims) }, () => random.normal() * scale), dims); // prettier-ignore
}

/** Samples for `twoInputs` without its mask. */
export function twoInputSamples(samples: number) {
  const random = seededRandom(5);
  // Each image has a colour of its own, so that the pooled values differ between samples.
  const colours = Array.from({ length: 3 * samples }, () => random.normal());
  const image = Float32Array.from(
    { length: samples * 192 },
    (_, i) => colours[Math.floor(i / 64)]! + 0.5 * random.normal(),
  );
  const ids = BigInt64Array.from({ length: samples * IDS }, () => BigInt(random.int(VOCABULARY)));
  return {
    image: { dtype: DType.FLOAT, dims: [samples, 3, 8, 8], data: image },
    ids: { dtype: DType.INT64, dims: [samples, IDS], data: ids },
  };
}

/** Classes predicted by the model itself. */
async function labelsFor(model: Model, feeds: Readonly<Record<string, HostTensor>>): Promise<HostTensor> {
  const rows = feeds['image']!.dims[0]!;
  const attention_mask = { dtype: DType.INT64, dims: [rows, IDS], data: new BigInt64Array(rows * IDS).fill(1n) };
  const session = await plainExecutor.open(model, {});
  try {
    const y = (await session.run({ ...feeds, attention_mask }))['y']!.data as Float32Array;
    const data = BigInt64Array.from({ length: rows }, (_, i) => {
      const row = y.subarray(CLASSES * i, CLASSES * (i + 1));
      return BigInt(row.indexOf(Math.max(...row)));
    });
    return { dtype: DType.INT64, dims: [rows], data };
  } finally {
    await session.release();
  }
}

/** Writes two.onnx and two.npz: the model, and its samples with the model's own labels. */
export async function writeTwoInputs(
  folder: string,
  width = 32,
  samples = 96,
): Promise<{ model: string; data: string }> {
  const model = join(folder, 'two.onnx');
  const network = twoInputs(width);
  writeFileSync(model, serializeModel(network));
  const inputs = twoInputSamples(samples);
  const labels = await labelsFor(network, inputs);
  return { model, data: await writeNpz(join(folder, 'two.npz'), { ...inputs, labels }) };
}
