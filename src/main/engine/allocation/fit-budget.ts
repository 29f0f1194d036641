/**
 * The closed loop: get a plan from the allocator, cut the model, measure it end to end beside the original, correct the
 * prediction by the measurement, and repeat until the measured latency lies in a band below the budget. The final plan
 * is measured once more, for longer, before any later stage uses it.
 */
import type { Model } from '../ir/model.ts';
import { predictMs, type Space, type State } from './state.ts';

export interface Candidate {
  readonly state: State;
  readonly predictedMs: number;
  /** Measured time divided by the original's in the same run. */
  readonly ratio: number;
  /** True where the time limit of the allocation forced choices by estimate. */
  readonly limited?: boolean;
}

export interface FitOptions {
  /** Budget divided by the original's latency. */
  readonly budgetRatio: number;
  readonly baselineMs: number;
  readonly space: Space;
  /** Returns a plan predicted at most `ms`. */
  readonly allocate: (ms: number) => Promise<State>;
  readonly cut: (s: State) => Model;
  /** Returns the measured ratio of a model to the original. */
  readonly measure: (m: Model) => Promise<number>;
  /** The longer measurement; default: none. */
  readonly confirm?: (m: Model) => Promise<number>;
  readonly attempts?: number;
  /** Known ratio of measured to predicted time for similar plans; default 1. */
  readonly bias?: number;
  /** Plans with earlier long measurements, the latest last: the loop continues from them. */
  readonly known?: readonly Candidate[];
  readonly onCandidate?: (c: Candidate, attempt: number) => void;
}

/**
 * Range of accepted shares of the budget; the loop aims between them. The ratio of two models drifts by 2 % in a
 * quarter of an hour. The deciding measurement has an interval of 1.5 to 3 % to either side, which must lie within the
 * budget completely.
 */
export const BAND = [0.93, 0.97] as const;
const AIM = 0.95;

/** A share up to this may be within the budget in a second measurement. */
const WITHIN = 0.99;

/** Ratio between a goal and the next one to try, and between two goals too close to bisect further. */
const STEP = 1.02;
const NEAR = 1.005;

/** Maximum goals per measured plan: a goal can lead to a plan that was measured before. */
const GOALS = 3;

/** True for a measured share of the budget that can be within it. */
export const isWithin = (share: number): boolean => share <= WITHIN;

const isAccepted = (share: number): boolean => share >= BAND[0] && share <= BAND[1];

/** The plan that uses most of the budget without exceeding it, or the nearest above where none is within. */
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
    const { goal } = goals;
    const state = await o.allocate(goal);
    const again = seen.get(keyOf(state));
    let c = again ?? (await measured(state, o.measure));
    if (!again) attempt++;
    if (isAccepted(shareOf(c))) c = await confirm(c);
    if (isAccepted(shareOf(c))) return { best: c, within: true, candidates: [...seen.values()] };
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

/** Predicted times to request: rescaled by measurements, and bisected where rescaling gives no new plan. */
class Goals {
  readonly #budgetRatio: number;
  goal: number;
  /** The highest goal whose plan used less than the aim, and the lowest whose plan used more. */
  #under = 0;
  #over = Infinity;

  constructor(budgetRatio: number, first: number) {
    this.#budgetRatio = budgetRatio;
    this.goal = first;
  }

  /** @param again true for a plan that was measured for another goal */
  learn(goal: number, c: Candidate, again = false): void {
    const share = c.ratio / this.#budgetRatio;
    if (share > AIM) this.#over = Math.min(this.#over, goal);
    else this.#under = Math.max(this.#under, goal);
    // Nothing lies in between, or noise contradicts itself: the latest measurement counts.
    if (this.#over < NEAR * this.#under) [this.#under, this.#over] = share > AIM ? [0, goal] : [goal, Infinity];
    // The goal that would meet the target if measurements were proportional to predictions.
    const rescaled = (AIM * c.predictedMs) / share;
    if (!again && rescaled > this.#under && rescaled < this.#over) this.goal = rescaled;
    else if (this.#under > 0 && this.#over < Infinity) this.goal = Math.sqrt(this.#under * this.#over);
    else this.goal = share > AIM ? goal / STEP : goal * STEP;
  }
}

/** Equal states have equal keys. */
export const keyOf = (s: State): string => JSON.stringify([...s].sort((a, b) => (a[0] < b[0] ? -1 : 1)));

export const stateOf = (key: string): State => new Map(JSON.parse(key) as [string, number][]);
