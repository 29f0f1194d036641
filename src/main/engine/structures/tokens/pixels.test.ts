/** Encoders for smaller pictures against encoders of any size whose table of positions is interpolated here. */
import { describe, expect, it } from 'vitest';
import { PATCH, smallEncoder, WIDTH, type EncoderOptions } from '../../../../../test/support/small-encoder.ts';
import { createExecutor } from '../../../runtime/executor.ts';
import { collectFacts } from '../../../runtime/facts.ts';
import type { HostTensor } from '../../executor.ts';
import { ints } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';
import { f32, toFloat32 } from '../../ir/tensor.ts';
import { verifyModel } from '../../ir/verify.ts';
import { eliminateDead } from '../../passes/eliminate-dead.ts';
import { seededRandom } from '../../random.ts';
import { pixelPlace, shrinkPixels, smallerSizes, type PixelPlace } from './pixels.ts';

const executor = createExecutor();

async function run(model: Model, height: number, width: number): Promise<HostTensor> {
  verifyModel(model);
  const random = seededRandom(4);
  const data = Float32Array.from({ length: 2 * 3 * height * width }, () => random.normal());
  const session = await executor.open(model);
  try {
    return Object.values(await session.run({ x: { dtype: DType.FLOAT, dims: [2, 3, height, width], data } }))[0]!;
  } finally {
    await session.release();
  }
}

/** Bilinear resampling at the centre of each new patch, as the weighted mean of the four old patches around it. */
function resampled(table: number[][], leading: number, from: readonly number[], to: readonly number[]): number[][] {
  const out = table.slice(0, leading);
  for (let y = 0; y < to[0]!; y++)
    for (let x = 0; x < to[1]!; x++) {
      const [v, u] = [((y + 0.5) / to[0]!) * from[0]! - 0.5, ((x + 0.5) / to[1]!) * from[1]! - 0.5];
      const row = Array<number>(WIDTH).fill(0);
      for (let r = 0; r < from[0]!; r++)
        for (let c = 0; c < from[1]!; c++) {
          const weight = Math.max(0, 1 - Math.abs(r - v)) * Math.max(0, 1 - Math.abs(c - u));
          row.forEach((_, d) => (row[d]! += weight * table[leading + r * from[1]! + c]![d]!));
        }
      out.push(row);
    }
  return out;
}

/** The same weights without any constant that depends on the size, and with a table for the new grid. */
function reference(options: EncoderOptions, to: readonly [number, number]): Model {
  const model = smallEncoder({ ...options, side: null, baked: false, gathers: false });
  const value = [...model.graph.initializers].find((v) => v.name === 'positions')!;
  const flat = toFloat32(value.initializer!);
  const leading = options.classToken ? 1 : 0;
  const rows = Array.from({ length: flat.length / WIDTH }, (_, i) => Array.from(flat.subarray(i * WIDTH, (i + 1) * WIDTH))); // prettier-ignore
  const table = resampled(rows, leading, [options.patches, options.patches], to);
  value.initializer = f32(table.flat(), [1, table.length, WIDTH]);
  value.type = null;
  return model;
}

async function placeOf(
  model: Model,
  dims = {},
): Promise<{ place: PixelPlace; model: Model; facts: Awaited<ReturnType<typeof collectFacts>> }> {
  // prettier-ignore
  const facts = await collectFacts(model, executor, { dims });
  const place = pixelPlace(model, facts);
  if ('refused' in place) throw new Error(place.refused);
  return { place, model, facts };
}

const CASES: [string, EncoderOptions][] = [
  ['class token in the output', { side: 20, patches: 5, classToken: true }],
  ['class token dropped, sizes in reshapes', { side: 20, patches: 5, classToken: true, dropsClassToken: true, baked: true }], // prettier-ignore
  ['no class token, positions by a Gather', { side: 20, patches: 5, gathers: true, baked: true }],
  ['rows of all images in one axis', { side: 20, patches: 5, flat: true }],
  ['patches that overlap', { side: 20, patches: 5, overlaps: true, baked: true }],
];

describe.each(CASES)('%s', (_, options) => {
  it.each([
    [16, 16],
    [12, 12],
    [12, 16],
    [4, 8],
  ] as const)('%d x %d pixels', async (height, width) => {
    // prettier-ignore
    const { place, model, facts } = await placeOf(smallEncoder(options));
    expect(place).toMatchObject({ size: [20, 20], patch: [PATCH, PATCH], grid: [5, 5] });
    const small = shrinkPixels(model, facts, place, [height, width]);
    expect(small.graph.inputs[0]!.type!.shape).toEqual(['N', 3, height, width]);
    const got = await run(small, height, width);
    const want = await run(reference(options, [height / PATCH, width / PATCH]), height, width);
    expect(got.dims).toEqual(want.dims);
    expect(
      Math.max(...Array.from(want.data as Float32Array, (x, i) => Math.abs(x - Number(got.data[i])))),
    ).toBeLessThan(1e-5);
  });

  it('stays as it is at its own size', async () => {
    const { place, model, facts } = await placeOf(smallEncoder(options));
    expect(await run(shrinkPixels(model, facts, place, [20, 20]), 20, 20)).toEqual(await run(model, 20, 20));
  });
});

it('offers whole patches of about the same proportions', async () => {
  const { place } = await placeOf(smallEncoder({ side: 20, patches: 5 }));
  expect(smallerSizes(place)).toEqual([[16, 16], [12, 12], [8, 8], [4, 4]]); // prettier-ignore
  expect(smallerSizes({ ...place, grid: [6, 3] })[1]).toEqual([16, 8]);
});

it('refuses sizes that are not whole patches, and larger ones', async () => {
  const { place, model, facts } = await placeOf(smallEncoder({ side: 20, patches: 5 }));
  expect(() => shrinkPixels(model, facts, place, [18, 16])).toThrow('not whole patches');
  expect(() => shrinkPixels(model, facts, place, [24, 20])).toThrow('not whole patches');
});

it('refuses encoders that join patches or hold other tables of tokens', async () => {
  const shuffled = smallEncoder({ side: 16, patches: 4, shuffles: true });
  expect(pixelPlace(shuffled, await collectFacts(shuffled, executor))).toEqual({ refused: expect.stringMatching(/pixel shuffle|layers behind/) }); // prettier-ignore
});

it('refuses a stem that does not divide the picture by its strides', async () => {
  // With four more pixels there is one patch more, and with one more there is not.
  const model = smallEncoder({ side: 20, patches: 5 });
  const conv = [...model.graph.nodes()].find((n) => n.opType === 'Conv')!;
  conv.attributes.set('pads', ints([0, 0, 1, 1]));
  expect(pixelPlace(model, await collectFacts(model, executor))).toMatchObject({ patch: [PATCH, PATCH] });
  conv.attributes.set('pads', ints([2, 2, 2, 2]));
  model.graph.outputs.splice(0, 1, conv.output());
  conv.output().type = { elemType: DType.FLOAT, shape: ['N', null, null, null] };
  eliminateDead.run(model);
  expect(pixelPlace(model, await collectFacts(model, executor))).toMatchObject({ refused: expect.stringMatching(/by their strides/) }); // prettier-ignore
});

it('finds the picture beside a mask of four axes', async () => {
  const model = smallEncoder({ side: 20, patches: 5 });
  model.graph.addInput('mask', { elemType: DType.FLOAT, shape: ['N', 1, 20, 20] });
  model.graph.inputs.reverse();
  const place = pixelPlace(model, await collectFacts(model, executor));
  expect('refused' in place ? place : place.input.name).toBe('x');
});
