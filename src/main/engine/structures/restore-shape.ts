/**
 * Brings the weights of a pruned model back into the original's shape, with zeros where units were removed. The function
 * stays the same, and every plan for the original applies to it. A plan can therefore be made in steps, each judged on
 * the compensated model of the step before.
 */
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Node } from '../ir/node.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { Surgery } from './apply.ts';
import { spreadTensor } from './axes/slice-tensor.ts';
import { readChoices, type AnyCut, type Choice } from './choices.ts';
import type { Structure, Subject } from './contract.ts';
import { findStructures } from './find.ts';
import { maskChoices } from './mask.ts';

/**
 * @param of the model that `plan` was applied to
 * @param surgery the cut, with changed weights but no other rewrite
 * @returns null when shapes or structures would differ from the original's. The caller checks that the function is the
 *   same: a normalization over channels counts the zeros of removed ones.
 */
export function restoreShape(of: Subject, surgery: Surgery, plan: AnyCut): Subject | null {
  const clone = cloneModel(of.model);
  const { model } = clone;
  const facts: Facts = new Map(
    [...of.facts].flatMap(([v, f]) => {
      const copy = clone.values.get(v);
      return copy ? [[copy, f] as const] : [];
    }),
  );
  const choices = readChoices(of.structures, plan);
  const gone = new Set<Node>(choices.flatMap(({ structure: s, removed }) => s.kind.shapes(s, removed).gone));
  for (const original of of.model.graph.nodes()) {
    const out = original.outputs[0];
    const pruned = out && !gone.has(original) ? surgery.values.get(out)?.producer : undefined;
    if (!pruned || pruned.opType !== original.opType) continue;
    const copy = clone.nodes.get(original)!;
    for (const [input, v] of pruned.inputs.entries())
      if (v?.initializer?.dtype === DType.FLOAT && !restoreInput(v, { input, original, copy, of, surgery }))
        return null;
  }
  const kinds = new Set(of.structures.map((s) => s.kind));
  const { analysis, structures } = findStructures(model, facts, [...kinds]);
  const names = (list: readonly Structure[]): string => list.map((s) => `${s.id} ${s.units}`).join('\n');
  if (names(structures) !== names(of.structures)) return null;
  // Units along axes are zeros in the weights already. All other units are masked.
  const masked: Choice[] = choices.filter((c) => !c.structure.axes && c.removed.length > 0);
  maskChoices(masked, { ...of, clone });
  return { model, facts, analysis, structures };
}

interface Place {
  readonly input: number;
  readonly original: Node;
  readonly copy: Node;
  readonly of: Pick<Subject, 'facts'>;
  readonly surgery: Surgery;
}

/** Gives the copy's input the values of the pruned node's input `v`. Returns false where their shapes do not fit. */
function restoreInput(v: Value, { input, original, copy, of, surgery }: Place): boolean {
  const whole = original.input(input);
  let tensor: Tensor;
  try {
    if (whole?.initializer) {
      if (whole.initializer === v.initializer) return true;
      const { dims } = whole.initializer;
      const kept = dims.map((_, axis) => surgery.kept(whole, axis));
      tensor = spreadTensor(v.initializer!, dims, kept);
    } else if (!whole && v.initializer!.dims.length === 1) {
      // Compensation added a bias.
      const channels = of.facts.get(original.output())?.shape[1];
      if (channels === undefined) return false;
      tensor = spreadTensor(v.initializer!, [channels], [surgery.kept(original.output(), 1)]);
    } else return false;
  } catch (e) {
    if (e instanceof RangeError) return false;
    throw e;
  }
  const held = copy.inputs[input];
  // A tensor that several nodes share stays shared.
  if (held?.initializer && (held.uses().length === 1 || surgery.values.get(whole!) === v)) held.initializer = tensor;
  else
    copy.setInput(input, copy.graph!.addInitializer(copy.graph!.freshName(`${copy.output().name}_${input}`), tensor));
  return true;
}
