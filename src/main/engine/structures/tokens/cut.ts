/**
 * Reduces the tokens of a model: at each step of a schedule nodes select the tokens of the sample at hand, and everything
 * behind it runs on those alone. Pure: the given model is not changed.
 */
import { GraphBuilder } from '../../autodiff/builder.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import type { TokenSchedule } from '../../../../shared/model/types.ts';
import { eliminateDead } from '../../passes/eliminate-dead.ts';
import { applyDraft } from '../apply.ts';
import type { CutCopy } from '../contract.ts';
import type { TokenInputs } from './method.ts';
import type { TokenPlace } from './places.ts';
import { receivedAttention } from './support/attention.ts';
import { keptTokens, takeEntries } from './support/rows.ts';
import { gridOf, resolveSchedule, type ResolvedSchedule, type ResolvedStep } from './schedule.ts';

/** A model with its places. */
interface Tokenized {
  readonly model: Model;
  readonly facts: Facts;
  readonly places: readonly TokenPlace[];
}

/** The tokens that one step selects. */
export interface Selected {
  /** Value of the original whose tokens are selected. */
  readonly from: Value;
  /** int64 [B, K], a value of the cut model: indices among the tokens that the step before left. */
  readonly index: Value;
}

export interface TokenCut {
  readonly model: Model;
  /** Original value to value of the cut model, for values that remain. */
  readonly values: ReadonlyMap<Value, Value>;
  /** In the order of the model. */
  readonly selected: readonly Selected[];
}

/**
 * @returns the model with fewer tokens. Works for any batch.
 * @throws SecateurError 'plan-invalid' where the schedule does not fit the model
 */
export function cutTokens(original: Tokenized, schedule: TokenSchedule): Model {
  const { model } = traceCut(original, schedule);
  eliminateDead.run(model);
  return model;
}

/**
 * The same, with the way from the original's values to those of the cut model. The model still computes every index, also
 * where a method merges tokens and nothing reads it: `eliminateDead` ends that.
 */
export function traceCut({ model, facts, places }: Tokenized, schedule: TokenSchedule): TokenCut {
  const resolved = resolveSchedule(schedule, places);
  const steps = resolved.steps.filter((s) => s.keep < s.count - s.place.fixed);
  let selected: readonly Selected[] = [];
  const edit = (copy: CutCopy): void => {
    selected = edits(copy, { ...resolved, steps }, model.opset);
    // Outputs are not removed as dead.
    for (const { index } of selected) index.graph!.outputs.push(index);
  };
  const { model: cut, values } = applyDraft({ model, facts }, { removal: removalOf(steps), rewiring: [edit] });
  cut.graph.outputs.length = model.graph.outputs.length;
  return { model: cut, values, selected };
}

/**
 * Behind a step the tokens are numbered anew, and their axes end after the last one that stays. The operators therefore
 * adapt as if the last tokens had been removed.
 */
function removalOf(steps: readonly ResolvedStep[]): Map<Value, Map<number, Set<number>>> {
  const removal = new Map<Value, Map<number, Set<number>>>();
  for (const { place, keep } of steps)
    for (const { value, axis, indices } of place.axes) {
      const axes = removal.get(value) ?? new Map<number, Set<number>>();
      const set = axes.get(axis) ?? new Set<number>();
      for (const at of indices.slice(place.fixed + keep)) for (const i of at) set.add(i);
      removal.set(value, axes.set(axis, set));
    }
  return removal;
}

/** Inserts the selections, one step after the other. */
function edits(copy: CutCopy, { method, seed, steps }: ResolvedSchedule, opset: number): Selected[] {
  let sizes: Value | undefined;
  const selected: Selected[] = [];
  for (const [i, { place, count, keep }] of steps.entries()) {
    const tokens = copy.value(place.value);
    // Its shape was written as if it had been cut; it still has all tokens of the step.
    tokens.type = null;
    const readers = tokens.uses();
    const b = new GraphBuilder(tokens.graph!, opset);
    b.before = tokens.producer!.next;
    const given = inputsAt(b, place, { tokens, count, sizes, seed, value: (v) => copy.value(v) });
    const selection = method.emit(b, given, keep);
    const kept = keptTokens(b, given, selection);
    selected.push({ from: place.value, index: selection.index });
    for (const { node, index } of readers) node.setInput(index, kept);
    sizes = selection.sizes ?? (sizes && takeEntries(b, sizes, selection.index));
    if (sizes) carry(copy, sizes, place, steps[i + 1]?.place, { opset, fixed: place.fixed, keep });
  }
  return selected;
}

/**
 * Values that a method gets at a place.
 * @param value the copy of a value of the original, for the tokens of the step
 */
export function inputsAt(
  b: GraphBuilder,
  { fixed, width, attention, count: all }: TokenPlace,
  o: {
    readonly tokens: Value;
    readonly count: number;
    readonly sizes: Value | undefined;
    readonly seed: number;
    readonly value: (v: Value, ...tokenAxes: readonly number[]) => Value;
  },
): TokenInputs {
  const { tokens, count, sizes, seed } = o;
  // After a step the tokens do not form the grid any more.
  const grid = count === all ? gridOf(count - fixed) : null;
  return {
    tokens,
    count,
    width,
    fixed,
    seed,
    ...(grid && { grid }),
    ...(sizes && { sizes }),
    ...(attention && {
      attention: receivedAttention(b, o.value(attention.probabilities, 2, 3), fixed > 0),
      keys: b.transpose(b.reduceMean(o.value(attention.transposedKeys, 3), [1], false), [0, 2, 1]),
    }),
  };
}

/** Makes attention and means between two places count a token as often as the tokens that it stands for. */
function carry(
  copy: CutCopy,
  sizes: Value,
  from: TokenPlace,
  to: TokenPlace | undefined,
  { opset, fixed, keep }: { readonly opset: number; readonly fixed: number; readonly keep: number },
): void {
  const later = new Set<Node>([...(to?.weighings ?? []), ...(to?.reductions ?? [])].map((r) => r.node));
  for (const { node } of from.weighings.filter((w) => !later.has(w.node))) {
    const softmax = copy.node(node);
    const b = new GraphBuilder(softmax.graph!, opset);
    b.before = softmax;
    const bias = b.reshape(b.log(sizes), [0, 1, 1, -1]);
    softmax.setInput(0, b.add(softmax.input(0)!, bias));
  }
  for (const { node, activation } of from.reductions.filter((r) => !later.has(r.node))) {
    const mean = copy.node(node);
    const b = new GraphBuilder(mean.graph!, opset);
    b.before = mean;
    // The mean over rows that are scaled by size / mean size is the mean over the original tokens.
    const share = b.div(b.mul(sizes, b.scalar(fixed + keep)), b.reduceSum(sizes, [1], true));
    const scaled = b.mul(copy.value(activation), b.reshape(share, [0, -1, 1]));
    mean.inputs.forEach((v, i) => {
      if (v === copy.value(activation)) mean.setInput(i, scaled);
    });
  }
}
