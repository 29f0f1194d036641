/**
 * The closed loop: ask the allocator for a plan, cut the model, measure it end to end beside the original, correct the
 * prediction by what was measured, and repeat until the measured latency lies in a narrow band under the budget.
 */
import type { Model } from '../engine/ir/model.ts';
import { predictMs, type Space, type State } from '../engine/pruning/allocation/state.ts';

export interface Candidate {
  readonly state: State;
  readonly predictedMs: number;
  /** Measured over the original's measured time in the same run. */
  readonly ratio: number;
}

export interface FitOptions {
  /** Budget over the original's latency. */
  readonly budgetRatio: number;
  readonly baselineMs: number;
  readonly space: Space;
  /** A plan whose prediction is at most `ms`. */
  readonly allocate: (ms: number) => Promise<State>;
  /** Uses up what is left below `ms`. */
  readonly refill?: (state: State, ms: number) => Promise<State>;
  readonly cut: (s: State) => Model;
  /** Measured ratio of a model to the original. */
  readonly measure: (m: Model) => Promise<number>;
  /** A longer look at the plan that was chosen, before anything is built on it; default: none. */
  readonly confirm?: (m: Model) => Promise<number>;
  readonly attempts?: number;
  readonly onCandidate?: (c: Candidate, attempt: number) => void;
}

/** Where in the band to aim, and when to be content: shares of the budget. */
const AIM = 0.972;
const CONTENT = [0.953, 0.988] as const;

/** The plan that uses most of the budget without exceeding it, or the one nearest above when none is within. */
export async function fitBudget(o: FitOptions): Promise<{ best: Candidate; within: boolean; candidates: Candidate[] }> {
  const seen = new Map<string, Candidate>();
  const confirmed = new Set<string>();
  let correction = 1;
  for (let attempt = 0; attempt < (o.attempts ?? 9); attempt++) {
    const goal = (o.budgetRatio * o.baselineMs * AIM) / correction;
    let state = await o.allocate(goal);
    if (o.refill) state = await o.refill(state, goal);
    const key = keyOf(state);
    let c = seen.get(key);
    if (!c) {
      const ratio = await o.measure(o.cut(state));
      c = { state, predictedMs: predictMs(o.space, state), ratio };
      seen.set(key, c);
      o.onCandidate?.(c, attempt);
    } else {
      // The same plan again: its neighbours decide.
      const share = c.ratio / o.budgetRatio;
      if (share > CONTENT[1] || share < CONTENT[0] - 0.02) {
        correction *= share > 1 ? 1.015 : 0.985;
        continue;
      }
    }
    let share = c.ratio / o.budgetRatio;
    if (share >= CONTENT[0] && share <= CONTENT[1]) {
      if (!o.confirm || confirmed.has(key)) break;
      c = { ...c, ratio: await o.confirm(o.cut(state)) };
      seen.set(key, c);
      confirmed.add(key);
      o.onCandidate?.(c, attempt);
      share = c.ratio / o.budgetRatio;
      if (share >= CONTENT[0] && share <= CONTENT[1]) break;
    }
    correction = (c.ratio * o.baselineMs) / c.predictedMs;
  }
  // Measured twice counts for more: what was only glanced at is confirmed before it is chosen.
  for (;;) {
    const candidates = [...seen.values()];
    const within = candidates.filter((c) => c.ratio <= o.budgetRatio * 0.996);
    const best = within.length
      ? within.reduce((a, b) => (b.ratio > a.ratio ? b : a))
      : candidates.reduce((a, b) => (b.ratio < a.ratio ? b : a));
    const key = keyOf(best.state);
    if (!o.confirm || confirmed.has(key)) return { best, within: within.length > 0, candidates };
    confirmed.add(key);
    seen.set(key, { ...best, ratio: await o.confirm(o.cut(best.state)) });
  }
}

/** Equal states have equal keys. */
export const keyOf = (s: State): string =>
  JSON.stringify([[...s.keep].sort((a, b) => (a[0] < b[0] ? -1 : 1)), [...s.dropped].sort()]);

export function stateOf(key: string): State {
  const [keep, dropped] = JSON.parse(key) as [[string, number][], string[]];
  return { keep: new Map(keep), dropped: new Set(dropped) };
}
