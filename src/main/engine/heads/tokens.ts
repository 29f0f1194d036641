/** Tokens: logits along a sequence, [N, S, V]. Each position has the scores of the next token, or of its own class. */
import type { Claim, Head, Judge } from './contract.ts';
import { STRENGTH } from './contract.ts';
import { ratioInterval } from './support/intervals.ts';
import { argmax, isDistribution, klDivergence, logProbabilities } from './support/metrics.ts';
import { endOf, isFloat, named, shapeText, type Evidence, type Output } from './support/output.ts';
import { drawnClass, rowDistillation, rowDivergence } from './support/row-divergence.ts';
import { refuse, requireFloat, SET } from './support/squared-error.ts';
import { DType } from '../ir/dtype.ts';
import { floats } from './support/values.ts';

const AXIS = 2;
const INTEGERS: readonly (number | undefined)[] = [DType.INT64, DType.INT32];

/**
 * Scores recognised by graph end or name, at the positions of an integer input [N, S], or [..., N, S] for positions
 * along several axes.
 */
function claim(o: Output, e: Evidence): Claim | null {
  if (!isFloat(o) || o.flat || o.dims.length !== 3) return null;
  const softmax = o.end.end === 'softmax';
  if (!softmax && !named(o, 'classes')) return null;
  const [n, s] = o.dims;
  const input = e.inputs.find((i) => INTEGERS.includes(i.dtype) && i.dims.at(-2) === n && i.dims.at(-1) === s);
  if (!input) return null;
  const scores = softmax ? endOf(o) : `its name ${o.name} says scores`;
  return { strength: STRENGTH.layout, why: `${scores}, one row per position of ${input.name}`, axis: AXIS };
}

/** Share of the positions with the same token, and the mean divergence per position. */
function judge(): Judge {
  const [parts, wholes]: [number[], number[]] = [[], []];
  const seen = new Map<number, number>();
  let [divergence, rows] = [0, 0];
  return {
    add({ ref, out, count, size, dims }) {
      const vocabulary = dims[AXIS]!;
      for (let i = 0; i < count; i++) {
        let same = 0;
        for (let at = i * size; at < (i + 1) * size; at += vocabulary) {
          const [wanted, got] = [argmax(ref, at, vocabulary), argmax(out, at, vocabulary)];
          seen.set(wanted, (seen.get(wanted) ?? 0) + 1);
          if (got >= 0 && got === wanted) same++;
          const distribution = isDistribution(ref, at, vocabulary);
          const logs = (x: ArrayLike<number>) => logProbabilities(x, at, vocabulary, distribution);
          const kl = klDivergence(logs(ref), logs(out));
          if (!Number.isFinite(kl)) continue;
          divergence += kl;
          rows++;
        }
        parts.push(same);
        wholes.push(size / vocabulary);
      }
    },
    figures() {
      const samples = parts.length;
      const positions = wholes.reduce((a, b) => a + b, 0);
      if (!positions) return { samples };
      const chance = Math.max(...seen.values()) / positions;
      return {
        samples,
        agreement: parts.reduce((a, b) => a + b, 0) / positions,
        interval: ratioInterval(parts, wholes),
        chance,
        ...(rows > 0 && { kl: divergence / rows }),
        ...(chance === 1 && { unjudged: 'the original gives the same token at every position' }),
      };
    },
  };
}

export const head: Head = {
  reading: 'tokens',
  claim,
  accept(o) {
    requireFloat(o, 'tokens');
    if (o.dims.length !== 3) refuse(o, 'tokens', `tokens are a row of scores per position; ${shapeText(o)}`);
    return { ...SET, axis: AXIS };
  },
  /** KL divergence, mean over samples and positions. */
  distance(want) {
    const a = floats(want);
    if (!a) return null;
    const divergence = rowDivergence(a, want.dims[AXIS]!);
    return (have) => divergence(floats(have)!);
  },
  loss: (b, { own, given, shape }, { temperature }) => rowDistillation(b, own, given, shape, temperature),
  noise: () => 'gumbel',
  cotangent: (b, o) =>
    b.mul(drawnClass(b, o.out, o.noise, AXIS, o.probabilities), b.scalar(1 / Math.sqrt(o.shape[1]!))),
  judge,
  floor: 'agreement',
  /** The token at the last position, and the number of equal positions. */
  say(before, after) {
    const [a, b] = [floats(before), floats(after)];
    if (!a || !b || a.length !== b.length) return null;
    const vocabulary = before.dims[AXIS]!;
    const tokens = (x: ArrayLike<number>): number[] =>
      Array.from({ length: before.dims[1]! }, (_, s) => argmax(x, s * vocabulary, vocabulary));
    const [want, have] = [tokens(a), tokens(b)];
    const same = want.filter((t, s) => t === have[s]).length;
    return { before: `token ${want.at(-1)}`, after: `token ${have.at(-1)}, ${same} of ${want.length} the same` };
  },
};
