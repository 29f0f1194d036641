/**
 * The closed loop: ask the allocator for a plan, cut the model, measure it end to end beside the original, correct the
 * prediction by what was measured, and repeat until the measured latency lies in a band under the budget. The plan that the
 * loop ends with is measured once more, for longer, before anything is built on it.
 */
import type { Model } from '../ir/model.ts';
import { predictMs, type Space, type State } from './state.ts';

export interface Candidate {
  readonly state: State;
  readonly predictedMs: number;
  /** Measured over the original's measured time in the same run. */
  readonly ratio: number;
  /** True where the time limit of the allocation left choices to estimates. */
  readonly limited?: boolean;
}

export interface FitOptions {
  /** Budget over the original's latency. */
  readonly budgetRatio: number;
  readonly baselineMs: number;
  readonly space: Space;
  /** A plan whose prediction is at most `ms`. */
  readonly allocate: (ms: number) => Promise<State>;
  readonly cut: (s: State) => Model;
  /** Measured ratio of a model to the original. */
  readonly measure: (m: Model) => Promise<number>;
  /** The longer measurement; default: none. */
  readonly confirm?: (m: Model) => Promise<number>;
  readonly attempts?: number;
  /** Measured over predicted time of plans like those that are wanted, as far as it is known; default 1. */
  readonly bias?: number;
  /** Plans that were measured at length before, the latest last: where the loop takes up. */
  readonly known?: readonly Candidate[];
  readonly onCandidate?: (c: Candidate, attempt: number) => void;
}

/**
 * Shares of the budget that the loop accepts, and where in between it aims. The ratio of two models drifts by 2 % in a
 * quarter of an hour, and the measurement that decides has an interval of 1.5 to 3 % to either side, all of which must lie
 * within the budget.
 */
export const BAND = [0.94, 0.98] as const;
const AIM = 0.96;

/** Measured shares up to this may be within the budget when they are measured again. */
const WITHIN = 0.99;

/** A step to a neighbour of a goal, and the quotient of two goals between which nothing else is to be found. */
const STEP = 1.02;
const NEAR = 1.005;

/** Goals tried per plan that is measured, at most: a goal may lead to a plan that was measured before. */
const GOALS = 3;

/** True for a measured share of the budget that can be within it. */
export const isWithin = (share: number): boolean => share <= WITHIN;

const isAccepted = (share: number): boolean => share >= BAND[0] && share <= BAND[1];

/** The plan that uses most of the budget without exceeding it, or the one nearest above where none is within. */
export async function fitBudget(o: FitOptions): Promise<{ best: Candidate; within: boolean; candidates: Candidate[] }> {
  const { attempts = 9, bias = 1, known = [] } = o;
  const seen = new Map(known.map((c) => [keyOf(c.state), c]));
  const confirmed = new Set(seen.keys());
  const shareOf = (c: Candidate): number => c.ratio / o.budgetRatio;
  let attempt = 0;
  const measured = async (state: State, how: FitOptions['measure']): Promise<Candidate> => {
    const c = { state, predictedMs: predictMs(o.space, state), ratio: await how(o.cut(state)) };
    seen.set(keyOf(state), c);
    o.onCandidate?.(c, attempt);
    return c;
  };
  const confirm = async (c: Candidate): Promise<Candidate> => {
    const key = keyOf(c.state);
    if (!o.confirm || confirmed.has(key)) return c;
    confirmed.add(key);
    return measured(c.state, o.confirm);
  };
  const goals = new Goals(o.budgetRatio, (AIM * o.budgetRatio * o.baselineMs) / bias);
  for (const c of known) goals.learn(c.predictedMs, c);
  for (let tries = 0; attempt < attempts && tries < GOALS * attempts; tries++) {
    const goal = goals.next();
    if (goal === null) break;
    const state = await o.allocate(goal);
    const again = seen.get(keyOf(state));
    let c = again ?? (await measured(state, o.measure));
    if (!again) attempt++;
    if (isAccepted(shareOf(c))) c = await confirm(c);
    if (isAccepted(shareOf(c))) break;
    goals.learn(goal, c, again !== undefined);
  }
  for (;;) {
    const candidates = [...seen.values()];
    const within = candidates.filter((c) => isWithin(shareOf(c)));
    const best = within.length
      ? within.reduce((a, b) => (b.ratio > a.ratio ? b : a))
      : candidates.reduce((a, b) => (b.ratio < a.ratio ? b : a));
    if ((await confirm(best)) === best) return { best, within: within.length > 0, candidates };
  }
}

/** Predicted times to ask for: rescaled by what was measured, and bisected where that leads nowhere new. */
class Goals {
  readonly #budgetRatio: number;
  #goal: number;
  /** Goals whose plans use less than they may, and more. */
  #under = 0;
  #over = Infinity;

  constructor(budgetRatio: number, first: number) {
    this.#budgetRatio = budgetRatio;
    this.#goal = first;
  }

  /** Null where nothing is left between what was too fast and what was too slow. */
  next(): number | null {
    return this.#over < NEAR * this.#under ? null : this.#goal;
  }

  /** @param again true for a plan that was measured for another goal */
  learn(goal: number, c: Candidate, again = false): void {
    const share = c.ratio / this.#budgetRatio;
    if (share > AIM) this.#over = Math.min(this.#over, goal);
    else this.#under = Math.max(this.#under, goal);
    // The goal whose plan would measure right if measurements were proportional to predictions.
    const rescaled = (AIM * c.predictedMs) / share;
    if (!again && rescaled > this.#under && rescaled < this.#over) this.#goal = rescaled;
    else if (this.#under > 0 && this.#over < Infinity) this.#goal = Math.sqrt(this.#under * this.#over);
    else this.#goal = share > AIM ? goal / STEP : goal * STEP;
  }
}

/** Equal states have equal keys. */
export const keyOf = (s: State): string => JSON.stringify([...s].sort((a, b) => (a[0] < b[0] ? -1 : 1)));

export const stateOf = (key: string): State => new Map(JSON.parse(key) as [string, number][]);
