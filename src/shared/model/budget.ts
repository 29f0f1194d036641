/** Parses budgets written by users. */
import { SecateurError } from '../contract/errors.ts';
import type { Budget } from './types.ts';

/** Parses `12ms`, `0.012s`, `0.5x` or `50%`. Throws `budget-invalid`. */
export function parseBudget(text: string): Pick<Budget, 'ms' | 'ratio'> {
  const refuse = (reason: string): never => {
    throw new SecateurError('budget-invalid', { text, reason });
  };
  const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|x|%)?\s*$/i.exec(text);
  if (!match) {
    if (/^\s*-/.test(text)) return refuse('it must be more than 0');
    if (text.includes(',')) return refuse('write the decimal point as a dot');
    return refuse('it is not a number with a unit');
  }
  const value = Number(match[1]);
  const unit = match[2]?.toLowerCase();
  if (value === 0) return refuse('it must be more than 0');
  if (unit === 'ms') return { ms: value };
  if (unit === 's') return { ms: value * 1000 };
  if (unit === undefined) return refuse(`the unit is missing (${match[1]}ms or ${match[1]}x?)`);
  const ratio = unit === '%' ? value / 100 : value;
  if (ratio >= 1) return refuse('a share must be below 1');
  return { ratio };
}
