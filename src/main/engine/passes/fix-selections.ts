/**
 * Detectors choose boxes by their scores, and some exporters write down how many were chosen when the graph was traced: a
 * model that chooses others (pruned, or with made-up weights) then does not even run. With the choices of one run put in
 * as constants, what comes before and behind them can still be counted, timed and compared.
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

/** What one node chooses: values that may become constants. */
function chosenBy(node: Node, depends: ReadonlySet<Value>): Value[] {
  const values = [...(traitsOf(node).selection?.chosen?.(node) ?? [])];
  if (node.key === 'If') values.push(node.input(0));
  // Suppression is often wrapped in a condition.
  if ([...node.subgraphs()].some(chooses)) values.push(...node.outputs);
  return values.filter((v): v is Value => v != null && v.name !== '' && depends.has(v));
}

/**
 * Values that a run chooses by its data: indices and conditions. What a loop or a condition with a choice in it gives may
 * also be numbers, which are not chosen.
 */
export function choicesOf(model: Model): Value[] {
  const depends = dataDependent(model);
  return [...new Set([...model.graph.nodes()].flatMap((n) => chosenBy(n, depends)))];
}

/**
 * Puts recorded choices into a model, by the names of their values; in place. What is largest along an axis is gathered by
 * the recorded indices instead.
 * @returns how many became constants
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

/** Where it is read; what the model gives out stays. */
function replaceReaders(v: Value, by: Value): void {
  for (const { node, index } of [...v.uses()]) node.setInput(index, by);
}
