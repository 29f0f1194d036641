/** Embeddings: one row per sample of which only the direction matters. */
import { directionError } from '../autodiff/losses.ts';
import type { Claim, Head, Judge } from './contract.ts';
import { STRENGTH } from './contract.ts';
import { meanInterval } from './support/intervals.ts';
import { difference } from './support/metrics.ts';
import { endOf, isFloat, named, shapeText, type Output } from './support/output.ts';
import { refuse, requireFloat, SET } from './support/squared-error.ts';
import { floats } from './support/values.ts';

function claim(o: Output): Claim | null {
  if (!isFloat(o) || !o.flat || o.width === 1) return null;
  const { end } = o.end;
  if (end === 'unit-length') return { strength: STRENGTH.end, why: 'the graph scales it to unit length' };
  if (named(o, 'embedding')) return { strength: STRENGTH.name, why: `its name ${o.name} says so` };
  return end === 'pooled' || end === 'normalized'
    ? { strength: STRENGTH.features, why: `${endOf(o)}, with no layer of classes behind it` }
    : null;
}

/** The mean cosine. Its chance level is the cosine of the samples with their common direction. */
function judge(): Judge {
  const cosines: number[] = [];
  let mean: Float64Array | null = null;
  return {
    add({ ref, out, count, size }) {
      mean ??= new Float64Array(size);
      for (let i = 0; i < count; i++) {
        const d = difference(ref, out, i * size, size);
        cosines.push(d.signal > 0 && d.other > 0 && !d.nonFinite ? d.dot / Math.sqrt(d.signal * d.other) : 0);
        const length = Math.sqrt(d.signal) || 1;
        for (let k = 0; k < Math.min(size, mean.length); k++) mean[k]! += (ref[i * size + k]! || 0) / length;
      }
    },
    figures() {
      const samples = cosines.length;
      if (!samples) return { samples };
      const chance = Math.min(1, Math.sqrt(Array.from(mean ?? []).reduce((a, x) => a + x * x, 0)) / samples);
      const agreement = cosines.reduce((a, b) => a + b, 0) / samples;
      const same = samples > 1 &&
        chance > 1 - 1e-7 && { unjudged: 'the original’s direction is the same for every sample' };
      return { samples, agreement, worst: Math.min(...cosines), chance, interval: meanInterval(cosines), ...same };
    },
  };
}

export const head: Head = {
  reading: 'embedding',
  claim,
  accept(o) {
    requireFloat(o, 'embedding');
    if (o.dims.length < 2) refuse(o, 'embedding', `an embedding is a row per sample; ${shapeText(o)}`);
    return SET;
  },
  /** 2 (1 - cosine), mean per sample: the relative squared error of unit vectors. */
  distance(want) {
    const a = floats(want);
    if (!a) return null;
    const n = want.dims[0]!;
    const size = a.length / n;
    return (have) => {
      const b = floats(have)!;
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const d = difference(a, b, i * size, size);
        sum += 2 * (1 - d.dot / Math.max(Math.sqrt(d.signal * d.other), Number.MIN_VALUE));
      }
      return sum / n;
    };
  },
  loss: (b, { own, given, shape }) => directionError(b, own, given, shape),
  noise: () => 'normal',
  /**
   * Noise orthogonal to a sample's direction, relative to its length. Noise along the direction does not change the
   * cosine.
   */
  cotangent(b, { out, noise, shape }) {
    const axes = shape.map((_, i) => i).slice(1);
    const power = b.add(b.reduceSum(b.mul(out, out), axes, true), b.scalar(1e-12));
    const along = b.div(b.reduceSum(b.mul(noise, out), axes, true), power);
    return b.mul(b.sub(noise, b.mul(out, along)), b.sqrt(b.div(b.scalar(2), power)));
  },
  judge,
  floor: 'agreement',
};
