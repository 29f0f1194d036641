/**
 * Latents: states that another network reads, such as the noise of a diffusion step or the input of a decoder. They are
 * compared by their relative squared error, shown as a signal-to-noise ratio. A graph does not distinguish latents from
 * other numbers, so only the user sets this reading.
 */
import type { Head, Judge } from './contract.ts';
import { decibels, difference } from './support/metrics.ts';
import { shapeText } from './support/output.ts';
import { clipped, unexplained } from './support/shares.ts';
import { refuse, requireFloat, SET, squaredError } from './support/squared-error.ts';
import { floats } from './support/values.ts';

/** Agreement: the explained share of each sample's variance around its own mean. */
function judge(): Judge {
  const noises: number[] = [];
  let [signal, variance] = [0, 0];
  return {
    add({ ref, out, count, size }) {
      for (let i = 0; i < count; i++) {
        const d = difference(ref, out, i * size, size);
        // Non-finite values explain nothing: they count as zeros.
        noises.push(d.nonFinite ? Math.max(d.noise, d.signal) : d.noise);
        signal += d.signal;
        let [sum, n] = [0, 0];
        for (let k = i * size; k < (i + 1) * size; k++)
          if (Number.isFinite(ref[k]!)) {
            sum += ref[k]!;
            n++;
          }
        variance += d.signal - (n ? sum ** 2 / n : 0);
      }
    },
    figures() {
      const samples = noises.length;
      if (!samples) return { samples };
      const noise = noises.reduce((a, b) => a + b, 0);
      const snrDb = decibels(Math.max(signal, Number.MIN_VALUE), noise);
      if (variance <= 1e-9 * signal)
        return { samples, snrDb, unjudged: 'the original gives the same value everywhere in a sample' };
      const at = (side: 1 | -1): number => clipped(1 - unexplained(noises, variance, side));
      return { samples, agreement: clipped(1 - noise / variance), snrDb, interval: { low: at(1), high: at(-1) } };
    },
  };
}

export const head: Head = {
  reading: 'latent',
  claim: () => null,
  accept(o) {
    requireFloat(o, 'latent');
    if (o.dims.length < 2) refuse(o, 'latent', `a latent has an axis of samples and others; ${shapeText(o)}`);
    return SET;
  },
  ...squaredError,
  judge,
  floor: 'agreement',
  say(before, after) {
    const [a, b] = [floats(before), floats(after)];
    if (!a || !b || a.length !== b.length) return null;
    const { signal, noise, nonFinite } = difference(a, b);
    const db = nonFinite ? -200 : decibels(signal, noise);
    return { before: 'exact', after: db === null ? 'exact' : `SNR ${db.toFixed(1)} dB` };
  },
};
