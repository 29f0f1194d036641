/** Parsers of option values. An invalid value is a usage error that names the option. */
import { InvalidArgumentError } from 'commander';
import type { OutputReading } from '../../shared/model/job.ts';
import { READINGS } from '../../shared/model/readings.ts';
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

/** Parses `NAME=SIZE`, given once per dynamic axis; names may contain an equals sign. */
export function dim(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const at = text.lastIndexOf('=');
  const [name, size] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  if (at < 0 || name === '' || !/^\d{1,9}$/.test(size) || Number(size) < 1)
    throw new InvalidArgumentError('It must be NAME=SIZE, with a whole number from 1.');
  if (Object.hasOwn(before, name) && before[name] !== Number(size))
    throw new InvalidArgumentError(`${name} has a size already: ${before[name]}.`);
  return { ...before, [name]: Number(size) };
}

/** A share between 0 and 1, both included. */
export function fraction(text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !(n >= 0 && n <= 1)) throw new InvalidArgumentError('It must be a share from 0 to 1.');
  return n;
}

export function decibels(text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !(n >= 0 && n <= 200)) throw new InvalidArgumentError('It must be decibels from 0 to 200.');
  return n;
}

/** Parses `NAME=READING`, given once per output; names may contain an equals sign. */
export function outputReading(
  text: string,
  before: Readonly<Record<string, OutputReading>> | undefined,
): Readonly<Record<string, OutputReading>> {
  const at = text.lastIndexOf('=');
  const reading = READINGS.find((r) => r === text.slice(at + 1));
  if (at < 1 || !reading) throw new InvalidArgumentError(`It must be NAME=READING with one of ${READINGS.join(', ')}.`);
  return { ...before, [text.slice(0, at)]: reading };
}

/** Parses `NAME=NUMBER`, given once per setting of a workload. */
export function workloadSetting(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  if (at < 1 || !/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be NAME=NUMBER, such as tokens=64.');
  return { ...before, [name]: Number(value) };
}

/** A number above 0. */
export function above(text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !(n > 0 && Number.isFinite(n)))
    throw new InvalidArgumentError('It must be a number above 0.');
  return n;
}

/** A share above 0, 1 included. */
export function topShare(text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !(n > 0 && n <= 1)) throw new InvalidArgumentError('It must be above 0 and at most 1.');
  return n;
}

/** Texts separated by commas; the option may also be repeated. */
export function textList(text: string, before: readonly string[] = []): readonly string[] {
  const texts = text.split(',').map((t) => t.trim());
  if (texts.includes('')) throw new InvalidArgumentError('It must be texts separated by commas.');
  return [...before, ...texts];
}

/** Values of an option that may be repeated. */
export const several = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];
