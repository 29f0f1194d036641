/** Parsers of option values; a refusal is a usage error that names the option. */
import { InvalidArgumentError } from 'commander';
import type { Budget } from '../../shared/model/types.ts';

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!/^\d+$/.test(text.trim()) || n < least || n > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return n;
  };
}

export function seconds(text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !Number.isFinite(n) || n < 0)
    throw new InvalidArgumentError('It must be seconds, 0 or more.');
  return n;
}

export function percentile(text: string): Budget['percentile'] {
  const n = Number(text.replace(/^p/i, ''));
  if (n === 50 || n === 90 || n === 95 || n === 99) return n;
  throw new InvalidArgumentError('It must be 50, 90, 95 or 99.');
}

export function share(text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !(n > 0 && n < 1)) throw new InvalidArgumentError('It must be a share between 0 and 1.');
  return n;
}
