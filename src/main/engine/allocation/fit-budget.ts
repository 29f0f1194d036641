/**
 * The closed loop: ask the allocator for a plan, cut the model, measure it end to end beside the original, correct the
 * prediction by what was measured, and repeat until the measured latency lies in a narrow band under the budget.
 */
import type { Model } from '../ir/model.ts';
import { predictMs, type Space, type State } from './state.ts';

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
  readonly cut: (s: State) => Model;
  /** Measured ratio of a model to the original. */
  readonly measure: (m: Model) => Promise<number>;
  /** A longer look at the plan that was chosen, before anything is built on it; default: none. */
  readonly confirm?: (m: Model) => Promise<number>;
  readonly attempts?: number;
  /** Measured over predicted time of plans like those that are wanted, as far as it is known; default 1. */
  readonly bias?: number;
  /** Plans predicted at most `ms` that keep all that `s` keeps and more, the one that helps most first; default: none. */
  readonly wider?: (s: State, ms: number) => Promise<readonly State[]>;
  /** Plans that were measured at length before, the latest last: where the loop takes up. */
  readonly known?: readonly Candidate[];
  readonly onCandidate?: (c: Candidate, attempt: number) => void;
}

/**
 * Where in the band to aim, and when to be content: shares of the budget. The measurement that decides has an interval of
 * 1.5 to 3 % to either side, and all of it must lie within the budget.
 */
const AIM = 0.96;
export const CONTENT = [0.945, 0.975] as const;

/** A step to a neighbour of a plan, and goals with nothing between them. */
const STEP = 1.015;
const NEAR = 0.002;

/** Measured shares of the budget above this are not within it: a later look may find a little more. */
const WITHIN = 0.99;

/** True for a measured share of the budget that will be within it when it is measured again. */
export const isWithin = (share: number): boolean => share <= WITHIN;

/** True for a measured share of the budget that leaves nothing to correct. */
const isContent = (share: number): boolean => share >= CONTENT[0] && share <= CONTENT[1];

/** True when what the loop was content with, or as near as it came, has turned out otherwise. @param shares of the budget */
export const isSurprise = (chosen: number, now: number): boolean =>
  (now > CONTENT[1] && chosen <= WITHIN) || (now < CONTENT[0] && chosen >= CONTENT[0]);

/** Goals tried per plan that is measured, at most: a goal may lead to a plan that was measured before. */
const GOALS = 3;

/** Plans wider than the best that are measured, at most, and how many times what is left they may be predicted to take. */
const FILLS = 6;
const TRUST = [1, 2] as const;

/** The plan that uses most of the budget without exceeding it, or the one nearest above when none is within. */
export async function fitBudget(o: FitOptions): Promise<{ best: Candidate; within: boolean; candidates: Candidate[] }> {
  const { attempts = 9, bias = 1, known = [] } = o;
  const seen = new Map(known.map((c) => [keyOf(c.state), c]));
  const confirmed = new Set(seen.keys());
  const shareOf = (c: Candidate): number => c.ratio / o.budgetRatio;
  /** The goal whose plan would measure right if measurements were proportional to predictions. */
  const corrected = (c: Candidate): number => (AIM * c.predictedMs) / shareOf(c);
  // Goals whose plans use less than they may, and more.
  let [under, over] = [0, Infinity];
  const bound = (at: number, c: Candidate): void => {
    if (shareOf(c) < CONTENT[0]) under = Math.max(under, at);
    if (shareOf(c) > CONTENT[1]) over = Math.min(over, at);
  };
  for (const c of known) bound(c.predictedMs, c);
  const last = known.at(-1);
  let goal = last ? corrected(last) : (AIM * o.budgetRatio * o.baselineMs) / bias;
  let attempt = 0;
  const look = async (state: State): Promise<Candidate> => {
    const c = { state, predictedMs: predictMs(o.space, state), ratio: await o.measure(o.cut(state)) };
    seen.set(keyOf(state), c);
    o.onCandidate?.(c, attempt++);
    return c;
  };
  for (let tries = 0; attempt < attempts && tries < GOALS * attempts; tries++) {
    const state = await o.allocate(goal);
    const key = keyOf(state);
    const again = seen.has(key);
    let c = seen.get(key) ?? (await look(state));
    if (isContent(shareOf(c))) {
      if (!o.confirm || confirmed.has(key)) break;
      c = { ...c, ratio: await o.confirm(o.cut(state)) };
      seen.set(key, c);
      confirmed.add(key);
      o.onCandidate?.(c, attempt);
      if (isContent(shareOf(c))) break;
    }
    bound(goal, c);
    const next = corrected(c);
    // The same plan again, or a goal that is known to be wrong: between what was too fast and what was too slow, and
    // where only one is known a step away from it.
    if (!again && next > under && next < over) goal = next;
    else if (under > 0 && over < Infinity && under < over) {
      if (over - under < NEAR * over) break;
      goal = Math.sqrt(under * over);
    } else goal *= shareOf(c) > 1 ? 1 / STEP : STEP;
  }
  // Goals pass over plans that measure otherwise than predicted: what is left by the best is filled by what lies next to it.
  const filling = async (best: Candidate): Promise<State | undefined> => {
    if (!o.wider || shareOf(best) >= CONTENT[0]) return undefined;
    const left = CONTENT[1] / shareOf(best) - 1;
    const slow = [...seen.values()].filter((c) => !isWithin(shareOf(c)));
    // What was known before was measured for longer than a glance at its neighbour will be.
    const limit = Math.min(...known.filter((c) => !isWithin(shareOf(c))).map((c) => c.predictedMs));
    const mayDo = (s: State): boolean =>
      predictMs(o.space, s) < limit && !seen.has(keyOf(s)) && !slow.some((c) => contains(s, c.state));
    for (const trust of TRUST) {
      const wider = await o.wider(best.state, best.predictedMs * (1 + trust * left));
      const next = wider.find(mayDo);
      if (next) return next;
    }
    return undefined;
  };
  // Measured twice counts for more: what was only glanced at is confirmed before it is chosen.
  for (let fills = 0; ;) {
    const candidates = [...seen.values()];
    const within = candidates.filter((c) => isWithin(shareOf(c)));
    const best = within.length
      ? within.reduce((a, b) => (b.ratio > a.ratio ? b : a))
      : candidates.reduce((a, b) => (b.ratio < a.ratio ? b : a));
    const key = keyOf(best.state);
    if (o.confirm && !confirmed.has(key)) {
      confirmed.add(key);
      seen.set(key, { ...best, ratio: await o.confirm(o.cut(best.state)) });
      continue;
    }
    const next = within.length > 0 && fills < FILLS ? await filling(best) : undefined;
    if (!next) return { best, within: within.length > 0, candidates };
    await look(next);
    fills++;
  }
}

/** Equal states have equal keys. */
export const keyOf = (s: State): string =>
  JSON.stringify([[...s.keep].sort((a, b) => (a[0] < b[0] ? -1 : 1)), [...s.dropped].sort()]);

/** True when `a` keeps all that `b` keeps. */
export const contains = (a: State, b: State): boolean =>
  [...a.dropped].every((id) => b.dropped.has(id)) &&
  [...a.keep].every(([group, n]) => (b.keep.get(group) ?? Infinity) <= n);

export function stateOf(key: string): State {
  const [keep, dropped] = JSON.parse(key) as [[string, number][], string[]];
  return { keep: new Map(keep), dropped: new Set(dropped) };
}
