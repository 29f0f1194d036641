/**
 * Detectors select boxes by score, and some exporters fix the number of selected boxes at tracing. A model that selects
 * others (pruned, or with random weights) then fails to run. With the selections of one run inserted as constants, the
 * parts before and after them can still be counted, timed and compared.
 */
import { attrInt, int } from '../ir/attribute.ts';
import type { Graph } from '../ir/graph.ts';
import { dataDependent } from '../ir/dependence.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { traitsOf } from '../ops/registry.ts';
import { eliminateDead } from './eliminate-dead.ts';
import { runPasses } from './pass.ts';

const chooses = (g: Graph): boolean =>
  [...g.nodes()].some((n) => traitsOf(n).selection?.chosen || [...n.subgraphs()].some(chooses));

/** Selections of one node: values that may become constants. */
function chosenBy(node: Node, depends: ReadonlySet<Value>): Value[] {
  const values = [...(traitsOf(node).selection?.chosen?.(node) ?? [])];
  if (node.key === 'If') values.push(node.input(0));
  // Suppression is often wrapped in an If.
  if ([...node.subgraphs()].some(chooses)) values.push(...node.outputs);
  return values.filter((v): v is Value => v != null && v.name !== '' && depends.has(v));
}

/**
 * Values that a run selects by its data: indices and conditions. Outputs of a loop or an If that contains a selection
 * can also be ordinary numbers.
 */
export function choicesOf(model: Model): Value[] {
  const depends = dataDependent(model);
  return [...new Set([...model.graph.nodes()].flatMap((n) => chosenBy(n, depends)))];
}

/**
 * Inserts recorded selections into a model by value name, in place. The largest entries along an axis are instead
 * gathered by the recorded indices.
 * @returns number of values that became constants
 */
export function fixSelections(model: Model, recorded: ReadonlyMap<string, Tensor>): number {
  const { graph } = model;
  let count = 0;
  for (const v of choicesOf(model)) {
    const tensor = recorded.get(v.name);
    if (!tensor) continue;
    const constant = graph.addInitializer(graph.freshName(`${v.name}_fixed`), tensor);
    const node = v.producer;
    replaceReaders(v, constant);
    count++;
    const largest = node?.key === 'TopK' ? node.output(0) : null;
    if (!node || !largest?.isUsed || model.opset < 11) continue;
    const axis = attrInt(node.attributes.get('axis'), -1);
    const [taken] = graph.emit('GatherElements', [node.input(0)!, constant], {
      attributes: [['axis', int(axis)]],
      before: node,
      outputName: `${largest.name}_taken`,
    });
    replaceReaders(largest, taken!);
  }
  if (count) runPasses(model, [eliminateDead]);
  return count;
}

/** Replaces the value at its readers; graph outputs stay. */
function replaceReaders(v: Value, by: Value): void {
  for (const { node, index } of [...v.uses()]) node.setInput(index, by);
}
