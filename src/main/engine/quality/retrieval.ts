/** Judges pictures and texts that became vectors of one space: which text is the nearest to a picture, and which picture to a text. */
import type { RetrievalFigures } from '../../../shared/model/question-figures.ts';
import { wilson } from '../heads/support/intervals.ts';

/** Pictures and texts of which some belong together. Numbers count from 0. */
export interface Pairs {
  readonly pictures: number;
  readonly texts: number;
  /** Texts of each picture. */
  readonly textsOf: readonly ReadonlySet<number>[];
}

/** One vector per picture or text, each of length 1. */
export type Vectors = readonly Float32Array[];

/** The ranks that are counted. */
const NEAR = 5;

/** Numbers of the given ones by distinct value, so that a text of several pictures is one text. */
export function pairsOf(list: readonly { readonly image: string; readonly text: string }[]): Pairs & {
  readonly images: readonly string[];
  readonly labels: readonly string[];
} {
  const images = [...new Set(list.map(({ image }) => image))];
  const labels = [...new Set(list.map(({ text }) => text))];
  const [imageAt, labelAt] = [images, labels].map((names) => new Map(names.map((name, i) => [name, i])));
  const textsOf = images.map(() => new Set<number>());
  for (const { image, text } of list) textsOf[imageAt!.get(image)!]!.add(labelAt!.get(text)!);
  return { pictures: images.length, texts: labels.length, textsOf, images, labels };
}

/** Cosines of each picture with each text. */
export const cosines = (pictures: Vectors, texts: Vectors): Float64Array[] =>
  pictures.map((p) => Float64Array.from(texts, (t) => dot(p, t)));

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** Number of the nearest text of each picture. @param scores of `cosines` */
export const nearest = (scores: readonly Float64Array[]): number[] =>
  scores.map((row) => row.reduce((best, x, i) => (x > row[best]! ? i : best), 0));

/** Numbers of the pictures whose nearest text is one of theirs. */
export const rightPictures = ({ textsOf }: Pairs, scores: readonly Float64Array[]): number[] =>
  nearest(scores).flatMap((text, picture) => (textsOf[picture]!.has(text) ? [picture] : []));

/**
 * @param scores cosines of each picture with each text
 * @param o.original nearest texts of the original
 * @param o.cosine mean cosine of the pictures' vectors with those of the original
 * @param o.hard pictures that smaller pictures fail on
 */
export function retrievalFigures(
  pairs: Pairs,
  scores: readonly Float64Array[],
  o: { readonly original: readonly number[]; readonly cosine: number; readonly hard: readonly number[] | null },
): RetrievalFigures {
  const { textsOf, pictures, texts } = pairs;
  const right = new Set(rightPictures(pairs, scores));
  const columns = Array.from({ length: texts }, (_, t) => Float64Array.from(scores, (row) => row[t]!));
  const picturesOf = columns.map((_, t) => new Set(textsOf.flatMap((own, p) => (own.has(t) ? [p] : []))));
  const near = (rows: readonly Float64Array[], own: readonly ReadonlySet<number>[], k: number): number =>
    rows.filter((row, i) => rankOf(row, own[i]!) <= k).length;
  return {
    pictures,
    texts,
    top1: right.size,
    interval: wilson(right.size, pictures),
    top5: near(scores, textsOf, NEAR),
    textTop1: near(columns, picturesOf, 1),
    textTop5: near(columns, picturesOf, NEAR),
    equal: nearest(scores).filter((text, i) => text === o.original[i]).length,
    cosine: o.cosine,
    hard: o.hard && o.hard.filter((picture) => right.has(picture)).length,
  };
}

/** Rank from 1 of the best entry among `own`, Infinity without any. The lower number goes first in a tie. */
function rankOf(row: Float64Array, own: ReadonlySet<number>): number {
  if (own.size === 0) return Infinity;
  const best = [...own].sort((a, b) => row[b]! - row[a]! || a - b)[0]!;
  return 1 + row.reduce((before, x, i) => before + Number(x > row[best]! || (x === row[best] && i < best)), 0);
}
