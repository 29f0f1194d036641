/**
 * Allocation by measured marginal cost: each step takes the move with the least output change per millisecond saved,
 * over channels and blocks together. This is the greedy solution of the multiple-choice knapsack, with costs measured
 * again at the current plan, because the combined change of two removals differs from their sum, above all for blocks.
 * Lazy evaluation (Minoux 1978): earlier costs order the queue, and only its head is measured again.
 *
 * The refit behind each cut starts from a reference model. Far from the original, where many cuts interact, the original
 * is a poor one, so the path changes to a model that was compensated on the way.
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

/** The model from which candidate plans are made and judged. */
export interface Reference {
  /** The plan at which the reference was compensated. It judges only plans that remove at least as much. */
  readonly from: State;
  /** Measured change of the outputs, always against the original. */
  readonly cost: (s: State) => Promise<number>;
}

export interface GreedyOptions {
  /** For a start plan: the whole model, where the change is 0, or the choices fixed by hand. */
  readonly cost: (s: State) => Promise<number>;
  /** Returns a reference compensated at the plan, or null when there is none that is better. Default: never. */
  readonly rebase?: (s: State) => Promise<Reference | null>;
  /** Moves that save a smaller share of the model's time are ignored; default 0.002. */
  readonly least?: number;
  /** Maximum heads measured again per step; default 6. */
  readonly rechecks?: number;
  /** True once no more costs may be requested: moves are then chosen by known costs. Default: never. */
  readonly expired?: () => boolean;
  readonly onProgress?: (predictedMs: number) => void;
}

/** A possible next move. */
interface Candidate {
  readonly move: Move;
  readonly key: string;
  /** Milliseconds saved, and the part of them still needed. */
  readonly saved: number;
  readonly useful: number;
}

export interface Step {
  readonly state: State;
  readonly reference: Reference;
  readonly cost: number;
  readonly predictedMs: number;
}

/** A step, with its target and the costs known before it. */
interface Taken extends Step {
  readonly target: number;
  readonly known: ReadonlyMap<string, number>;
  /** Prediction at which a new reference was last requested. */
  readonly rebasedMs: number;
}

/** A new reference is requested each time the prediction has fallen to this share of that at the last request. */
const REBASE = 0.85;

/** A last step that ends below its requested time by more than this share is chosen again for that time. */
const OVERSHOOT = 0.02;

/** The greedy path, extended on demand and kept: a looser budget is an earlier step of the same path. */
export class GreedyPath {
  readonly #space: Space;
  readonly #options: GreedyOptions;
  #steps: Taken[];
  /** Last measured marginal cost of each move. */
  #known = new Map<string, number>();

  constructor(space: Space, start: State, options: GreedyOptions) {
    this.#space = space;
    this.#options = options;
    const predictedMs = predictMs(space, start);
    this.#steps = [
      {
        state: start,
        reference: { from: start, cost: options.cost },
        cost: 0,
        predictedMs,
        target: predictedMs,
        known: this.#known,
        rebasedMs: predictedMs,
      },
    ];
  }

  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** The first step at or below `ms`, or the last possible one. */
  async reach(ms: number): Promise<Step> {
    for (;;) {
      const i = this.#steps.findIndex((s) => s.predictedMs <= ms);
      const at = this.#steps[i];
      if (!at) {
        if (!(await this.#extend(ms))) return this.#steps.at(-1)!;
        continue;
      }
      // For a lower target, a large step may have been the right one, because its overshoot was useful there.
      if (i === 0 || at.target >= ms || at.predictedMs >= ms * (1 - OVERSHOOT)) return at;
      this.#steps.length = i;
      this.#known = new Map(at.known);
      await this.#extend(ms);
    }
  }

  async #extend(target: number): Promise<boolean> {
    await this.#rebase();
    const now = this.#steps.at(-1)!;
    const before = new Map(this.#known);
    const candidates = this.#candidates(now, target);
    if (candidates.length === 0) return false;
    const best = await this.#choose(now, candidates);
    const state = applyMove(now.state, best.move);
    const predictedMs = predictMs(this.#space, state);
    const paid = this.#costOf(best, candidates);
    this.#steps.push({ ...now, state, cost: now.cost + paid, predictedMs, target, known: before });
    // Other moves of the same structure were measured from its previous level, so part of their cost is already paid.
    // Without this correction, a structure that was narrowed once looks too expensive to be narrowed again, and is
    // never measured.
    for (const c of candidates) {
      const known = this.#known.get(c.key);
      if (known !== undefined && replaces(this.#space, c.move, best.move)) this.#known.set(c.key, known - paid);
    }
    this.#options.onProgress?.(predictedMs);
    return true;
  }

  /** Changes to a new reference when one is due and better. Costs measured on the earlier one no longer apply. */
  async #rebase(): Promise<void> {
    const now = this.#steps.at(-1)!;
    const { rebase, expired = () => false } = this.#options;
    if (!rebase || expired() || now.predictedMs > REBASE * now.rebasedMs) return;
    const reference = await rebase(now.state);
    if (reference) this.#known = new Map();
    this.#steps.push({
      ...now,
      ...(reference && { reference, cost: await reference.cost(now.state) }),
      known: new Map(this.#known),
      rebasedMs: now.predictedMs,
    });
  }

  /**
   * Moves that save a noticeable time. The first move of every structure comes first, so that each structure gets a
   * cost early.
   */
  #candidates(now: Step, target: number): Candidate[] {
    const least = this.#space.latency.baselineMs * (this.#options.least ?? 0.002);
    const found: (Candidate & { readonly turn: number })[] = [];
    const turns = new Map<string, number>();
    for (const move of movesFrom(this.#space, now.state).reverse()) {
      const next = predictMs(this.#space, applyMove(now.state, move));
      const saved = now.predictedMs - next;
      if (saved < least) continue;
      // Time saved beyond the target counts only as far as it is still needed.
      const useful = Math.min(saved, Math.max(now.predictedMs - target, least));
      const turn = turns.get(move.structure) ?? 0;
      turns.set(move.structure, turn + 1);
      found.push({ move, saved, useful, key: moveKey(move), turn });
    }
    return found.sort((a, b) => a.turn - b.turn);
  }

  /** The move with the least cost per millisecond: measured while there is time, else by known costs. */
  async #choose(now: Step, candidates: readonly Candidate[]): Promise<Candidate> {
    const { rechecks = 6, expired = () => false } = this.#options;
    for (const c of candidates)
      if (!this.#known.has(c.key) && !expired()) this.#known.set(c.key, await this.#marginal(now, c.move));
    const rate = (c: Candidate): number => Math.max(this.#costOf(c, candidates), 1e-9) / c.useful;
    const cheapest = (list: readonly Candidate[]): Candidate => list.reduce((a, b) => (rate(b) < rate(a) ? b : a));
    const fresh: Candidate[] = [];
    for (let i = 0; i < rechecks && !expired(); i++) {
      const best = cheapest(candidates);
      if (fresh.includes(best)) return best;
      this.#known.set(best.key, await this.#marginal(now, best.move));
      fresh.push(best);
    }
    // Earlier costs are too low where removals interact, so a move measured now is preferred to them.
    return cheapest(fresh.length > 0 ? fresh : candidates);
  }

  /** Last measured marginal cost of a move, else an estimate. */
  #costOf(c: Candidate, candidates: readonly Candidate[]): number {
    const known = this.#known.get(c.key);
    if (known !== undefined) return known;
    const measured = candidates.filter((o) => this.#known.has(o.key));
    // Costs grow roughly with the square of the removed units.
    const alike = measured.find((o) => o.move.structure === c.move.structure);
    if (alike) return Math.max(0, this.#known.get(alike.key)!) * (c.saved / alike.saved) ** 2;
    // A structure without any known cost comes last.
    return c.saved * measured.reduce((most, o) => Math.max(most, this.#known.get(o.key)! / o.saved), 1);
  }

  async #marginal(now: Step, move: Move): Promise<number> {
    return (await now.reference.cost(applyMove(now.state, move))) - now.cost;
  }
}

/**
 * Uses the time left below `ms`: undoes moves while the prediction stays within, the one that restores the most quality
 * first. Returns a state that takes at most `ms`.
 * @param tries maximum number of requested costs; Infinity where they are free. With 0, the largest step counts as
 *   the best.
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
    // A few structures with coarse steps leave gaps that no single step fills. Widening one and narrowing another may.
    if (options.length === 0 && space.structures.filter((x) => x.units > 1).length <= FEW_STRUCTURES)
      options = wider.flatMap((u) => narrowed(space, u, state, floor).flatMap(between));
    if (options.length === 0 || (left <= 0 && tries > 0)) return state;
    // Largest first: they fill the gap in the fewest steps.
    options.sort((a, b) => b.at - a.at);
    if (tries === 0) {
      state = options[0]!.next;
      continue;
    }
    let best: { next: State; gain: number } | null = null;
    const before = await cost(state);
    for (const [i, o] of options.entries()) {
      // An undo that makes the output worse (a block whose inside was narrowed meanwhile) is not worth the time.
      if (left-- <= 0 || (i >= FEW && best && tries < Infinity)) break;
      const gain = before - (await cost(o.next));
      if (gain >= (best?.gain ?? 0)) best = { next: o.next, gain };
    }
    if (!best) return state;
    state = best.next;
  }
}

/** Number of undos compared before one is taken, where each must be measured. */
const FEW = 6;
/**
 * Maximum number of structures with several units for which pairs of steps are tried. With more, single steps are fine
 * enough.
 */
const FEW_STRUCTURES = 16;

/** States where one structure is a step below its level in `before`, but not removed and not fixed by hand. */
const narrowed = (space: Space, s: State, before: State, floor: State): State[] =>
  space.structures.flatMap((x) => {
    const now = levelOf(x, s);
    if (now !== levelOf(x, before) || floor.has(x.id)) return [];
    const to = (space.levels.get(x.id) ?? []).findLast((n) => n > 0 && n < now);
    return to === undefined ? [] : [applyMove(s, { structure: x.id, to })];
  });

/** States where one structure has a higher level, never above the levels that `floor` fixes. */
function undos(space: Space, s: State, floor: State): State[] {
  const out: State[] = [];
  for (const [structure, level] of s) {
    const levels = space.levels.get(structure) ?? [];
    const most = floor.get(structure) ?? Infinity;
    for (const to of levels) if (to > level && to <= most) out.push(raised(s, { structure, to }, to === levels.at(-1)));
  }
  return out;
}

/** A structure that is whole again becomes absent, as in a plan that never reduced it. */
function raised(s: State, move: Move, whole: boolean): State {
  if (!whole) return applyMove(s, move);
  const out = new Map(s);
  out.delete(move.structure);
  return out;
}
