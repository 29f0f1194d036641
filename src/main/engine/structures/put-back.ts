/**
 * The weights of a pruned model in a model of the original's shape, zeros in the place of what was removed: the same
 * function, which plans for the original can be applied to. So a plan can be made in stages, each judged on what
 * compensation has made of the stage before.
 */
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import { Node } from '../ir/node.ts';
import { f32, type Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { findResidualBlocks } from './blocks/residuals.ts';
import { buildGroups } from './axes/groups.ts';
import { spreadTensor } from './axes/slice-tensor.ts';
import type { Surgery } from './apply.ts';
import type { Analysis, ResidualBlock } from './axes/types.ts';

interface Subject {
  readonly model: Model;
  readonly facts: Facts;
  readonly analysis: Analysis;
  readonly blocks: readonly ResidualBlock[];
}

/**
 * @param of the model that was cut, @param surgery with the weights to put back, before anything else has rewritten it
 * @returns null where shapes or groups would not be those of the original. Whether the function is the same is for the
 *   caller to see: a normalization over the channels of which some were removed counts the zeros.
 */
export function putBack(of: Subject, surgery: Surgery, dropped: readonly ResidualBlock[]): Subject | null {
  const clone = cloneModel(of.model);
  const { model } = clone;
  const facts: Facts = new Map(
    [...of.facts].flatMap(([v, f]) => {
      const copy = clone.values.get(v);
      return copy ? [[copy, f] as const] : [];
    }),
  );
  const gone = new Set<Node>(dropped.flatMap((b) => [...b.nodes, b.add]));
  for (const original of of.model.graph.nodes()) {
    const out = original.outputs[0];
    const now = out && !gone.has(original) ? surgery.values.get(out)?.producer : undefined;
    if (!now || now.opType !== original.opType) continue;
    const copy = clone.nodes.get(original)!;
    for (const [i, v] of now.inputs.entries())
      if (v?.initializer?.dtype === DType.FLOAT && !put(v, i, { original, copy, of, surgery })) return null;
  }
  const analysis = buildGroups(model, facts);
  const blocks = findResidualBlocks(model, facts);
  const names = (a: Analysis, b: readonly ResidualBlock[]): string =>
    [...a.groups.map((g) => `${g.id} ${g.units}`), ...b.map((x) => x.id)].join('\n');
  if (names(analysis, blocks) !== names(of.analysis, of.blocks)) return null;
  for (const b of dropped) silence(clone.nodes.get(b.add)!, clone.values.get(b.shortcut)!);
  return { model, facts, analysis, blocks };
}

/** Gives the copy's input the values of the pruned node's. */
function put(
  v: Value,
  i: number,
  { original, copy, of, surgery }: { original: Node; copy: Node; of: Subject; surgery: Surgery },
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

/** What a dropped block adds becomes nothing. */
function silence(add: Node, shortcut: Value): void {
  const graph = add.graph!;
  const zero = graph.addInitializer(graph.freshName('nothing'), f32([0], []));
  for (const [i, v] of add.inputs.entries()) {
    if (!v || v === shortcut) continue;
    const [silent] = graph.emit('Mul', [v, zero], { before: add });
    add.setInput(i, silent!);
  }
}
