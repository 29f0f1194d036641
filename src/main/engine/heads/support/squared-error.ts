/**
 * Comparison by relative squared error: the distance, loss and cotangent of outputs without a more specific meaning. An
 * error bound on every value also bounds everything computed from the values.
 */
import { relativeSquaredError } from '../../autodiff/losses.ts';
import type { Head } from '../contract.ts';
import { ImpossibleReading } from '../contract.ts';
import { isFloat, type Output } from './output.ts';
import { floats } from './values.ts';

export const squaredError: Pick<Head, 'distance' | 'loss' | 'cotangent' | 'noise'> = {
  /** The squared error over the squared deviation of the reference from its mean. */
  distance(want) {
    const a = floats(want);
    if (!a) return null;
    let power = 1e-12;
    let mean = 0;
    for (const x of a) mean += x / a.length;
    for (const x of a) power += (x - mean) ** 2;
    return (have) => {
      const b = floats(have)!;
      // Another number of elements cannot be compared: its distance is that of zeros.
      if (b.length !== a.length) return a.length > 0 ? 1 : 0;
      let error = 0;
      for (let i = 0; i < a.length; i++) error += (a[i]! - b[i]!) ** 2;
      return error / power;
    };
  },
  loss: (b, { own, given, shape }) => relativeSquaredError(b, own, given, shape),
  noise: () => 'normal',
  /** Noise whose square weights the error by the spread of the values. */
  cotangent(b, { out, noise, shape, batch }) {
    const axes = shape.map((_, i) => i);
    const deviation = b.sub(out, b.reduceMean(out, axes, true));
    const power = b.add(b.reduceSum(b.mul(deviation, deviation), axes, true), b.scalar(1e-12));
    return b.mul(noise, b.sqrt(b.div(b.scalar(2 * batch), power)));
  },
};

/** @throws ImpossibleReading with the reason */
export function refuse(o: Output, reading: string, why: string): never {
  throw new ImpossibleReading(`${o.name} cannot be read as ${reading}: ${why}`);
}

/** @throws ImpossibleReading for integers */
export function requireFloat(o: Output, reading: string): void {
  if (!isFloat(o)) refuse(o, reading, 'it holds no floating-point numbers');
}

/** A reading that the user set. */
export const SET = { why: 'set by --output' } as const;
