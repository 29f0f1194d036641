/**
 * Classes: one row of scores per sample whose largest entry is the predicted class, or one yes-or-no decision per
 * value.
 */
import type { OutputMeaning } from '../../../shared/model/job.ts';
import { crossEntropy, distillation } from '../autodiff/losses.ts';
import type { Claim, Found, Head, Judge } from './contract.ts';
import { STRENGTH } from './contract.ts';
import { wilson } from './support/intervals.ts';
import { fitsLabels } from './support/labelled.ts';
import { argmax, inTop, isDistribution, klDivergence, logProbabilities } from './support/metrics.ts';
import { correct, endOf, isFloat, named, shapeText, type Evidence, type Output } from './support/output.ts';
import { drawnClass, rowDivergence } from './support/row-divergence.ts';
import { f1Of, labelChance, shares } from './support/shares.ts';
import { refuse, SET, squaredError } from './support/squared-error.ts';
import { floats } from './support/values.ts';

/** Widths of ImageNet-1k with and without background, and of ImageNet-21k. */
const IMAGENET = [1000, 1001, 21841, 21843];

/** True where a row of scores decides. Such rows are compared as distributions. */
const isScored = (m: OutputMeaning | undefined): boolean => m?.axis !== undefined;

/** Each value after a Sigmoid is a separate decision, unless labels name one class of several. */
function decision(o: Output, e: Evidence): Pick<OutputMeaning, 'axis' | 'threshold'> {
  if (o.width === 1) return { threshold: o.end.end === 'sigmoid' ? 0.5 : 0 };
  return o.end.end === 'sigmoid' && !fitsLabels(o, e.largestLabel) ? { threshold: 0.5 } : { axis: 1 };
}

/** The evidence, strongest first. */
function claim(o: Output, e: Evidence): Claim | null {
  const { end } = o.end;
  if (!isFloat(o))
    return end === 'argmax' && o.dims.length <= 2 ? { strength: STRENGTH.type, why: 'the graph ends in ArgMax' } : null;
  if (!o.flat) return null;
  const as = (strength: number, why: string, guessed = false): Claim => ({
    strength,
    why,
    ...(guessed && { guessed }),
    ...decision(o, e),
  });
  if (e.chosen) {
    const fit = `labels up to ${e.largestLabel} were given, and of the outputs that may be meant its ${e.chosen.classes} values fit them best`;
    return as(STRENGTH.labels, `${fit}; ${correct(o.name, 'embedding|numbers')}`, true);
  }
  if (o.width === 1) return end === 'sigmoid' ? as(STRENGTH.type, `${endOf(o)}: yes or no`) : null;
  if (end === 'softmax') return as(STRENGTH.end, endOf(o));
  if (e.classNames === o.width) return as(STRENGTH.data, `there are ${o.width} class names`);
  if (fitsLabels(o, e.largestLabel))
    return as(STRENGTH.data, `there are labels up to ${e.largestLabel} for ${o.width} values`);
  if (end === 'sigmoid' && !named(o, 'numbers')) return as(STRENGTH.decision, `${endOf(o)}: each value is a yes or no`);
  if (named(o, 'classes') && !named(o, 'embedding')) return as(STRENGTH.name, `its name ${o.name} says so`);
  if (IMAGENET.includes(o.width))
    return as(STRENGTH.shape, `it has ${o.width} values, as many as ImageNet has classes`);
  if (typeof e.largestLabel === 'number' && e.largestLabel < o.width)
    return as(STRENGTH.guess, `labels were given; ${correct(o.name, 'embedding|numbers')}`, true);
  return null;
}

function accept(o: Output, e: Evidence): Found {
  if (!isFloat(o)) return o.dims.length <= 2 ? SET : refuse(o, 'classes', shapeText(o));
  if (!o.flat) refuse(o, 'classes', `classes are one row per sample; ${shapeText(o)}`);
  return { ...SET, ...decision(o, e) };
}

/**
 * One class per sample.
 * @param scored false where the output holds class indices (ArgMax)
 */
function oneClass(scored: boolean): Judge {
  let [n, agree, klSum, klCount, labelled, top1, top5] = [0, 0, 0, 0, 0, 0, 0];
  let hasTop5 = false;
  const [seen, told] = [new Map<number, number>(), new Map<number, number>()];
  return {
    add({ ref, out, count, size, labels }) {
      for (let i = 0; i < count; i++) {
        const at = i * size;
        const best = scored ? argmax(out, at, size) : out[at]!;
        const wanted = scored ? argmax(ref, at, size) : ref[at]!;
        n++;
        seen.set(wanted, (seen.get(wanted) ?? 0) + 1);
        if (best >= 0 && best === wanted) agree++;
        if (scored) {
          const distribution = isDistribution(ref, at, size);
          const logs = (x: ArrayLike<number>) => logProbabilities(x, at, size, distribution);
          const kl = klDivergence(logs(ref), logs(out));
          if (Number.isFinite(kl)) {
            klSum += kl;
            klCount++;
          }
        }
        const label = labels?.[i];
        if (label === undefined) continue;
        if (scored && label >= size) throw new RangeError(`label ${label} of an output with ${size} classes`);
        labelled++;
        told.set(label, (told.get(label) ?? 0) + 1);
        if (best === label) top1++;
        if (scored && size > 5) {
          hasTop5 = true;
          if (inTop(out, at, size, label, 5)) top5++;
        }
      }
    },
    figures: () => ({ ...shares(n, agree, seen), ...labelChance(told, labelled) }),
    extra: () => ({
      ...(labelled > 0 && { top1: top1 / labelled, top1Interval: wilson(top1, labelled) }),
      ...(labelled > 0 && hasTop5 && { top5: top5 / labelled }),
      ...(klCount > 0 && { kl: klSum / klCount }),
    }),
  };
}

/** Each value is a yes or no. One value: one of two classes. Several values: F1 of the positive decisions. */
function decisions(threshold: number): Judge {
  let [n, agree, labelled, top1] = [0, 0, 0, 0];
  const [seen, told] = [new Map<number, number>(), new Map<number, number>()];
  const f1 = f1Of();
  let single = true;
  return {
    add({ ref, out, count, size, labels }) {
      single = size === 1;
      for (let i = 0; i < count; i++) {
        n++;
        if (!single) {
          f1.sample();
          for (let k = i * size; k < (i + 1) * size; k++) f1.add(ref[k]! > threshold, out[k]! > threshold);
          continue;
        }
        const [wanted, got] = [Number(ref[i]! > threshold), out[i]! > threshold ? 1 : 0];
        seen.set(wanted, (seen.get(wanted) ?? 0) + 1);
        if (got === wanted) agree++;
        const label = labels?.[i];
        if (label === undefined) continue;
        if (label > 1) throw new RangeError(`label ${label} of an output with 2 classes`);
        labelled++;
        told.set(label, (told.get(label) ?? 0) + 1);
        if (label === got) top1++;
      }
    },
    figures: () =>
      single
        ? { ...shares(n, agree, seen), ...labelChance(told, labelled) }
        : f1.figures('the original says no to everything'),
    extra: () => (labelled > 0 ? { top1: top1 / labelled, top1Interval: wilson(top1, labelled) } : {}),
  };
}

export const head: Head = {
  reading: 'classes',
  claim,
  accept,
  floor: 'agreement',
  integers: true,
  distance(want, meaning) {
    const a = floats(want);
    return a && isScored(meaning)
      ? (
          (of) => (have) =>
            of(floats(have)!)
        )(rowDivergence(a, a.length / want.dims[0]!))
      : squaredError.distance(want, meaning);
  },
  loss: (b, output, o) =>
    isScored(output.meaning)
      ? distillation(b, output.own, output.given, output.shape, o.temperature)
      : squaredError.loss(b, output, o),
  noise: (meaning) => (isScored(meaning) ? 'gumbel' : 'normal'),
  cotangent: (b, o) =>
    isScored(o.meaning) ? drawnClass(b, o.out, o.noise, 1, o.probabilities) : squaredError.cotangent(b, o),
  judge: (meaning) =>
    meaning?.threshold !== undefined ? decisions(meaning.threshold) : oneClass(meaning?.axis !== undefined),
  takesLabels: isScored,
  labelLoss: (b, { own, shape }, labels) => crossEntropy(b, own, labels, shape),
  say(before, after, { meaning, names }) {
    const [a, b] = [floats(before), floats(after)];
    if (!a || !b || !isScored(meaning)) return null;
    const top = (x: ArrayLike<number>): string => {
      const k = argmax(x, 0, a.length);
      return names?.[k] ?? String(k);
    };
    return { before: top(a), after: top(b) };
  },
};
