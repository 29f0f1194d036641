import { expect, it } from 'vitest';
import { cosines, nearest, pairsOf, retrievalFigures, rightPictures } from './retrieval.ts';

const v = (...x: number[]): Float32Array => Float32Array.from(x);

it('numbers pictures and texts by their values', () => {
  const pairs = pairsOf([
    { image: 'a', text: 'red' },
    { image: 'b', text: 'blue' },
    { image: 'a', text: 'blue' },
  ]);
  expect(pairs).toEqual({ pictures: 2, texts: 2, images: ['a', 'b'], labels: ['red', 'blue'], textsOf: [new Set([0, 1]), new Set([1])] }); // prettier-ignore
});

it('counts the nearest, computed by hand', () => {
  // Texts are the axes of a space of six; pictures lean to them.
  const texts = Array.from({ length: 6 }, (_, i) => v(...Array.from({ length: 6 }, (_, k) => Number(i === k))));
  const pictures = [v(0.9, 0.3, 0, 0, 0, 0.1), v(0.8, 0.6, 0.1, 0.2, 0.3, 0), v(0.5, 0.4, 0.3, 0.2, 0.1, 0.05)];
  const textsOf = [new Set([0]), new Set([1]), new Set([5])];
  const pairs = { pictures: 3, texts: 6, textsOf };
  const scores = cosines(pictures, texts);
  expect(nearest(scores)).toEqual([0, 0, 0]);
  expect(rightPictures(pairs, scores)).toEqual([0]);
  const f = retrievalFigures(pairs, scores, { original: [0, 1, 0], cosine: 0.5, hard: [0, 2] });
  // Picture 1 has its text second, picture 2 its text sixth. Text 0: picture 0 (0.9) first; text 1: picture 1 first;
  // text 5: picture 0 (0.1) before picture 2 (0.05). Texts 2 to 4 belong to no picture and count as not found.
  expect(f).toMatchObject({ pictures: 3, texts: 6, top1: 1, top5: 2, textTop1: 2, textTop5: 3, equal: 2, hard: 1 });
  expect(f.interval.low).toBeCloseTo(0.0615, 3);
});

it('gives a tie to the lower number', () => {
  const scores = [Float64Array.of(0.5, 0.5)];
  const pairs = { pictures: 1, texts: 2, textsOf: [new Set([1])] };
  expect(retrievalFigures(pairs, scores, { original: [0], cosine: 1, hard: null })).toMatchObject({ top1: 0, top5: 1 });
});
