/** Selection behind an encoder equals the method's reference on the features that the whole encoder gives. */
import { describe, expect, it } from 'vitest';
import { smallEncoder, WIDTH, type EncoderOptions } from '../../../../../test/support/small-encoder.ts';
import { REFERENCES, type Sample } from '../../../../../test/support/token-references.ts';
import { createExecutor } from '../../../runtime/executor.ts';
import { collectFacts } from '../../../runtime/facts.ts';
import { GraphBuilder } from '../../autodiff/builder.ts';
import type { HostTensor } from '../../executor.ts';
import { cloneModel } from '../../ir/clone.ts';
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';
import { halfToNumber } from '../../ir/tensor.ts';
import { verifyModel } from '../../ir/verify.ts';
import { seededRandom } from '../../random.ts';
import { featurePlace, KEPT, refusalAfter, selectAfter, type FeaturePlace } from './after.ts';
import { TOKEN_METHODS, tokenMethod } from './registry.ts';
import { attentionInputs } from './support/find-attention.ts';

const executor = createExecutor();

function image(side: number, batch: number): HostTensor {
  const random = seededRandom(3);
  const data = Float32Array.from({ length: batch * 3 * side * side }, () => random.normal());
  return { dtype: DType.FLOAT, dims: [batch, 3, side, side], data };
}

async function run(model: Model, batch: number, side: number): Promise<Record<string, HostTensor>> {
  verifyModel(model);
  const session = await executor.open(model);
  try {
    return await session.run({ [model.graph.inputs[0]!.name]: image(side, batch) });
  } finally {
    await session.release();
  }
}

async function placeOf(model: Model, perImage?: number): Promise<FeaturePlace> {
  const place = featurePlace(model, await collectFacts(model, executor), perImage);
  if ('refused' in place) throw new Error(place.refused);
  return place;
}

/** The model with attention and keys of the place as further outputs. */
function withAttention(model: Model, place: FeaturePlace): Model {
  const { model: copy, values } = cloneModel(model);
  const { found, skip, classToken } = place.attention!;
  const b = new GraphBuilder(copy.graph, copy.opset);
  const copied = { ...found, probabilities: values.get(found.probabilities)!, keys: values.get(found.keys)! };
  copy.graph.outputs.push(...Object.values(attentionInputs(b, copied, skip, classToken)));
  return copy;
}

const rowsOf = (t: HostTensor, width: number, from: number, to: number): number[][] =>
  Array.from({ length: to - from }, (_, i) => Array.from((t.data as Float32Array).subarray((from + i) * width, (from + i + 1) * width))); // prettier-ignore

/** The sample that a method sees for image `i`, from the outputs of the whole encoder. */
function sampleOf(out: Record<string, HostTensor>, place: FeaturePlace, i: number): Sample {
  const [features, attention, keys] = Object.values(out) as [HostTensor, HostTensor, HostTensor];
  const { count, fixed } = place;
  const keyWidth = keys.dims[2]!;
  const from = i * count + fixed;
  const to = (i + 1) * count;
  return {
    tokens: rowsOf(features, WIDTH, from, to),
    attention: rowsOf(attention, 1, from, to).flat(),
    keys: rowsOf(keys, keyWidth, from, to),
    sizes: [],
    grid: place.grid!,
    seed: 0,
  };
}

const CASES: [string, EncoderOptions, number?][] = [
  ['projector without the class token', { side: 16, patches: 4, classToken: true, dropsClassToken: true }],
  ['class token in the output', { side: 16, patches: 4, classToken: true, output: 'last_hidden_state' }],
  ['no class token, old operator set', { side: 16, patches: 4, opset: 17 }],
  ['batch and heads in one axis', { side: 16, patches: 4, classToken: true, dropsClassToken: true, baked: true, mergesHeads: true }], // prettier-ignore
  ['rows of all images in one axis', { side: 16, patches: 4, flat: true }, 16],
];

describe.each(CASES)('%s', (_, options, perImage) => {
  const methods = TOKEN_METHODS.filter((m) => !m.needs.includes('sizes'));

  it.each(methods.map((m) => [m.name, m] as const))('%s', async (name, method) => {
    const model = smallEncoder(options);
    const place = await placeOf(model, perImage);
    expect(place).toMatchObject({ count: options.classToken && !options.dropsClassToken ? 17 : 16, grid: [4, 4], width: WIDTH }); // prettier-ignore
    expect(place.attention).toMatchObject({ classToken: options.classToken ?? false });
    const whole = await run(withAttention(model, place), 2, 16);
    const keep = method.levels ? 4 : 5;
    const selected = await run(selectAfter(model, place, method, keep), 2, 16);
    const out = selected[options.output ?? 'image_features']!;
    const want = [0, 1].flatMap((i) => {
      const sample = sampleOf(whole, place, i);
      const reference = REFERENCES[name === 'stratified' ? 'stratified-by-attention' : name]!;
      const { index, content } = reference(sample, keep, place.fixed);
      const fixed = rowsOf(Object.values(whole)[0]!, WIDTH, i * place.count, i * place.count + place.fixed);
      return [...fixed, ...(content ?? index.map((t) => sample.tokens[t]!))].flat();
    });
    const rows = keep + place.fixed;
    expect(out.dims).toEqual(options.flat ? [2 * rows, WIDTH] : [2, rows, WIDTH]);
    expect(Math.max(...want.map((x, i) => Math.abs(x - Number(out.data[i]))))).toBeLessThan(1e-4);
  });
});

it('selects float16 features, and gives float16', async () => {
  const options = { side: 16, patches: 4 };
  const [whole, half] = [smallEncoder(options), smallEncoder({ ...options, half: true })];
  for (const name of ['dpp', 'pool', 'evit']) {
    const method = tokenMethod(name)!;
    const want = (await run(selectAfter(whole, await placeOf(whole), method, 4), 2, 16)).image_features!;
    const cut = selectAfter(half, await placeOf(half), method, 4);
    const got = (await run(cut, 2, 16)).image_features!;
    expect(got).toMatchObject({ dtype: DType.FLOAT16, dims: want.dims });
    const values = Array.from(got.data as Uint16Array, halfToNumber);
    // float16 has 11 bits, and its rounding of the tokens goes into sums.
    const largest = Math.max(...(want.data as Float32Array).map(Math.abs));
    const error = values.map((x, i) => Math.abs(x - Number(want.data[i])));
    expect(Math.max(...error)).toBeLessThan(largest * 2 ** -10);
  }
});

it('leaves the model as it is where all tokens stay', async () => {
  const model = smallEncoder({ side: 16, patches: 4 });
  const place = await placeOf(model);
  const before = await run(model, 2, 16);
  expect(await run(selectAfter(model, place, tokenMethod('dpp')!, 16), 2, 16)).toEqual(before);
});

it('reports the tokens that stay', async () => {
  const model = smallEncoder({ side: 16, patches: 4, classToken: true });
  const place = await placeOf(model);
  const all = rowsOf((await run(model, 2, 16)).image_features!, WIDTH, 0, 2 * place.count);
  const out = await run(selectAfter(model, place, tokenMethod('dpp')!, 5, { report: true }), 2, 16);
  expect(out[KEPT]!.dims).toEqual([2, 6]);
  const kept = Array.from(out[KEPT]!.data as BigInt64Array, Number);
  expect([kept[0], kept[6]]).toEqual([0, 0]);
  const rows = rowsOf(out.image_features!, WIDTH, 0, 12);
  kept.forEach((token, i) => expect(rows[i]).toEqual(all[Math.floor(i / 6) * place.count + token]));
});

it('selects merged tokens of a pixel shuffle on their own grid, without attention', async () => {
  const model = smallEncoder({ side: 16, patches: 4, shuffles: true });
  const place = await placeOf(model);
  expect(place).toMatchObject({ count: 4, fixed: 0, grid: [2, 2] });
  expect(refusalAfter(model, place, tokenMethod('visionzip')!, 2)).toBe('the encoder attends to 16 tokens and gives 4');
  expect(refusalAfter(model, place, tokenMethod('pool')!, 2)).toBeNull();
  const out = await run(selectAfter(model, place, tokenMethod('pool')!, 1), 3, 16);
  const all = await run(model, 3, 16);
  const mean = rowsOf(all.image_features!, WIDTH, 0, 4);
  expect(out.image_features!.dims).toEqual([3, 1, WIDTH]);
  mean[0]!.forEach((_, d) => expect(Number(out.image_features!.data[d])).toBeCloseTo(mean.reduce((s, row) => s + row[d]! / 4, 0), 5)); // prettier-ignore
});

it('refuses with a reason', async () => {
  const model = smallEncoder({ side: 16, patches: 4 });
  const place = await placeOf(model);
  const refusal = (name: string, keep: number): string | null => refusalAfter(model, place, tokenMethod(name)!, keep);
  expect(refusal('tome', 8)).toContain('weighs merged tokens by their sizes');
  expect(refusal('pool', 7)).toContain('cannot be divided into 7 cells');
  expect(refusal('dpp', 17)).toContain('17 of 16 tokens cannot stay');
  expect(refusal('dpp', 8)).toBeNull();
  const { grid, attention, ...bare } = place;
  expect([grid, attention]).not.toContain(undefined);
  expect(refusalAfter(model, bare, tokenMethod('pool')!, 4)).toContain('no known grid');
  expect(refusalAfter(model, { ...bare, withoutAttention: 'why' }, tokenMethod('evit')!, 4)).toBe('why');

  const facts = await collectFacts(model, executor);
  expect(featurePlace(model, facts, 7)).toMatchObject({ count: 16 });
  const flat = smallEncoder({ side: 16, patches: 4, flat: true });
  expect(featurePlace(flat, await collectFacts(flat, executor), 7)).toEqual({ refused: expect.stringContaining('not a multiple of 7') }); // prettier-ignore
  model.graph.addInput('image_grid_thw', { elemType: DType.INT64, shape: ['n', 3] });
  expect(featurePlace(model, facts)).toEqual({ refused: expect.stringContaining('image_grid_thw') });
});

it('says in a channel how far the tokens that stay are ahead', async () => {
  for (const flat of [false, true]) {
    const model = smallEncoder({ side: 16, patches: 4, ...(flat ? { flat } : { classToken: true }) });
    const place = await placeOf(model);
    const stay = place.fixed + 5;
    const method = tokenMethod('dpp')!;
    const want = await run(selectAfter(model, place, method, 5, { report: true }), 2, 16);
    const out = (await run(selectAfter(model, place, method, 5, { places: true }), 2, 16)).image_features!;
    expect(out.dims).toEqual(flat ? [2 * stay, WIDTH + 1] : [2, stay, WIDTH + 1]);
    const rows = rowsOf(out, WIDTH + 1, 0, 2 * stay);
    expect(rows.map((r) => r.slice(0, WIDTH))).toEqual(rowsOf(want.image_features!, WIDTH, 0, 2 * stay));
    const kept = Array.from(want[KEPT]!.data as BigInt64Array, Number);
    expect(rows.map((r) => r[WIDTH])).toEqual(kept.map((token, i) => 1 + token - (i % stay)));
  }
});
