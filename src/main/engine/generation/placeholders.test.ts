import { describe, expect, it } from 'vitest';
import { DType } from '../ir/dtype.ts';
import { expandPlaceholders, mergeFeatures, tiledPlaceholder } from './placeholders.ts';

const F = '<fake_token_around_image>';

describe('tiledPlaceholder', () => {
  it('frames a picture in one piece', () => {
    expect(tiledPlaceholder('<image>', 0, 0, 2)).toBe(`${F}<global-img><image><image>${F}`);
  });
  it('lists tiles row by row, then the overview', () => {
    expect(tiledPlaceholder('*', 1, 2, 1)).toBe(`${F}<row_1_col_1>*${F}<row_1_col_2>*\n\n${F}<global-img>*${F}`);
    expect(tiledPlaceholder('*', 2, 1, 1)).toContain(`${F}<row_2_col_1>*\n\n`);
  });
});

describe('expandPlaceholders', () => {
  it('puts each picture in its place', () => {
    expect(expandPlaceholders('a # b # c', '#', ['1', '22'])).toBe('a 1 b 22 c');
  });
  it('refuses another number of places', () => {
    expect(() => expandPlaceholders('a b', '#', ['1'])).toThrow(/holds 0 times #, and there is 1 picture\./);
  });
});

describe('mergeFeatures', () => {
  const embeds = { dtype: DType.FLOAT, dims: [1, 4, 2], data: Float32Array.of(1, 1, 2, 2, 3, 3, 4, 4) };
  const features = { dtype: DType.FLOAT, dims: [2, 1, 2], data: Float32Array.of(7, 7, 8, 8) };
  it('writes feature rows over placeholder rows and leaves the given tensor alone', () => {
    const { data } = mergeFeatures(embeds, [5, 9, 5, 9], 9, features);
    expect([...(data as Float32Array)]).toEqual([1, 1, 7, 7, 3, 3, 8, 8]);
    expect(embeds.data[2]).toBe(2);
  });
  it('refuses other numbers of rows and other widths', () => {
    expect(() => mergeFeatures(embeds, [5, 9, 9, 9], 9, features)).toThrow(/holds 3 places .* returns 2/);
    expect(() => mergeFeatures(embeds, [5, 9, 5, 9], 9, { ...features, dims: [1, 4] })).toThrow(/4 wide/);
  });
});
