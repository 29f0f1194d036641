/** Figures that several judges compute: shares of samples, and F1 over yes-or-no decisions. */
import type { Figures } from '../contract.ts';
import { ratioInterval, wilson } from './intervals.ts';

/** From this share on, all samples are considered alike: agreement on them proves nothing. */
const CONSTANT = 1 - 1e-9;

/**
 * Agreement of `agree` of `n` samples.
 * @param seen how often the original predicts each class
 */
export function shares(n: number, agree: number, seen: ReadonlyMap<number, number>): Figures {
  if (n === 0) return { samples: 0 };
  const chance = Math.max(...seen.values()) / n;
  return {
    samples: n,
    agreement: agree / n,
    interval: wilson(agree, n),
    chance,
    ...(chance > CONSTANT && { unjudged: 'the original gives the same class for every sample' }),
  };
}

/** The accuracy of always giving the most frequent label. */
export const labelChance = (told: ReadonlyMap<number, number>, labelled: number): Pick<Figures, 'labelChance'> =>
  labelled > 0 ? { labelChance: Math.max(...told.values()) / labelled } : {};

export interface F1 {
  /** Starts a sample. */
  sample(): void;
  /** A decision of the current sample. */
  add(wanted: boolean, got: boolean): void;
  /** @param nothing reason for a missing figure where both models decide no everywhere */
  figures(nothing: string): Figures;
}

/** F1 over decisions, with an interval from the spread between samples. */
export function f1Of(): F1 {
  const parts: number[] = [];
  const wholes: number[] = [];
  return {
    sample() {
      parts.push(0);
      wholes.push(0);
    },
    add(wanted, got) {
      const at = parts.length - 1;
      if (wanted && got) parts[at]! += 2;
      if (wanted) wholes[at]!++;
      if (got) wholes[at]!++;
    },
    figures(nothing) {
      const whole = wholes.reduce((a, b) => a + b, 0);
      const samples = parts.length;
      if (whole === 0) return { samples, unjudged: nothing };
      const f1 = parts.reduce((a, b) => a + b, 0) / whole;
      return { samples, agreement: f1, interval: ratioInterval(parts, wholes), iou: f1 / (2 - f1) };
    },
  };
}

/** Unexplained share of the variance, shifted by two standard errors of the noise to one side. */
export function unexplained(noises: readonly number[], variance: number, side: 1 | -1): number {
  const n = noises.length;
  const mean = noises.reduce((a, b) => a + b, 0) / n;
  const sd = Math.sqrt(noises.reduce((a, x) => a + (x - mean) ** 2, 0) / Math.max(1, n - 1));
  return (n * (mean + (side * 1.96 * sd) / Math.sqrt(n))) / variance;
}

/** Limits to 0..1. */
export const clipped = (x: number): number => Math.min(1, Math.max(0, x));
