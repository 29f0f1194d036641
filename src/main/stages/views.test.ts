import { expect, it } from 'vitest';
import { DType } from '../engine/ir/dtype.ts';
import { viewOf } from './views.ts';

const dataset = {
  batch: (indices: readonly number[]) =>
    Promise.resolve({
      dtype: DType.FLOAT,
      dims: [indices.length, 3, 8, 8],
      data: Float32Array.from({ length: indices.length * 192 }, (_, i) => 1 + indices[Math.floor(i / 192)]!),
    }),
};
const others = Array.from({ length: 50 }, (_, i) => i);
const of = async (indices: number[], view: number, recipe: { augment: boolean; mix: number }, seed = 1) => {
  const x = await viewOf(dataset, indices, view, { recipe, others, seed });
  return indices.map((_, k) => [...(x.data as Float32Array).subarray(k * 192, (k + 1) * 192)]);
};

it('a view of a sample is the same in any batch, and another one in another view', async () => {
  const recipe = { augment: true, mix: 0.5 };
  const [a, b] = await of([3, 7], 2, recipe);
  const [c, d] = await of([7, 12], 2, recipe);
  expect(c).toEqual(b);
  expect(d).not.toEqual(a);
  const next = await of(others, 3, recipe);
  expect(next).not.toEqual(await of(others, 2, recipe));
  expect(next).not.toEqual(await of(others, 3, recipe, 2));
});

it('about as many samples are mixed as the recipe says', async () => {
  const plain = await of(others, 1, { augment: false, mix: 0 });
  plain.forEach((x, i) => expect(x).toEqual(new Array<number>(192).fill(1 + i)));
  const whole = (xs: number[][]): number => xs.filter((x, i) => x[0] === 1 + i).length;
  expect(whole(await of(others, 1, { augment: false, mix: 0.5 }))).toBeGreaterThan(12);
  expect(whole(await of(others, 1, { augment: false, mix: 0.5 }))).toBeLessThan(38);
  expect(whole(await of(others, 1, { augment: false, mix: 1 }))).toBeLessThan(6);
});
