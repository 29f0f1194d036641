/** Answers of the original, as targets of training, with the inputs on which the reduced package learns them. */
import type { AnswerRunner, Logits } from '../../../runtime/generate/runner.ts';
import { LastPicture, type Question } from '../compare-answers.ts';
import type { Feeds, Recorder } from './recorder.ts';

/** Distributions of the next token, row by row. */
export interface Shares {
  readonly rows: number;
  /** Tokens that have a share, `width` per row; null: all of the vocabulary in order. */
  readonly ids: Int32Array | null;
  readonly shares: Float32Array;
  readonly width: number;
  /** Entropy of each row in nats. */
  readonly entropy: Float32Array;
}

export interface Lesson {
  readonly question: Question;
  readonly answer: readonly number[];
  readonly shares: Shares;
  /** Position of the reduced package's sequence that predicts the first token of the answer. */
  readonly first: number;
  /** Feeds of its decoder, all of one length. */
  readonly feeds: Feeds;
  /** For every token of the sequence, whether it is an image feature. */
  readonly isImage: readonly boolean[];
}

export interface Lessons {
  readonly lessons: readonly Lesson[];
  /** Length of the sequences: prompt, answer, and repeated tokens behind it. */
  readonly length: number;
  readonly vocabulary: number;
  /** Bytes of feeds and targets. */
  readonly bytes: number;
  /** Questions for which memory did not suffice. */
  readonly dropped: number;
  /** Share of the probability that the stored tokens cover, on average; 1 where all are stored. */
  readonly covered: number;
}

/** Most bytes of feeds and targets together. */
export const MOST_BYTES = 2 ** 29;
/** Tokens of which shares are stored, per row of a larger vocabulary. */
const TOP = 256;

/**
 * Reads the original's greedy answers once. A causal decoder computes what it would from the prompt and the first tokens
 * of an answer, whatever stands behind them, so shorter sequences are filled up with repeated tokens.
 * @param tokens most tokens of an answer
 * @param onQuestion called with the number of questions that are done, counting each twice
 */
export async function readLessons(
  o: {
    readonly original: AnswerRunner;
    /** Opened with the recorder's executor. */
    readonly reduced: AnswerRunner;
    readonly recorder: Recorder;
    readonly questions: readonly Question[];
    readonly tokens: number;
  },
  onQuestion: (done: number) => void,
): Promise<Lessons> {
  const pictures = { original: new LastPicture(o.original), reduced: new LastPicture(o.reduced) };
  const found: Omit<Lesson, 'feeds' | 'isImage'>[] = [];
  let [vocabulary, covered] = [0, 0];
  for (const [i, question] of o.questions.entries()) {
    onQuestion(i);
    const ask = { ...question, image: await pictures.original.of(question.image) };
    const { ids: answer } = await o.original.generate({ ...ask, tokens: o.tokens });
    const logits = await o.original.answerLogits(ask, answer);
    const again = { ...question, image: await pictures.reduced.of(question.image) };
    const { isImage } = await o.recorder.feeds(o.reduced, again, []);
    const shares = sharesOf(logits);
    covered += shares.covered / o.questions.length;
    vocabulary = logits.vocabulary;
    found.push({ question, answer, shares, first: isImage.length - 1 });
  }
  const length = Math.max(...found.map((l) => l.first + l.answer.length));
  const lessons: Lesson[] = [];
  let bytes = 0;
  for (const [i, lesson] of found.entries()) {
    onQuestion(found.length + i);
    const { answer, question, first, shares } = lesson;
    const behind = Array.from({ length: length - first - 1 }, (_, k) => answer[Math.min(k, answer.length - 1)]!);
    const again = { ...question, image: await pictures.reduced.of(question.image) };
    const { feeds, isImage } = await o.recorder.feeds(o.reduced, again, behind);
    const size = Object.values(feeds).reduce((n, t) => n + t.data.byteLength, 0) + shares.shares.byteLength;
    if (bytes + size > MOST_BYTES) break;
    bytes += size;
    lessons.push({ ...lesson, feeds, isImage });
  }
  return { lessons, length, vocabulary, bytes, dropped: found.length - lessons.length, covered };
}

/** Shares of the most probable tokens, which sum to 1. @internal */
export function sharesOf({ data, rows, vocabulary }: Logits, top = TOP): Shares & { readonly covered: number } {
  const whole = vocabulary <= 2 * top;
  const width = whole ? vocabulary : top;
  const shares = new Float32Array(rows * width);
  const ids = whole ? null : new Int32Array(rows * width);
  const entropy = new Float32Array(rows);
  let covered = 0;
  for (let row = 0; row < rows; row++) {
    const p = softmax(data.subarray(row * vocabulary, (row + 1) * vocabulary));
    const kept = whole ? null : mostProbable(p, top);
    let sum = 0;
    for (let i = 0; i < width; i++) sum += p[kept ? kept[i]! : i]!;
    for (let i = 0; i < width; i++) {
      const share = p[kept ? kept[i]! : i]! / sum;
      shares[row * width + i] = share;
      if (ids) ids[row * width + i] = kept![i]!;
      if (share > 0) entropy[row]! -= share * Math.log(share);
    }
    covered += sum / rows;
  }
  return { rows, ids, shares, width, entropy, covered };
}

function softmax(logits: Float32Array): Float64Array {
  const most = logits.reduce((x, y) => Math.max(x, y), -Infinity);
  const p = Float64Array.from(logits, (x) => Math.exp(x - most));
  const sum = p.reduce((x, y) => x + y, 0);
  return p.map((x) => x / sum);
}

function mostProbable(p: Float64Array, count: number): Int32Array {
  return Int32Array.from(p.keys())
    .sort((a, b) => p[b]! - p[a]!)
    .slice(0, count);
}
