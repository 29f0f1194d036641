/**
 * The weights of a pruned model in a model of the original's shape, zeros in the place of what was removed: the same
 * function, which plans for the original can be applied to. A plan can therefore be made in steps, each judged on the
 * compensated model of the step before.
 */
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Node } from '../ir/node.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { spreadTensor } from './axes/slice-tensor.ts';
import type { Surgery } from './apply.ts';
import { readChoices, type AnyCut, type Choice } from './choices.ts';
import type { Structure, Subject } from './contract.ts';
import { findStructures } from './find.ts';
import { maskChoices } from './mask.ts';

/**
 * @param of the model that was cut by `plan`, @param surgery with the weights to put back, before anything else has
 *   rewritten it
 * @returns null where shapes or structures would not be those of the original. The caller checks that the function is the
 *   same: a normalization over the channels of which some were removed counts the zeros.
 */
export function putBack(of: Subject, surgery: Surgery, plan: AnyCut): Subject | null {
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
    const now = out && !gone.has(original) ? surgery.values.get(out)?.producer : undefined;
    if (!now || now.opType !== original.opType) continue;
    const copy = clone.nodes.get(original)!;
    for (const [i, v] of now.inputs.entries())
      if (v?.initializer?.dtype === DType.FLOAT && !put(v, i, { original, copy, of, surgery })) return null;
  }
  const kinds = new Set(of.structures.map((s) => s.kind));
  const { analysis, structures } = findStructures(model, facts, [...kinds]);
  const names = (list: readonly Structure[]): string => list.map((s) => `${s.id} ${s.units}`).join('\n');
  if (names(structures) !== names(of.structures)) return null;
  // Weights hold zeros where units along axes were removed. All other units are masked.
  const masked: Choice[] = choices.filter((c) => !c.structure.axes && c.removed.length > 0);
  maskChoices(masked, { ...of, clone });
  return { model, facts, analysis, structures };
}

/** Gives the copy's input the values of the pruned node's. */
function put(
  v: Value,
  i: number,
  { original, copy, of, surgery }: { original: Node; copy: Node; of: Pick<Subject, 'facts'>; surgery: Surgery },
): boolean {
  const whole = original.input(i);
  let tensor: Tensor;
  try {
    if (whole?.initializer) {
      if (whole.initializer === v.initializer) return true;
      const { dims } = whole.initializer;
      tensor = spreadTensor(
        v.initializer!,
        dims,
        dims.map((_, axis) => surgery.kept(whole, axis)),
      );
    } else if (!whole && v.initializer!.dims.length === 1) {
      // A bias that the original does not have.
      const channels = of.facts.get(original.output())?.shape[1];
      if (channels === undefined) return false;
      tensor = spreadTensor(v.initializer!, [channels], [surgery.kept(original.output(), 1)]);
    } else return false;
  } catch (e) {
    if (e instanceof RangeError) return false;
    throw e;
  }
  const held = copy.inputs[i];
  // What several nodes share stays shared.
  if (held?.initializer && (held.uses().length === 1 || surgery.values.get(whole!) === v)) held.initializer = tensor;
  else copy.setInput(i, copy.graph!.addInitializer(copy.graph!.freshName(`${copy.output().name}_${i}`), tensor));
  return true;
}
