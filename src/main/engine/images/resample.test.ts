import { describe, expect, it } from 'vitest';
import type { Filter } from './recipe.ts';
import { resample } from './resample.ts';

const GREY = [
  248, 194, 190, 207, 147, 26, 237, 21, 245, 211, 239, 45, 5, 157, 159, 60, 54, 236, 109, 46, 199, 82, 32, 205, 36, 7,
  134, 222, 57, 146, 8, 149, 14, 15, 22,
];

/** Pixels of PIL's `Image.resize((3, 8), filter)` for the picture above, 7 x 5: narrower and higher. */
const RESIZED: Readonly<Record<Filter, readonly number[]>> = {
  nearest: [194, 207, 26, 194, 207, 26, 245, 239, 5, 60, 236, 46, 60, 236, 46, 32, 36, 134, 146, 149, 15, 146, 149, 15],
  lanczos: [225, 167, 136, 206, 176, 95, 159, 177, 56, 110, 152, 93, 90, 108, 146, 94, 71, 141, 92, 67, 61, 87, 75, 3],
  bilinear: [
    212, 177, 127, 188, 175, 101, 154, 171, 71, 114, 152, 100, 92, 121, 122, 87, 78, 137, 86, 75, 70, 85, 76, 17,
  ],
  bicubic: [220, 175, 132, 197, 178, 99, 155, 176, 64, 111, 154, 100, 89, 117, 132, 89, 74, 142, 87, 69, 66, 87, 73, 8],
  box: [
    221, 181, 132, 221, 181, 132, 133, 165, 81, 110, 133, 123, 110, 133, 123, 57, 83, 178, 102, 57, 19, 102, 57, 19,
  ],
  hamming: [
    214, 187, 122, 193, 186, 103, 155, 184, 68, 105, 162, 107, 94, 147, 118, 73, 71, 152, 86, 78, 66, 94, 82, 18,
  ],
};

describe('resample', () => {
  const picture = { data: Uint8Array.from(GREY), width: 7, height: 5, channels: 1 };
  it.each(Object.keys(RESIZED) as Filter[])('%s has the pixels of PIL', (filter) => {
    const { data, width, height } = resample(picture, { width: 3, height: 8 }, filter);
    expect([width, height]).toEqual([3, 8]);
    expect([...data]).toEqual(RESIZED[filter]);
  });

  it('treats channels alike', () => {
    const three = Uint8Array.from(GREY.flatMap((v) => [v, v, v]));
    const { data } = resample({ ...picture, data: three, channels: 3 }, { width: 3, height: 8 }, 'bicubic');
    expect([...data]).toEqual(RESIZED.bicubic.flatMap((v) => [v, v, v]));
  });
});
