/**
 * Allocation by measured marginal cost: at each step the move with the least output change per millisecond saved, over
 * channels and blocks together. This is the greedy solution of the multiple-choice knapsack with costs that are measured
 * again at the current plan: the change that two removals make together is not the sum of both, above all for blocks.
 * Lazy evaluation (Minoux 1978): an old figure orders the queue, and only the head is measured again.
 */
import {
  applyMove,
  levelOf,
  moveKey,
  movesFrom,
  predictMs,
  replaces,
  type Move,
  type Space,
  type State,
} from './state.ts';

export interface GreedyOptions {
  /** For a start: the whole model, where the change is 0, or what is fixed by hand. */
  readonly cost: (s: State) => Promise<number>;
  /** Moves that save less than this share of the model's time are not considered; default 0.002. */
  readonly least?: number;
  /** Heads measured again per step at most; default 6. */
  readonly rechecks?: number;
  /** True once no more costs are to be asked for: from then on moves are chosen by what is known. Default: never. */
  readonly expired?: () => boolean;
  readonly onProgress?: (predictedMs: number) => void;
}

/** A move that may be taken next. */
interface Candidate {
  readonly move: Move;
  readonly key: string;
  /** Milliseconds, and those of them that are still missing. */
  readonly saved: number;
  readonly useful: number;
}

export interface Step {
  readonly state: State;
  /** Null for the start. */
  readonly move: Move | null;
  readonly cost: number;
  readonly predictedMs: number;
}

/** A step with what it was chosen for and what was known before it. */
interface Taken extends Step {
  readonly target: number;
  readonly known: ReadonlyMap<string, number>;
}

/** A last step that ends further below the time it is asked for than this share is chosen anew for that time. */
const OVERSHOOT = 0.02;

/** The greedy path, extended on demand and kept: a looser budget is an earlier step of the same path. */
export class GreedyPath {
  readonly #space: Space;
  readonly #options: GreedyOptions;
  #steps: Taken[];
  /** Marginal cost of a move when it was last measured. */
  #known = new Map<string, number>();

  constructor(space: Space, start: State, options: GreedyOptions) {
    this.#space = space;
    this.#options = options;
    const predictedMs = predictMs(space, start);
    this.#steps = [
      {
        state: start,
        move: null,
        cost: 0,
        predictedMs,
        target: predictedMs,
        known: this.#known,
      },
    ];
  }

  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** The first step at or below `ms`, or the last one possible. */
  async reach(ms: number): Promise<Step> {
    for (;;) {
      const i = this.#steps.findIndex((s) => s.predictedMs <= ms);
      const at = this.#steps[i];
      if (!at) {
        if (!(await this.#extend(ms))) return this.#steps.at(-1)!;
        continue;
      }
      // On the way to a lower target a large step may have been the right one: what it overshoots was of use there.
      if (i === 0 || at.target >= ms || at.predictedMs >= ms * (1 - OVERSHOOT)) return at;
      this.#steps.length = i;
      this.#known = new Map(at.known);
      await this.#extend(ms);
    }
  }

  async #extend(target: number): Promise<boolean> {
    const now = this.#steps.at(-1)!;
    const before = new Map(this.#known);
    const candidates = this.#candidates(now, target);
    if (candidates.length === 0) return false;
    const best = await this.#choose(now, candidates);
    const state = applyMove(now.state, best.move);
    const predictedMs = predictMs(this.#space, state);
    const paid = this.#costOf(best, candidates);
    this.#steps.push({ ...now, state, move: best.move, cost: now.cost + paid, predictedMs, target, known: before });
    // Further moves of the same structure were measured from its level before: part of their price is paid. Without this
    // a structure that was narrowed once looks too dear to be narrowed again, and is never looked at.
    for (const c of candidates) {
      const known = this.#known.get(c.key);
      if (known !== undefined && replaces(this.#space, c.move, best.move)) this.#known.set(c.key, known - paid);
    }
    this.#options.onProgress?.(predictedMs);
    return true;
  }

  /** Moves that save a noticeable time, the first of every structure first: each structure is known early. */
  #candidates(now: Step, target: number): Candidate[] {
    const least = this.#space.latency.baselineMs * (this.#options.least ?? 0.002);
    const found: (Candidate & { readonly turn: number })[] = [];
    const turns = new Map<string, number>();
    for (const move of movesFrom(this.#space, now.state).reverse()) {
      const next = predictMs(this.#space, applyMove(now.state, move));
      const saved = now.predictedMs - next;
      if (saved < least) continue;
      // Time saved beyond the target is worth no more than what is still missing.
      const useful = Math.min(saved, Math.max(now.predictedMs - target, least));
      const turn = turns.get(move.structure) ?? 0;
      turns.set(move.structure, turn + 1);
      found.push({ move, saved, useful, key: moveKey(move), turn });
    }
    return found.sort((a, b) => a.turn - b.turn);
  }

  /** The move with the least cost per millisecond: measured while there is time, else by what is known. */
  async #choose(now: Step, candidates: readonly Candidate[]): Promise<Candidate> {
    const { rechecks = 6, expired = () => false } = this.#options;
    for (const c of candidates)
      if (!this.#known.has(c.key) && !expired()) this.#known.set(c.key, await this.#marginal(now, c.move));
    const rate = (c: Candidate): number => Math.max(this.#costOf(c, candidates), 1e-9) / c.useful;
    const cheapest = (): Candidate => candidates.reduce((a, b) => (rate(b) < rate(a) ? b : a));
    const fresh = new Set<string>();
    for (let i = 0; i < rechecks && !expired(); i++) {
      const best = cheapest();
      if (fresh.has(best.key)) return best;
      this.#known.set(best.key, await this.#marginal(now, best.move));
      fresh.add(best.key);
    }
    return cheapest();
  }

  /** Marginal cost of a move as it was last measured; else an estimate. */
  #costOf(c: Candidate, candidates: readonly Candidate[]): number {
    const known = this.#known.get(c.key);
    if (known !== undefined) return known;
    const measured = candidates.filter((o) => this.#known.has(o.key));
    // Costs grow about with the square of what is removed.
    const alike = measured.find((o) => o.move.structure === c.move.structure);
    if (alike) return Math.max(0, this.#known.get(alike.key)!) * (c.saved / alike.saved) ** 2;
    // A structure that nothing is known about comes last.
    return c.saved * measured.reduce((most, o) => Math.max(most, this.#known.get(o.key)! / o.saved), 1);
  }

  async #marginal(now: Step, move: Move): Promise<number> {
    return (await this.#options.cost(applyMove(now.state, move))) - now.cost;
  }
}

/**
 * Uses up the time that is left below `ms`: undoes moves, the one that gives back the most quality first, while the
 * prediction stays within. Returns the state that is at most `ms`.
 * @param tries costs that are asked for, at most; Infinity where they cost nothing. With 0 the largest step is taken for the
 *   best.
 */
export async function refill(
  space: Space,
  start: State,
  ms: number,
  cost: (s: State) => Promise<number>,
  floor: State,
  tries = 24,
): Promise<State> {
  let state = start;
  let left = tries;
  for (;;) {
    const now = predictMs(space, state);
    const between = (next: State): { next: State; at: number }[] => {
      const at = predictMs(space, next);
      return at > now && at <= ms ? [{ next, at }] : [];
    };
    const wider = undos(space, state, floor);
    let options = wider.flatMap(between);
    // A few structures with coarse steps leave gaps that no single step fills: one wider, another narrower may.
    if (options.length === 0 && space.structures.filter((x) => x.units > 1).length <= FEW_STRUCTURES)
      options = wider.flatMap((u) => narrowed(space, u, state, floor).flatMap(between));
    if (options.length === 0 || (left <= 0 && tries > 0)) return state;
    // The largest first: they fill the gap with the fewest steps.
    options.sort((a, b) => b.at - a.at);
    if (tries === 0) {
      state = options[0]!.next;
      continue;
    }
    let best: { next: State; gain: number } | null = null;
    const before = await cost(state);
    for (const [i, o] of options.entries()) {
      // One that makes things worse (a block whose inside was narrowed meanwhile) is no use of the time.
      if (left-- <= 0 || (i >= FEW && best && tries < Infinity)) break;
      const gain = before - (await cost(o.next));
      if (gain >= (best?.gain ?? 0)) best = { next: o.next, gain };
    }
    if (!best) return state;
    state = best.next;
  }
}

/** Undos that are compared before one is taken, where each has to be measured. */
const FEW = 6;
/** Structures of several units up to which pairs of steps are looked at: with more, single steps are fine enough. */
const FEW_STRUCTURES = 16;

/** States with one structure that `s` has at the level of `before` a step lower, but not removed or fixed by hand. */
const narrowed = (space: Space, s: State, before: State, floor: State): State[] =>
  space.structures.flatMap((x) => {
    const now = levelOf(x, s);
    if (now !== levelOf(x, before) || floor.has(x.id)) return [];
    const to = (space.levels.get(x.id) ?? []).findLast((n) => n > 0 && n < now);
    return to === undefined ? [] : [applyMove(s, { structure: x.id, to })];
  });

/** States with one structure at a higher level; never above what `floor` fixes. */
function undos(space: Space, s: State, floor: State): State[] {
  const out: State[] = [];
  for (const [structure, level] of s) {
    const levels = space.levels.get(structure) ?? [];
    const most = floor.get(structure) ?? Infinity;
    for (const to of levels) if (to > level && to <= most) out.push(raised(s, { structure, to }, to === levels.at(-1)));
  }
  return out;
}

/** A structure that is whole again is absent, as in a plan that never reduced it. */
function raised(s: State, move: Move, whole: boolean): State {
  if (!whole) return applyMove(s, move);
  const out = new Map(s);
  out.delete(move.structure);
  return out;
}
