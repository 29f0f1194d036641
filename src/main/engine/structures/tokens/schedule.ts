/** Resolves a token schedule against the places of a model. */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import type { TokenSchedule } from '../../../../shared/model/types.ts';
import { tokenMethod } from './registry.ts';
import type { TokenMethod, TokenNeed } from './method.ts';
import type { TokenPlace } from './places.ts';

export interface ResolvedStep {
  readonly place: TokenPlace;
  /** Tokens before the step, fixed ones included. */
  readonly count: number;
  /** Tokens that stay, without the fixed ones. */
  readonly keep: number;
}

export interface ResolvedSchedule {
  readonly method: TokenMethod;
  readonly seed: number;
  readonly steps: readonly ResolvedStep[];
}

/** The needs of a method that a place does not meet. */
export function unmet(method: TokenMethod, place: TokenPlace): TokenNeed[] {
  const has: Readonly<Record<TokenNeed, boolean>> = {
    attention: place.attention !== undefined,
    keys: place.attention !== undefined,
    grid: gridOf(place.count - place.fixed) !== null,
    sizes: carriesSizes(place),
  };
  return method.needs.filter((n) => !has[n]);
}

/** Attention with a batch axis and means can take a number of tokens per token. */
const carriesSizes = ({ weighings, reductions, sinks }: TokenPlace): boolean =>
  sinks.length === 0 &&
  reductions.every((r) => r.how === 'mean' && r.rank === 3 && r.axis === 1) &&
  weighings.every((w) => w.rank === 4 && w.axis === 3);

/** A square grid of that many tokens, or null. */
export function gridOf(tokens: number): readonly [number, number] | null {
  const side = Math.round(Math.sqrt(tokens));
  return side * side === tokens ? [side, side] : null;
}

/**
 * @throws SecateurError 'plan-invalid' for unknown methods and places, places that lack what the method needs, and
 *   numbers of tokens that do not fall
 */
export function resolveSchedule(schedule: TokenSchedule, places: readonly TokenPlace[]): ResolvedSchedule {
  const method = tokenMethod(schedule.method);
  if (!method) throw invalid(`there is no token method ${schedule.method}`);
  let order = -1;
  let left = Infinity;
  const steps = schedule.steps.map(({ place: name, keep }): ResolvedStep => {
    const at = places.findIndex((p) => p.name === name);
    const place = places[at];
    if (!place) throw invalid(`tokens cannot be reduced at ${name}`);
    if (at <= order) throw invalid(`the steps of tokens are not in the order of the model`);
    const missing = unmet(method, place);
    if (missing.length > 0) throw invalid(`${method.name} needs ${missing.join(' and ')}, which ${name} does not have`);
    const before = Math.min(left, place.count - place.fixed);
    if (before < place.count - place.fixed && method.needs.includes('grid'))
      throw invalid(`${method.name} needs the grid of the tokens, and a step before ${name} has broken it`);
    if (!Number.isInteger(keep) || keep < 1 || keep > before)
      throw invalid(`${name} has ${before} tokens and cannot keep ${keep}`);
    [order, left] = [at, keep];
    return { place, count: before + place.fixed, keep };
  });
  return { method, seed: schedule.seed, steps };
}

const invalid = (reason: string): SecateurError => new SecateurError('plan-invalid', { reason });
