/** Numbers: values without a more specific meaning, such as regressions, states and noise. */
import type { Claim, Head, Judge } from './contract.ts';
import { STRENGTH } from './contract.ts';
import { difference } from './support/metrics.ts';
import { channelsOf, classAxis, correct, isFloat, named, sameChannels, type Evidence, type Output } from './support/output.ts'; // prettier-ignore
import { clipped, unexplained } from './support/shares.ts';
import { requireFloat, SET, squaredError } from './support/squared-error.ts';

const TIME = /^(t|timesteps?|time_?steps?|sigmas?)$/i;

/** Every output can be read as numbers. Where no other reading applies, the reason says what is missing. */
function claim(o: Output, e: Evidence): Claim {
  const none = (why: string): Claim => ({ strength: STRENGTH.none, why });
  const guess = (why: string, readings: string): Claim => ({ strength: STRENGTH.none, guessed: true, why: `${why}; ${correct(o.name, readings)}` }); // prettier-ignore
  if (!isFloat(o))
    return o.end.end === 'argmax'
      ? none('it holds integers')
      : { strength: STRENGTH.type, why: 'integers, which are not judged' };
  const { dims } = o;
  if (dims.length < 2) return { strength: STRENGTH.type, why: 'it has one axis' };
  const byName: Claim = { strength: STRENGTH.name, why: `its name ${o.name} says so` };
  if (o.flat) {
    if (o.width === 1) return none('it is one number per sample');
    const other = named(o, 'embedding') || named(o, 'classes');
    return named(o, 'numbers') && !other
      ? byName
      : guess(`nothing says what its ${o.width} values are`, 'classes|embedding');
  }
  if (dims.length === 3) return none('it has three axes and no classes');
  if (dims.length !== 4) return none(`it has ${dims.length} axes`);
  if (e.inputs.some((i) => TIME.test(i.name)))
    return { strength: STRENGTH.data, why: 'the model takes a time step: noise' };
  if (named(o, 'numbers') && !named(o, 'map')) return byName;
  const picture = channelsOf(dims);
  if (picture !== null)
    return guess(`nothing says what its ${picture === 1 ? 'channel is' : 'channels are'}`, 'map|image');
  const axis = classAxis(o);
  const channels = axis === null ? 0 : dims[axis]!;
  if (axis === null || channels < 2) return none('it is neither a picture nor a map of classes');
  if (sameChannels(o, e, axis)) return none('as many channels come in as go out');
  return guess(`nothing says what its ${channels} channels are`, 'map|latent');
}

/** Outputs with more elements share one mean. */
const OWN_MEANS = 2 ** 20;

/** Explained share of the variance over the samples: 0 for an output that always gives the mean. */
function judge(): Judge {
  const noises: number[] = [];
  let sums: Float64Array | null = null;
  let [signal, squares, total, elements] = [0, 0, 0, 0];
  return {
    add({ ref, out, count, size }) {
      sums ??= new Float64Array(size <= OWN_MEANS ? size : 1);
      for (let i = 0; i < count; i++) {
        const d = difference(ref, out, i * size, size);
        signal += d.signal;
        noises.push(d.noise);
        for (let k = 0; k < size; k++) {
          const x = ref[i * size + k]!;
          if (!Number.isFinite(x)) continue;
          squares += x * x;
          total += x;
          elements++;
          if (sums.length === size) sums[k]! += x;
        }
      }
    },
    figures() {
      const samples = noises.length;
      if (!samples || !sums) return { samples };
      const noise = noises.reduce((a, b) => a + b, 0);
      const relativeError = Math.sqrt(noise / Math.max(signal, Number.MIN_VALUE));
      const own = sums.length > 1 || elements === samples;
      const variance = own
        ? squares - sums.reduce((a, x) => a + (x * x) / samples, 0)
        : squares - total ** 2 / elements;
      if (samples < 2 || variance <= 1e-9 * squares)
        return { samples, relativeError, unjudged: 'the original gives the same numbers for every sample' };
      const at = (side: 1 | -1): number => clipped(1 - unexplained(noises, variance, side));
      const interval = { low: at(1), high: at(-1) };
      return { samples, agreement: clipped(1 - noise / variance), relativeError, interval };
    },
  };
}

export const head: Head = {
  reading: 'numbers',
  claim,
  accept(o) {
    requireFloat(o, 'numbers');
    return SET;
  },
  ...squaredError,
  judge,
  floor: 'agreement',
};
