import { expect, test } from 'vitest';
import { sizeRows, sizesOf, sizesText, withSize } from './sizes.ts';

test('sizes of the data are shown before those that were given or guessed', () => {
  const sizes = [
    { name: 'height', size: 224, from: 'guessed' },
    { name: 'width', size: 64, from: 'given' },
    { name: 'past + seq', size: 12, from: 'follows' },
  ] as const;
  expect(sizeRows(sizes, { height: 48 })).toEqual([
    { name: 'height', size: 48, from: 'data', fixed: true },
    { name: 'width', size: 64, from: 'given', fixed: false },
    { name: 'past + seq', size: 12, from: 'follows', fixed: true },
  ]);
});

test('one that contradicts the data can still be taken back', () => {
  expect(sizeRows([{ name: 'h', size: 64, from: 'given' }], { h: 48 })[0]).toMatchObject({ size: 48, fixed: false });
});

test('a size is a whole number; nothing lets go of it', () => {
  const dims = { h: 32 };
  expect(withSize(dims, 'w', '64')).toEqual({ h: 32, w: 64 });
  expect(withSize(dims, 'h', '')).toEqual({});
  for (const wrong of ['0', '-3', '1.5', 'x', '1e12']) expect(withSize(dims, 'h', wrong)).toEqual(dims);
});

test('sizes go to text and back', () => {
  expect(sizesOf(sizesText({ height: 48, 'past + seq': 12 }))).toEqual({ height: 48, 'past + seq': 12 });
  expect(sizesOf('')).toEqual({});
  for (const wrong of ['height', 'height=', '=3', 'h=3, w=no']) expect(sizesOf(wrong)).toBeNull();
});
