/** Maps: a class per position, or a yes-or-no decision per position (a mask). */
import type { OutputMeaning } from '../../../shared/model/job.ts';
import type { Claim, Found, Head, Judge } from './contract.ts';
import { STRENGTH } from './contract.ts';
import { ratioInterval } from './support/intervals.ts';
import { argmax } from './support/metrics.ts';
import {
  channelsOf,
  classAxis,
  correct,
  endOf,
  isFloat,
  named,
  pictureInput,
  sameChannels,
  shapeText,
  type Evidence,
  type Output,
} from './support/output.ts';
import { f1Of } from './support/shares.ts';
import { refuse, SET, squaredError } from './support/squared-error.ts';

/** The axis of the classes, or a threshold where each channel is a separate mask. */
function decision(o: Output): Pick<OutputMeaning, 'axis' | 'threshold'> {
  if (o.end.end === 'sigmoid') return { threshold: 0.5 };
  const rank = o.dims.length;
  const axis = o.end.axis === null ? null : o.end.axis < 0 ? o.end.axis + rank : o.end.axis;
  const at = axis !== null && axis >= 1 && axis < rank ? axis : classAxis(o);
  return at === null || o.dims[at] === 1 ? { threshold: 0 } : { axis: at };
}

/** True where an input of four axes has the same height and width. */
function sameSize(o: Output, e: Evidence): boolean {
  const size = (d: readonly number[]): string => {
    const nchw = d[1]! < d[3]!;
    return (nchw ? [d[2], d[3]] : [d[1], d[2]]).join();
  };
  return e.inputs.some((i) => i.dims.length === 4 && size(i.dims) === size(o.dims));
}

/** The evidence, strongest first. */
function claim(o: Output, e: Evidence): Claim | null {
  const { end } = o.end;
  if (!isFloat(o))
    return end === 'argmax' && o.dims.length > 2 ? { strength: STRENGTH.type, why: 'the graph ends in ArgMax' } : null;
  if (o.dims.length < 3 || o.flat) return null;
  const picture = channelsOf(o.dims);
  if (end === 'softmax') return { strength: STRENGTH.end, why: `${endOf(o)}: a class per position`, ...decision(o) };
  if (end === 'sigmoid' && o.dims.length === 4 && !(picture === 3 && pictureInput(e) === 3))
    return { strength: STRENGTH.end, why: `${endOf(o)}: a mask, yes or no per pixel`, threshold: 0.5 };
  const byName = (as: Pick<OutputMeaning, 'axis' | 'threshold'>): Claim => ({ strength: STRENGTH.name, why: `its name ${o.name} says so`, ...as }); // prettier-ignore
  if (o.dims.length === 3) return named(o, 'classes') ? byName(decision(o)) : null;
  if (o.dims.length !== 4) return null;
  if (picture !== null) return named(o, 'map') && end !== 'tanh' ? byName(decision(o)) : null;
  const axis = classAxis(o);
  if (axis === null || o.dims[axis]! < 2 || sameChannels(o, e, axis)) return null;
  if (named(o, 'map')) return byName({ axis });
  if (!o.end.resized && !sameSize(o, e)) return null;
  const why = `${o.dims[axis]} values per pixel of the input; ${correct(o.name, 'numbers')}`;
  return { strength: STRENGTH.guess, guessed: true, why, axis };
}

function accept(o: Output): Found {
  if (o.dims.length < 3) refuse(o, 'map', `a map has more than two axes; ${shapeText(o)}`);
  return isFloat(o) ? { ...SET, ...decision(o) } : SET;
}

/** Minimum share of pixels for a class to count, because F1 of a handful of pixels is noise. */
const LEAST_SHARE = 1e-3;

/** Pixels of one class: predicted by both models, by the original, by the candidate. */
interface Count {
  both: number;
  wanted: number;
  got: number;
}

/** Mean F1 of the classes that the original predicts; for masks, F1 of the positive decisions. */
function judge(m: OutputMeaning | undefined): Judge {
  const masks = f1Of();
  const parts: number[] = [];
  const wholes: number[] = [];
  const counts = new Map<number, Count>();
  const of = (c: number): Count => {
    let x = counts.get(c);
    if (!x) counts.set(c, (x = { both: 0, wanted: 0, got: 0 }));
    return x;
  };
  let [samples, same, pixels] = [0, 0, 0];
  const threshold = m?.threshold;
  const agreed = () => (samples ? { pixels: same / samples } : {});
  return {
    add({ ref, out, count, size, dims }) {
      for (let i = 0; i < count; i++) {
        samples++;
        let equal = 0;
        if (threshold !== undefined) {
          masks.sample();
          for (let k = i * size; k < (i + 1) * size; k++) {
            const [wanted, got] = [ref[k]! > threshold, out[k]! > threshold];
            masks.add(wanted, got);
            if (wanted === got && !Number.isNaN(out[k])) equal++;
          }
          same += equal / size;
          pixels += size;
          continue;
        }
        const read = classesAt(m?.axis, dims, size);
        const [wanted, got] = [read(ref, i * size), read(out, i * size)];
        for (let p = 0; p < wanted.length; p++) {
          of(wanted[p]!).wanted++;
          of(got[p]!).got++;
          if (wanted[p] !== got[p] || got[p]! < 0) continue;
          of(wanted[p]!).both++;
          equal++;
        }
        parts.push(equal);
        wholes.push(wanted.length);
        same += equal / wanted.length;
        pixels += wanted.length;
      }
    },
    figures() {
      if (threshold !== undefined) return { ...agreed(), ...masks.figures('the original’s mask is empty everywhere') };
      const present = [...counts.values()].filter((c) => c.wanted >= LEAST_SHARE * pixels);
      if (present.length === 0) return { samples };
      const f1 = present.reduce((a, c) => a + (2 * c.both) / (c.wanted + c.got), 0) / present.length;
      const iou = present.reduce((a, c) => a + c.both / (c.wanted + c.got - c.both), 0) / present.length;
      // The interval has the width of the pixel interval: classes differ in frequency, not in which samples were drawn.
      const around = ratioInterval(parts, wholes);
      const half = (around.high - around.low) / 2;
      const one = present.length === 1 && { unjudged: 'the original sees one class everywhere' };
      const interval = { low: Math.max(0, f1 - half), high: Math.min(1, f1 + half) };
      return { samples, ...agreed(), agreement: f1, iou, interval, ...one };
    },
    extra: agreed,
  };
}

/**
 * The class at every position of the sample that starts at the given element.
 * @param axis absent: values are class indices
 */
function classesAt(axis: number | undefined, dims: readonly number[], size: number) {
  const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
  if (axis === undefined)
    return (x: ArrayLike<number>, at: number) => Int32Array.from({ length: size }, (_, i) => x[at + i]!);
  const [outer, n, inner] = [product(dims.slice(1, axis)), dims[axis]!, product(dims.slice(axis + 1))];
  return (x: ArrayLike<number>, at: number) => {
    const found = new Int32Array(outer * inner);
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) found[o * inner + i] = argmax(x, at + o * n * inner + i, n, inner);
    return found;
  };
}

export const head: Head = {
  reading: 'map',
  claim,
  accept,
  ...squaredError,
  judge,
  floor: 'agreement',
  integers: true,
};
