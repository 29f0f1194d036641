/** Images: outputs of 1 or 3 channels, compared by their peak signal-to-noise ratio. */
import type { Claim, Head, Judge } from './contract.ts';
import { STRENGTH } from './contract.ts';
import { decibels, difference } from './support/metrics.ts';
import { channelsOf, endOf, isFloat, pictureInput, shapeText, type Evidence, type Output } from './support/output.ts';
import { refuse, requireFloat, SET, squaredError } from './support/squared-error.ts';

/** A Sigmoid of one channel is a mask, not an image. */
function claim(o: Output, e: Evidence): Claim | null {
  const channels = channelsOf(o.dims);
  if (!isFloat(o) || o.flat || channels === null) return null;
  if (pictureInput(e) === channels)
    return { strength: STRENGTH.shape, why: `pictures of ${channels} channel${channels === 1 ? '' : 's'} come in and go out` }; // prettier-ignore
  const { end } = o.end;
  return end === 'tanh' || (end === 'sigmoid' && channels === 3)
    ? { strength: STRENGTH.shape, why: `${endOf(o)}, with ${channels} channels` }
    : null;
}

/** The peak is that of the original's values, measured from 0 or from the minimum where that is negative. */
function judge(): Judge {
  let [samples, noise, elements, min, max] = [0, 0, 0, Infinity, -Infinity];
  return {
    add({ ref, out, count, size }) {
      samples += count;
      const d = difference(ref, out, 0, count * size);
      noise += d.noise;
      elements += count * size;
      min = Math.min(min, d.min);
      max = Math.max(max, d.max);
    },
    figures() {
      const peak = Math.max(max - Math.min(min, 0), Number.MIN_VALUE);
      return { samples, psnrDb: elements ? decibels(peak * peak, noise / elements) : null };
    },
  };
}

export const head: Head = {
  reading: 'image',
  claim,
  accept(o) {
    requireFloat(o, 'image');
    if (channelsOf(o.dims) === null) refuse(o, 'image', `an image has four axes and 1 or 3 channels; ${shapeText(o)}`);
    return SET;
  },
  ...squaredError,
  judge,
  floor: 'psnrDb',
};
