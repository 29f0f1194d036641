/** Pictures with texts, and how well dual encoders with fewer tokens bring them together beside the original. */
import { FEW_SAMPLES } from '../../../shared/model/quality.ts';
import type { RetrievalFigures, RetrievalReport } from '../../../shared/model/question-figures.ts';
import type { PictureText } from '../../data/question-table.ts';
import { cosines, nearest, pairsOf, retrievalFigures, rightPictures } from '../../engine/quality/retrieval.ts';
import type { DualRunner } from '../../runtime/generate/dual-runner.ts';
import { PIXELS } from './variants.ts';

/** A package that is judged. */
export interface JudgedDual {
  readonly method: string;
  readonly tokens: number;
  readonly runner: DualRunner;
}

/**
 * The text encoder is the original's everywhere, so texts are encoded once.
 * @param onPackage called with the number of packages that are judged
 */
export async function judgeRetrieval(
  { file, list }: { readonly file: string; readonly list: readonly PictureText[] },
  original: DualRunner,
  judged: readonly JudgedDual[],
  onPackage: (done: number) => void,
): Promise<{ readonly report: RetrievalReport; readonly figures: readonly RetrievalFigures[] }> {
  const pairs = pairsOf(list);
  const texts: Float32Array[] = [];
  for (const label of pairs.labels) texts.push((await original.encodeText(label)).vector);
  const all: Float32Array[][] = [];
  for (const [i, runner] of [original, ...judged.map((j) => j.runner)].entries()) {
    onPackage(i);
    const vectors: Float32Array[] = [];
    for (const image of pairs.images) vectors.push((await runner.encodeImage(image)).vector);
    all.push(vectors);
  }
  const scores = all.map((vectors) => cosines(vectors, texts));
  const smaller = judged.findIndex(({ method }) => method === PIXELS);
  const right = rightPictures(pairs, scores[0]!);
  const still = new Set(smaller >= 0 ? rightPictures(pairs, scores[smaller + 1]!) : []);
  const hard = smaller >= 0 ? right.filter((picture) => !still.has(picture)) : null;
  const own = nearest(scores[0]!);
  const figures = all.map((vectors, i) => {
    const between = vectors.map((v, picture) => cosines([v], [all[0]![picture]!])[0]![0]!);
    const cosine = between.reduce((a, b) => a + b, 0) / between.length;
    return retrievalFigures(pairs, scores[i]!, { original: own, cosine, hard });
  });
  return {
    report: {
      file,
      original: figures[0]!,
      hard: hard && { pictures: hard.length, tokens: judged[smaller]!.tokens },
      warnings: [
        'DAMAGE TO PLACES IS NOT MEASURED: a dual encoder is asked which text fits a picture, and not where something is.',
        ...(pairs.pictures < FEW_SAMPLES
          ? [`Only ${pairs.pictures} pictures: shares of them are known to about +-${Math.round(98 / Math.sqrt(pairs.pictures))} points (95 %).`] // prettier-ignore
          : []),
      ],
    },
    figures: figures.slice(1),
  };
}
