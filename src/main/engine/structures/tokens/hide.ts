/**
 * The reference for a cut of tokens: the same model with all its tokens, of which those that a step does not select are
 * hidden. They get no weight in attention and means, so the others compute what they compute alone. For a batch of one.
 */
import { GraphBuilder } from '../../autodiff/builder.ts';
import { int } from '../../ir/attribute.ts';
import { cloneModel, type Clone } from '../../ir/clone.ts';
import { DType } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import { f32 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import type { TokenSchedule } from '../../../../shared/model/types.ts';
import { insertFactors } from '../axes/factors.ts';
import { maskReductions } from '../axes/mask-reductions.ts';
import { inputsAt } from './cut.ts';
import { takeEntries } from './support/rows.ts';
import type { TokenPlace } from './places.ts';
import { resolveSchedule, type ResolvedSchedule, type ResolvedStep } from './schedule.ts';

/** Added to the scores of hidden tokens. */
const HIDDEN = -1e9;

/** Tokens between two steps. N counts all of them, k those that are not hidden. */
interface Shown {
  /** int64 [1, k]: indices of the tokens that are shown. */
  readonly index: Value;
  /** Float [1, k]: original tokens that each stands for; absent: one each. */
  readonly sizes: Value | undefined;
  /** Float [N]: weight of each token in sums, 0 for hidden ones. */
  readonly weights: Value;
}

/**
 * @returns the masked model, with the output `tokens_index`: int64 [1, k], the tokens that are shown in the end
 * @throws SecateurError 'plan-invalid' where the schedule does not fit the model
 * @internal
 */
export function hideTokens(
  { model, facts, places }: { readonly model: Model; readonly facts: Facts; readonly places: readonly TokenPlace[] },
  schedule: TokenSchedule,
): Model {
  const resolved = resolveSchedule(schedule, places);
  const clone = cloneModel(model);
  let shown: Shown | undefined;
  for (const [i, step] of resolved.steps.entries()) {
    shown = showAt(clone, step, resolved, shown, model.opset);
    hideBehind(clone, step.place, resolved.steps[i + 1]?.place, shown, facts);
  }
  if (shown) {
    const { graph } = clone.model;
    const [out] = graph.emit('Identity', [shown.index], { outputName: 'tokens_index' });
    out!.type = { elemType: DType.INT64 };
    graph.outputs.push(out!);
  }
  return clone.model;
}

/** Selects at one step, among the tokens that are shown, and writes the new contents of the selected ones. */
function showAt(
  clone: Clone,
  { place, count, keep }: ResolvedStep,
  { method, seed }: ResolvedSchedule,
  before: Shown | undefined,
  opset: number,
): Shown {
  const tokens = clone.values.get(place.value)!;
  const readers = tokens.uses();
  const b = new GraphBuilder(tokens.graph!, opset);
  b.before = tokens.producer!.next;
  const at = before && b.reshape(before.index, [-1]);
  const pick = (v: Value, ...axes: readonly number[]): Value =>
    at ? axes.reduce((x, axis) => b.op('Gather', [x, at], { axis: int(axis) }), v) : v;
  const value = (v: Value, ...axes: readonly number[]): Value => pick(clone.values.get(v)!, ...axes);
  const given = inputsAt(b, place, { tokens: pick(tokens, 1), count, sizes: before?.sizes, seed, value });
  const selection = method.emit(b, given, keep);
  const index = before ? takeEntries(b, before.index, selection.index) : selection.index;
  if (selection.content) {
    const at = b.op('Expand', [b.reshape(index, [1, -1, 1]), b.op('Shape', [selection.content])]);
    const written = b.op('ScatterElements', [tokens, at, selection.content], { axis: int(1) });
    for (const { node, index: i } of readers) node.setInput(i, written);
  }
  const sizes = selection.sizes ?? (given.sizes && takeEntries(b, given.sizes, selection.index));
  const ones = b.add(b.mul(b.cast(index, DType.FLOAT), b.scalar(0)), b.scalar(1));
  const zeros = b.tensor(f32(new Float32Array(place.count), [1, place.count]), 'hidden');
  const weights = b.op('ScatterElements', [zeros, index, sizes ?? ones], { axis: int(1) });
  return { index, sizes, weights: b.reshape(weights, [-1]) };
}

/** Hides tokens in everything between two places. */
function hideBehind(clone: Clone, from: TokenPlace, to: TokenPlace | undefined, shown: Shown, facts: Facts): void {
  const later = new Set<Node>(
    [...(to?.weighings ?? []), ...(to?.reductions ?? []), ...(to?.sinks ?? [])].map((r) => r.node),
  );
  const here = <T extends { readonly node: Node }>(list: readonly T[]): T[] => list.filter((r) => !later.has(r.node));
  const { opset } = clone.model;
  for (const { node, axis, rank } of here(from.weighings)) {
    const softmax = clone.nodes.get(node)!;
    const b = new GraphBuilder(softmax.graph!, opset);
    b.before = softmax;
    const visible = b.greater(shown.weights, b.scalar(0));
    const bias = b.where(visible, b.log(b.op('Max', [shown.weights, b.scalar(1e-9)])), b.scalar(HIDDEN));
    const dims = Array.from({ length: rank }, (_, i) => (i === axis ? -1 : 1));
    softmax.setInput(0, b.add(softmax.input(0)!, b.reshape(bias, dims)));
  }
  maskReductions(
    here(from.reductions).map((reduction) => ({
      reduction,
      node: clone.nodes.get(reduction.node)!,
      activation: clone.values.get(reduction.activation)!,
      vector: shown.weights,
    })),
    facts,
    opset,
  );
  insertFactors(clone.nodes, clone.values, here(from.sinks), facts, () => () => shown.weights);
}
